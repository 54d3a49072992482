# SPDX-License-Identifier: Apache-2.0
"""Stages that report nothing for long: the backend reports them, their process writes its stack and continues."""

from __future__ import annotations

import faulthandler
import time
from collections.abc import Callable

_REARM_S = 1.0
_STANDARD_ERROR = 2


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
    """In the backend: whether a stage has reported nothing for `silence_s`; named once per silence."""

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
    """In the backend: whether a stage's process has shown no sign of life for `limit_s`. Time counts only while the
    backend itself runs, so a computer that slept ends nothing."""

    def __init__(self, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_s, self._clock = limit_s, clock
        self.shown()

    def shown(self) -> None:
        self._waited, self._last = 0.0, self._clock()

    def is_over(self) -> bool:
        now = self._clock()
        self._waited += min(now - self._last, _REARM_S)
        self._last = now
        return self._waited >= self._limit_s


def duration(seconds: float) -> str:
    """For people, as in "5 minutes"."""
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes"
