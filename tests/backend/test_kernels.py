# SPDX-License-Identifier: Apache-2.0
"""Where compiled kernels are kept."""

from __future__ import annotations

import importlib
from pathlib import Path

import reangle
from reangle.kernels import cache_folder


def test_a_change_in_any_source_leaves_all_compiled_kernels_behind(tmp_path: Path) -> None:
    """numba looks at the file of the kernel alone, not at those of the functions that it calls."""
    for name in ("warping/hidden.py", "warping/raster.py", "geometry/camera/solve.py", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one", encoding="utf-8")
    before = cache_folder(tmp_path)
    assert cache_folder(tmp_path) == before
    for name in ("warping/hidden.py", "geometry/camera/solve.py"):
        (tmp_path / name).write_text("two", encoding="utf-8")
        assert cache_folder(tmp_path) != before
        before = cache_folder(tmp_path)
    (tmp_path / "warping/hidden.py").rename(tmp_path / "warping/tiles.py")
    assert cache_folder(tmp_path) != before


def test_every_kernel_is_kept_there() -> None:
    package = Path(reangle.__file__).parent
    folder = str(cache_folder(package))
    checked = 0
    for path in package.rglob("*.py"):
        if "@numba.njit(" not in path.read_text(encoding="utf-8"):
            continue
        name = ".".join(("reangle", *path.relative_to(package).with_suffix("").parts))
        for member in vars(importlib.import_module(name)).values():
            if hasattr(member, "stats") and hasattr(member.stats, "cache_path") and member.stats.cache_path:
                assert member.stats.cache_path.startswith(folder), f"{name} does not take its options from kernels.py"
                checked += 1
    assert checked > 30
