# SPDX-License-Identifier: Apache-2.0
"""Processes that report nothing for long: the backend names a silent stage, whose process writes its stack and goes on.
A process that shows no sign of life, as one that the system has stopped, is ended."""

from __future__ import annotations

import faulthandler
import threading
import time
from collections.abc import Callable
from contextlib import suppress

LIFELESS_S = 600.0
"""A process that shows no sign of life for so long, as one that the system has stopped, is ended."""
BEAT_S = 5.0
_REARM_S = 1.0
_STANDARD_ERROR = 2


def start_beating(write: Callable[..., None]) -> None:
    """In a stage or a download: show signs of life, as `{"alive": true}`, until the process ends."""

    def beat() -> None:
        with suppress(OSError, ValueError):  # the backend, or this process, ends
            while True:
                write(alive=True)
                time.sleep(BEAT_S)

    threading.Thread(target=beat, daemon=True).start()


class StackDump:
    """In a stage process: writes every thread's stack to standard error after `silence_s` without a report.

    Works while the interpreter is blocked, as in a driver; once per silence.
    """

    def __init__(self, silence_s: float) -> None:
        self._silence_s = silence_s
        self._arm()

    def reported(self) -> None:
        """Start over, because the stage has reported."""
        if time.monotonic() - self._armed >= min(_REARM_S, self._silence_s / 2):
            self._arm()

    def _arm(self) -> None:
        self._armed = time.monotonic()
        faulthandler.dump_traceback_later(self._silence_s, file=_STANDARD_ERROR)

    def stop(self) -> None:
        faulthandler.cancel_dump_traceback_later()


class Silence:
    """In the backend: whether a stage or a download has reported nothing for `silence_s`; named once per silence."""

    def __init__(self, silence_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._silence_s, self._clock = silence_s, clock
        self.reported()

    def reported(self) -> None:
        self._since, self._named = self._clock(), False

    def is_new(self) -> bool:
        """True once, when the silence becomes too long."""
        if self._named or self._clock() - self._since < self._silence_s:
            return False
        self._named = True
        return True


class Lifeless:
    """In the backend: whether a process has shown no sign of life for LIFELESS_S. Time counts only while the
    backend itself runs, so a computer that slept ends nothing."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.shown()

    def shown(self) -> None:
        self._waited, self._last = 0.0, self._clock()

    def is_over(self) -> bool:
        now = self._clock()
        self._waited += min(now - self._last, _REARM_S)
        self._last = now
        return self._waited >= LIFELESS_S


def duration(seconds: float) -> str:
    """For people, as in "5 minutes"."""
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes"
