# SPDX-License-Identifier: Apache-2.0
"""Requests that wait for a change of the job list or the downloads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated, TypeVar

from fastapi import Query

MAX_WAIT_S = 25.0

Wait = Annotated[float, Query(ge=0, le=MAX_WAIT_S, allow_inf_nan=False)]
T = TypeVar("T")


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

    async def wait_for(self, read: Callable[[], Awaitable[T]], is_new: Callable[[T], bool], wait: float) -> T:
        """Read until something is new, `wait` seconds are over or the server ends; returns what was read last."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        while True:
            change = self._next  # taken before reading, so that no change is missed
            value = await read()
            left = deadline - loop.time()
            if is_new(value) or self.closed or left <= 0:
                return value
            with suppress(TimeoutError):
                await asyncio.wait_for(change.wait(), left)
