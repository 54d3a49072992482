# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether files are there and what they hold, for what is drawn: threads look, so that the window never waits for a
disk."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import bpy

from ..core.files import hash_file
from . import main_thread

FRESH_S = 2.0
"""For how long an answer holds."""

_answers: dict[Path, tuple[bool, float]] = {}
"""Whether each path was there, and when that was seen."""
_looking: set[Path] = set()
_contents: dict[Path, tuple[tuple[int, int], str]] = {}
"""Time and size of each file, and the hash of what it held then."""
_asked: dict[Path, float] = {}


def is_missing(path: Path) -> bool:
    """Whether the file or folder is known not to be there. Scripts without a window get the answer of this moment."""
    if bpy.app.background:
        return not path.exists()
    there, seen = _answers.get(path, (True, 0.0))
    if time.monotonic() - seen > FRESH_S and path not in _looking:
        _looking.add(path)
        # Not in `main_thread.in_thread`: that redraws after each answer, and what is drawn asks again.
        threading.Thread(target=_look, args=(path,), name="reangle presence", daemon=True).start()
    return not there


def _look(path: Path) -> None:
    before, _ = _answers.get(path, (True, 0.0))
    try:
        there = path.exists()
    except OSError:
        there = False
    _answers[path] = (there, time.monotonic())
    _looking.discard(path)
    if there != before:
        main_thread.post(lambda: None)  # redraws


def digest_of(path: Path) -> str:
    """SHA-256 of a file; "" while it is unknown. Scripts without a window get the answer of this moment."""
    if bpy.app.background:
        return _read(path)
    if time.monotonic() - _asked.get(path, 0.0) > FRESH_S:
        _asked[path] = time.monotonic()
        threading.Thread(target=_compare, args=(path,), name="reangle digest", daemon=True).start()
    return _contents[path][1] if path in _contents else ""


def _compare(path: Path) -> None:
    before = _contents.get(path)
    _read(path)
    if _contents.get(path) != before:
        main_thread.post(lambda: None)  # redraws


def _read(path: Path) -> str:
    try:
        about = path.stat()
        key = (about.st_mtime_ns, about.st_size)
        if path not in _contents or _contents[path][0] != key:
            _contents[path] = (key, hash_file(path))
        return _contents[path][1]
    except OSError:
        _contents.pop(path, None)
        return ""
