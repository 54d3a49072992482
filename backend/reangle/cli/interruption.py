# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C that is not lost: Python drops a KeyboardInterrupt that is raised in a destructor or a callback from C."""

from __future__ import annotations

import signal
from threading import Event
from types import FrameType

_asked = Event()


def listen() -> None:
    """Take Ctrl-C and a polite request to end alike: both raise KeyboardInterrupt."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)


def check() -> None:
    """Raise KeyboardInterrupt if one was asked for, also if it was dropped when it came."""
    if _asked.is_set():
        raise KeyboardInterrupt


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    _asked.set()
    raise KeyboardInterrupt
