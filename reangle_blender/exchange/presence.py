# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether files are there and what they hold, for what is drawn: threads look, so that the window never waits for a
disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import bpy

from ..core.files import hash_file
from . import main_thread

FRESH_S = 2.0
"""For how long an answer holds."""

T = TypeVar("T")


class Watched(Generic[T]):
    """What a look at each path found. Threads look again when a path is asked for; `unknown` is the answer until then.

    Scripts without a window get the answer of this moment.
    """

    def __init__(self, look: Callable[[Path], T], unknown: T) -> None:
        self._look, self._unknown = look, unknown
        self._answers: dict[Path, tuple[T, float]] = {}
        self._looking: set[Path] = set()

    def latest(self, path: Path) -> T:
        if bpy.app.background:
            return self._look(path)
        answer, seen = self._answers.get(path, (self._unknown, 0.0))
        if time.monotonic() - seen > FRESH_S and path not in self._looking:
            self._looking.add(path)
            # Not in `main_thread.in_thread`: that redraws after each answer, and what is drawn asks again.
            threading.Thread(target=self._update, args=(path, answer), name="reangle presence", daemon=True).start()
        return answer

    def forget(self) -> None:
        """Look again when a path is next asked for."""
        self._answers = {path: (answer, 0.0) for path, (answer, _) in self._answers.items()}

    def _update(self, path: Path, before: T) -> None:
        answer = self._look(path)
        self._answers[path] = (answer, time.monotonic())
        self._looking.discard(path)
        if answer != before:
            main_thread.post(lambda: None)  # redraws


def is_missing(path: Path) -> bool:
    """Whether the file or folder is known not to be there."""
    return not _there.latest(path)


def digest_of(path: Path) -> str:
    """SHA-256 of a file; "" while it is unknown."""
    return _digests.latest(path)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


_hashed: dict[Path, tuple[tuple[int, int], str]] = {}
"""Time and size of each file, and the hash of what it held then."""


def _digest(path: Path) -> str:
    try:
        about = path.stat()
        key = (about.st_mtime_ns, about.st_size)
        before, digest = _hashed.get(path, (None, ""))
        if before != key:
            digest = hash_file(path)
            _hashed[path] = (key, digest)
        return digest
    except OSError:
        return ""


_there = Watched(_is_there, True)
_digests = Watched(_digest, "")
