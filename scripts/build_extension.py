# SPDX-License-Identifier: Apache-2.0
"""Build the add-on as a Blender extension and check it with Blender's own validator.

    python3.11 scripts/build_extension.py [--out dist] [--repository DIR]

The manifest is in the repository's root and the code in `reangle_blender/`; Blender needs both in one folder. The
backend's source with its weights and lock files are put beside them, so that the add-on can install it.

--repository writes a folder that any web server can host and that Blender subscribes to by the URL of its `index.json`.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from environments import BACKEND_PYTHONS
from vendor_contract import outdated

from reangle_blender.core.environments import BACKEND_GIGABYTES, BACKEND_IMPORTS
from reangle_blender.core.installation import LOCKS, SOURCE, Carried, write_about
from reangle_blender.core.installer import carried_folder

REPO = Path(__file__).resolve().parents[1]


def build(out: Path) -> Path:
    """Build and validate the extension; return the zip in `out`. Needs a Python with the `bpy` package.

    Raises RuntimeError if the manifest has another version than the backend, if the contract's copy is outdated, and
    with the validator's message if Blender refuses the extension.
    """
    cli = _extension_cli()
    manifest = REPO / "blender_manifest.toml"
    version = tomllib.loads(manifest.read_text(encoding="utf-8"))["version"]
    if version != backend_version():
        raise RuntimeError(f"blender_manifest.toml has version {version}, reangle/version.py {backend_version()}")
    if names := outdated():
        raise RuntimeError(f"{', '.join(names)} of the add-on's contract differ; run scripts/vendor_contract.py first")
    out.mkdir(parents=True, exist_ok=True)
    archive = out / f"reangle-{version}.zip"
    with tempfile.TemporaryDirectory(prefix="reangle-extension-") as folder:
        stage = Path(folder) / "reangle"
        shutil.copytree(REPO / "reangle_blender", stage, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        shutil.copy(manifest, stage)
        shutil.copy(REPO / "LICENSES" / "GPL-3.0-or-later.txt", stage / "LICENSE.txt")
        carry_backend(carried_folder(stage))
        fresh = Path(folder) / archive.name
        _run(cli, "build", "--source-dir", str(stage), "--output-filepath", str(fresh))
        _run(cli, "validate", str(fresh))
        shutil.copy(fresh, archive)
    return archive


def write_repository(folder: Path) -> Path:
    """Build the extension into `folder` with the index that Blender reads, `index.json`, and a page, `index.html`.

    Earlier versions in the folder are removed: the index has one archive per extension. Returns the path of
    `index.json`. Raises RuntimeError as `build` does.
    """
    archive = build(folder)
    for earlier in folder.glob("reangle-*.zip"):
        if earlier != archive:
            earlier.unlink()
    _run(_extension_cli(), "server-generate", "--repo-dir", str(folder), "--html")
    return folder / "index.json"


def carry_backend(folder: Path) -> None:
    """Write the backend's source with its weights, its lock files and its licence into a folder of the extension."""
    locks = folder / LOCKS
    locks.mkdir(parents=True)
    for minor in BACKEND_PYTHONS:
        shutil.copy(REPO / "locks" / f"backend-{minor}.txt", locks)
    shutil.copy(REPO / "backend" / "LICENSE.txt", folder)
    backend = REPO / "backend"
    left_out = shutil.ignore_patterns("__pycache__", "build", "*.egg-info", "*.pyc", "*.nbi", "*.nbc")
    with zipfile.ZipFile(folder / SOURCE, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(_files(backend, left_out)):
            # One date for all, so that the same source makes the same zip.
            entry = zipfile.ZipInfo(path.relative_to(backend).as_posix(), (2020, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_STORED if path.suffix == ".safetensors" else zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    digest = hashlib.sha256((folder / SOURCE).read_bytes()).hexdigest()
    write_about(folder, Carried(backend_version(), digest, BACKEND_IMPORTS, BACKEND_GIGABYTES))


def _files(folder: Path, left_out: Callable[[str, list[str]], set[str]]) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        ignored = left_out(parent, [*folders, *files])
        folders[:] = [name for name in folders if name not in ignored]
        yield from (Path(parent) / name for name in files if name not in ignored)


def backend_version() -> str:
    """The version in `backend/reangle/version.py`, the one source of it."""
    return runpy.run_path(str(REPO / "backend" / "reangle" / "version.py"))["VERSION"]


def _extension_cli() -> Path:
    spec = importlib.util.find_spec("bpy")
    if spec is None or spec.origin is None:
        raise RuntimeError("this Python has no bpy package; run scripts/build_extension.py with plain python3.11")
    builders = sorted(Path(spec.origin).parent.glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py"))
    if not builders:
        raise RuntimeError(f"no extension builder beside {spec.origin}")
    return builders[-1]


def _run(cli: Path, *arguments: str) -> None:
    done = subprocess.run([sys.executable, str(cli), *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"blender_ext.py {arguments[0]}: {(done.stdout + done.stderr).strip()}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the add-on as a Blender extension.")
    parser.add_argument("--out", type=Path, default=REPO / "dist")
    parser.add_argument(
        "--repository", type=Path, metavar="DIR", help="write a repository for Blender into this folder"
    )
    args = parser.parse_args()
    print(write_repository(args.repository) if args.repository else build(args.out))


if __name__ == "__main__":
    from environments import enter

    enter("bpy")
    main()
