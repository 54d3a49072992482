# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether files are there, for what is drawn: threads look, so that the window never waits for a disk."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import bpy

from . import main_thread

FRESH_S = 2.0
"""For how long an answer holds."""

_answers: dict[Path, tuple[bool, float]] = {}
"""Whether each path was there, and when that was seen."""
_looking: set[Path] = set()


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
