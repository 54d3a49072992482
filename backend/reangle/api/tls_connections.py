# SPDX-License-Identifier: Apache-2.0
"""HTTP over TLS whose connections are counted before their handshake.

asyncio's own server shows a connection to its protocol only after the handshake, for which it waits a minute: anyone
could use up the file descriptors by connecting and saying nothing.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Any, cast

from uvicorn.protocols.utils import get_remote_addr

from reangle.api.connections import HEADERS_S, Connections, Protocol, counting

SHUTDOWN_S = 1.0
"""How long a client may take to confirm the end: one that keeps an idle connection does not look."""

logger = logging.getLogger(__name__)


class TlsProtocol(asyncio.Protocol):
    """Makes the handshake, then hands the connection to the HTTP protocol."""

    def __init__(self, http: Protocol, connections: Connections, context: ssl.SSLContext) -> None:
        self._http, self._connections, self._context = http, connections, context
        self._early: list[bytes] = []
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        raw = cast("asyncio.Transport", transport)
        raw.pause_reading()  # the first bytes belong to the handshake
        self._connections.opened(get_remote_addr(raw), raw)
        self._task = asyncio.get_running_loop().create_task(self._begin(raw))

    def data_received(self, data: bytes) -> None:
        """What came with the end of the handshake, before `_begin` goes on."""
        self._early.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _begin(self, raw: asyncio.Transport) -> None:
        client = get_remote_addr(raw)
        loop = asyncio.get_running_loop()
        try:
            secured = await loop.start_tls(
                raw,
                self,
                self._context,
                server_side=True,
                ssl_handshake_timeout=HEADERS_S,
                ssl_shutdown_timeout=SHUTDOWN_S,
            )
        except (OSError, TimeoutError) as error:
            logger.debug("No handshake with %s: %s", client, error)
            self._connections.closed(client, raw)
            return
        except BaseException:
            self._connections.closed(client, raw)
            raise
        if secured is None or secured.is_closing():  # it was lost meanwhile
            self._connections.closed(client, raw)
            return
        secured.set_protocol(self._http)
        self._http.connection_made(secured)
        for data in self._early:
            self._http.data_received(data)


def counting_tls(connections: Connections, context: ssl.SSLContext) -> Callable[..., asyncio.Protocol]:
    """Like `counting`, over TLS."""
    http = counting(connections)

    def make(*arguments: Any, **options: Any) -> asyncio.Protocol:
        return TlsProtocol(http(*arguments, **options), connections, context)

    return make
