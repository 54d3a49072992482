# SPDX-License-Identifier: Apache-2.0
"""Wakes clients that wait for news."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Bell:
    """Rung from any thread, heard in the event loop.

    closed: the server is ending, and nobody shall wait any longer.
    """

    def __init__(self) -> None:
        self.closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next = asyncio.Event()

    def bind(self) -> None:
        """Belong to the running event loop."""
        self._loop = asyncio.get_running_loop()

    def ring(self) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended, and with it everyone who waits
                self._loop.call_soon_threadsafe(self._wake)

    def close(self) -> None:
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        rung, self._next = self._next, asyncio.Event()
        rung.set()

    def next(self) -> asyncio.Event:
        """Set at the next ring. Take it before looking whether there is news already."""
        return self._next
