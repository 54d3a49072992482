# SPDX-License-Identifier: Apache-2.0
"""What all compiled kernels share: their options, where they are kept, and their arrays."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
from numba.core import config

_PACKAGE = Path(__file__).parent
_ROOMS = ("finishing", "geometry", "media", "warping")
"""The rooms that have kernels."""

KERNEL = {"cache": True, "nogil": True, "error_model": "numpy"}
"""Options of every compiled kernel: cached on disk, releases the interpreter lock, divides as IEEE 754 says. Without
fastmath, unless a module adds what it can do with: most kernels rely on NaN and infinity.
"""


def cache_folder(package: Path) -> Path:
    """Where the compiled kernels of these very sources belong.

    numba compiles a kernel again when its own file has changed, but not when that of a function that it calls has. A
    folder for each state of all sources keeps kernels apart that were compiled from others.
    """
    state = hashlib.sha256()
    for path in sorted(path for room in _ROOMS for path in (package / room).rglob("*.py")):
        state.update(f"{path.relative_to(package).as_posix()}\0".encode())
        state.update(hashlib.sha256(path.read_bytes()).digest())
    return package / "__pycache__" / f"kernels-{state.hexdigest()[:16]}"


def _use(folder: Path) -> None:
    """Keep kernels there; where nothing can be written, numba finds a place of its own."""
    if not folder.is_dir():
        for old in folder.parent.glob("kernels-*"):
            shutil.rmtree(old, ignore_errors=True)
    config.CACHE_DIR = str(folder)  # pyright: ignore[reportAttributeAccessIssue] - defined when it is imported


_use(cache_folder(_PACKAGE))


def writable(array: np.ndarray, dtype: type) -> np.ndarray:
    """A contiguous, writable array: kernels are compiled again for any other layout."""
    return np.require(array, dtype, ("C", "W"))
