# SPDX-License-Identifier: Apache-2.0
"""Jobs that something stops which may be over later, as a full disk."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

FIRST_S = 15.0
LONGEST_S = 600.0
ROOM = 1 << 20
"""So many bytes more than before are worth a try at once."""


@dataclass
class _Wait:
    until: float
    pause_s: float
    free: int


class Waiting:
    """Each job tries again after a pause, which doubles each time, or when its disk has more room. From any thread."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._clock = folder, clock
        self._lock = threading.Lock()
        self._waits: dict[str, _Wait] = {}

    def add(self, job: str) -> None:
        """The job has been stopped now."""
        with self._lock:
            before = self._waits.get(job)
            pause = min(before.pause_s * 2, LONGEST_S) if before else FIRST_S
            self._waits[job] = _Wait(self._clock() + pause, pause, self._free())

    def forget(self, job: str) -> None:
        """The job has ended."""
        with self._lock:
            self._waits.pop(job, None)

    def jobs(self) -> set[str]:
        """Those that are not tried yet."""
        with self._lock:
            if not self._waits:
                return set()
            now, free = self._clock(), self._free()
            return {job for job, wait in self._waits.items() if now < wait.until and free < wait.free + ROOM}

    def _free(self) -> int:
        try:
            return shutil.disk_usage(self._folder).free
        except OSError:
            return 0
