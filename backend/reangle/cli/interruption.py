# SPDX-License-Identifier: Apache-2.0
"""Reliable Ctrl-C: Python drops a KeyboardInterrupt that is raised in a destructor or a C callback."""

from __future__ import annotations

import signal
from threading import Event
from types import FrameType

_requested = Event()


def listen() -> None:
    """Raise KeyboardInterrupt for SIGINT and SIGTERM."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)


def check() -> None:
    """Raise KeyboardInterrupt if a signal came, even if Python dropped its exception."""
    if _requested.is_set():
        raise KeyboardInterrupt


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    _requested.set()
    raise KeyboardInterrupt
