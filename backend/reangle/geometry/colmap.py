# SPDX-License-Identifier: Apache-2.0
"""pycolmap, imported without the signal handlers that it brings: `from reangle.geometry.colmap import pycolmap`.

Its logging library (glog) answers SIGTERM and crashes with a C++ stack. A cancelled stage would log that stack, and
handlers that were installed before, such as faulthandler's, would not run.
"""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_HANDLED = ("SIGSEGV", "SIGILL", "SIGFPE", "SIGABRT", "SIGBUS", "SIGTERM")
_LARGEST_SIGACTION = 1024
"""More bytes than `struct sigaction` has on any system."""


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Put the handlers back afterwards. Unlike `signal.signal` this works in any thread, and for handlers in C."""
    if sys.platform == "win32":  # glog installs none there
        yield
        return
    sigaction = ctypes.CDLL(None).sigaction
    before: dict[int, ctypes.Array[ctypes.c_char]] = {}
    for name in _HANDLED:
        number = getattr(signal, name)
        before[number] = ctypes.create_string_buffer(_LARGEST_SIGACTION)
        sigaction(number, None, before[number])
    try:
        yield
    finally:
        for number, action in before.items():
            sigaction(number, action, None)


with _handlers_kept():
    import pycolmap  # noqa: TID251

__all__ = ["pycolmap"]
