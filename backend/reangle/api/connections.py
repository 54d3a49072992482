# SPDX-License-Identifier: Apache-2.0
"""Connections that have not shown the token: few at a time, and none that only waits.

Any program of this machine, or a web page, can open connections. Each takes a file descriptor, and without those the
backend can neither answer nor end a stage.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADERS_S = 10.0
"""How long a request's headers may take."""
MOST_STRANGERS = 48
"""Connections without the token; the oldest makes room for the next."""


class Connections:
    """The connections that have not shown the token, oldest first. Used in the event loop alone."""

    def __init__(self) -> None:
        self._strangers: dict[Any, asyncio.Transport] = {}

    def opened(self, client: Any, transport: asyncio.Transport) -> None:
        """transport: of the connection; over TLS first the bare one, then that of the same client within it."""
        while client not in self._strangers and len(self._strangers) >= MOST_STRANGERS:
            self._strangers.pop(next(iter(self._strangers))).abort()
        self._strangers[client] = transport

    def accept(self, client: Any) -> None:
        """The connection from this address has shown the token."""
        self._strangers.pop(client, None)

    def closed(self, client: Any, transport: asyncio.Transport) -> None:
        if self._strangers.get(client) is transport:
            del self._strangers[client]


class Protocol(H11Protocol):
    """HTTP with a limit on the time that headers take, whose connections are counted."""

    counted: Connections
    """Set by `counting`."""

    _headers_end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.counted.opened(self.client, transport)
        self._wait_for_headers()

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._stop_waiting()
        elif self.cycle is None or self.cycle.response_complete:
            self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self.counted.closed(self.client, self.transport)
        super().connection_lost(exc)

    def _wait_for_headers(self) -> None:
        if self._headers_end is None:
            self._headers_end = self.loop.call_later(HEADERS_S, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._headers_end is not None:
            self._headers_end.cancel()
            self._headers_end = None


def counting(connections: Connections) -> type[Protocol]:
    """The protocol that counts in `connections`."""
    return type("CountingProtocol", (Protocol,), {"counted": connections})
