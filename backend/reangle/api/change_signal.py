# SPDX-License-Identifier: Apache-2.0
"""Wakes the requests that wait for a change of the job list."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class ChangeSignal:
    """Sent from any thread, awaited in the event loop.

    closed: the server is ending; waiting requests must return.
    """

    def __init__(self) -> None:
        self.closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next = asyncio.Event()

    def bind(self) -> None:
        """Use the running event loop."""
        self._loop = asyncio.get_running_loop()

    def send(self) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended, and every request with it
                self._loop.call_soon_threadsafe(self._wake)

    def close(self) -> None:
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        current, self._next = self._next, asyncio.Event()
        current.set()

    def next(self) -> asyncio.Event:
        """Set at the next change. Take it before reading the job list, so that no change is missed."""
        return self._next
