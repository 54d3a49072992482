# SPDX-License-Identifier: Apache-2.0
"""Reliable Ctrl-C: Python drops a KeyboardInterrupt that is raised in a destructor or a C callback, and packages turn
one that comes while they are imported into errors of their own."""

from __future__ import annotations

import os
import signal
import time
from types import FrameType

CANCELED = 130
_SAME_S = 1.0
"""A wrapper passes on the signal that the whole group of processes has got, so it comes twice."""
_since: float | None = None


def listen() -> None:
    """Raise KeyboardInterrupt for SIGINT, SIGTERM and the end of the terminal, unless they are ignored, as by nohup.

    A second one, of somebody who does not want to wait, ends the process at once.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def check() -> None:
    """Raise KeyboardInterrupt if a signal came, even if Python dropped its exception."""
    if requested():
        raise KeyboardInterrupt


def requested() -> bool:
    """Whether a signal came."""
    return _since is not None


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    global _since
    if _since is None:
        _since = time.monotonic()
        raise KeyboardInterrupt
    if time.monotonic() - _since > _SAME_S:
        # Nothing is lost: results and finished stages get their names when they are complete.
        os._exit(CANCELED)
