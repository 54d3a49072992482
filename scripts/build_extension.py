# SPDX-License-Identifier: Apache-2.0
"""Build the add-on as a Blender extension and check it with Blender's own validator.

    python3.11 scripts/build_extension.py [--out dist]

The manifest is in the repository's root and the code in `reangle_blender/`; Blender needs both in one folder.
"""

from __future__ import annotations

import argparse
import importlib.util
import runpy
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from vendor_contract import outdated

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
        fresh = Path(folder) / archive.name
        _run(cli, "build", "--source-dir", str(stage), "--output-filepath", str(fresh))
        _run(cli, "validate", str(fresh))
        shutil.copy(fresh, archive)
    return archive


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
    print(build(parser.parse_args().out))


if __name__ == "__main__":
    from environments import enter

    enter("bpy")
    main()
