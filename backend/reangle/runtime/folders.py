# SPDX-License-Identifier: Apache-2.0
"""Folders that several threads and processes make, change and remove at the same time."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

REMOVALS = 20
"""How often a folder is removed that is written into again; then it is left for `Store.sweep`."""

Which = tuple[int, int]
"""Which file or folder it is: its number on the disk, and its time of change in ns."""


def which(path: Path) -> Which | None:
    """Which file or folder is there now; None if there is none."""
    try:
        about = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return about.st_ino, about.st_mtime_ns


def make_folder(folder: Path) -> None:
    """Make a folder of the store, and the one that it is in, should someone have cleared that away; no more, since a
    data folder that is gone must not come back."""
    folder.parent.mkdir(exist_ok=True)
    folder.mkdir(exist_ok=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder into which threads of an interrupted stage may write for a moment yet."""
    for _ in range(REMOVALS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.05)
