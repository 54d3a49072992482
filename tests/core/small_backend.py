# SPDX-License-Identifier: GPL-3.0-or-later
"""A small backend as the extension carries it, and packages for it: pip installs them without a network."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path

import pytest

from reangle_blender.core.environments import BACKEND_PYTHONS
from reangle_blender.core.installation import LOCKS, SOURCE, Carried, write_about

# An in-tree build backend, so that nothing is downloaded; it writes one module and its metadata.
BUILD = """
import base64, hashlib, os, zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "reangle-VERSION-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("reangle/__init__.py", "")
        wheel.writestr("reangle/__main__.py", "import torch, sys; print('usage', torch.__file__)")
        info = "reangle-VERSION.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: reangle\\nVersion: VERSION\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""
CARD = "def wanted_torch_index(): return None\n"


def write_wheel(folder: Path, name: str) -> None:
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", "")
        wheel.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{name}-1.0.dist-info/RECORD", "")


def carry(folder: Path, version: str, pins: tuple[str, ...] = ("torch==1.0", "small==1.0")) -> Path:
    """What `scripts/build_extension.py` writes into the extension, for a small backend."""
    (folder / LOCKS).mkdir(parents=True)
    for minor in BACKEND_PYTHONS:
        (folder / LOCKS / f"backend-{minor}.txt").write_text("# pins\n" + "\n".join(pins))
    with zipfile.ZipFile(folder / SOURCE, "w") as archive:
        archive.writestr("pyproject.toml", '[build-system]\nrequires = []\nbuild-backend = "b"\nbackend-path = ["."]\n')
        archive.writestr("b.py", BUILD.replace("VERSION", version))
        archive.writestr("reangle/runtime/graphics_card.py", CARD)
    digest = hashlib.sha256((folder / SOURCE).read_bytes()).hexdigest()
    write_about(folder, Carried(version, digest, "torch, small", 0.01))
    return folder


def make_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with spaces and accents; pip knows two small packages and no network."""
    home = tmp_path / "Zoë's häuslicher folder"
    wheels = home / "wheels"
    wheels.mkdir(parents=True)
    for name in ("torch", "small"):
        write_wheel(wheels, name)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name, value in (
        ("PIP_CONFIG_FILE", os.devnull),
        ("PIP_NO_INDEX", "1"),
        ("PIP_FIND_LINKS", wheels.as_uri()),
        ("REANGLE_ENVIRONMENTS", str(home / "environments")),
    ):
        monkeypatch.setenv(name, value)
    return home
