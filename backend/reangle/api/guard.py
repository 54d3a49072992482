# SPDX-License-Identifier: Apache-2.0
"""Refuses every request that lacks the token, or that was addressed to another name than this machine's.

Pure ASGI and outermost, so that it also protects unknown paths, the OpenAPI document, streams and web sockets. It keeps
out web pages in the artist's browser: DNS rebinding lets them send a foreign Host, a plain form a foreign Origin.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reangle.api.error_responses import error_response
from reangle.contract.job import MAX_REQUEST_BYTES

_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^:\[\]\s]+))(?::\d{1,5})?")
_UPLOAD_PREFIX = "/v1/blobs/"


@dataclass(frozen=True)
class Limits:
    """The largest request bodies, in bytes: JSON, and one uploaded file. idle_s: how long a body may stand still."""

    body: int = MAX_REQUEST_BYTES
    upload: int = 64 << 30
    idle_s: float = 30.0


class Guard:
    """Checks Host, Origin and token of every request, and the size of its body.

    names: what Host may be, in lower case and without port. scheme: of the pages that may ask, "http" or "https".
    last_seen: monotonic time of the last accepted request. accepted: called with the client's address for each.
    """

    def __init__(
        self,
        app: ASGIApp,
        token: str,
        limits: Limits,
        accepted: Callable[[Any], None] = lambda client: None,
        *,
        names: Collection[str],
        scheme: str = "http",
    ) -> None:
        self._names, self._scheme = names, scheme
        self._app, self._token, self._limits, self._accepted = app, token.encode(), limits, accepted
        self.last_seen = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        limit = self._limits.upload if scope["path"].startswith(_UPLOAD_PREFIX) else self._limits.body
        refusal = self._refusal(scope["headers"], limit)
        if refusal is not None:
            if scope["type"] == "websocket":
                return await send({"type": "websocket.close", "code": 1008})
            return await refusal(scope, receive, send)
        self.last_seen = time.monotonic()
        self._accepted(scope.get("client"))
        return await self._app(scope, _counted(receive, limit, self._limits.idle_s), send)

    def _refusal(self, headers: list[tuple[bytes, bytes]], limit: int) -> Response | None:
        def values(name: bytes) -> list[bytes]:
            return [value for key, value in headers if key == name]

        hosts, origins, tokens = values(b"host"), values(b"origin"), values(b"authorization")
        host = hosts[0].decode("latin-1").lower() if len(hosts) == 1 else ""
        named = _HOST.fullmatch(host)
        if named is None or (named[1] or named[2]) not in self._names:
            advice = "Use an address of this machine, or start it with --name for another name that it has."
            return _close(error_response(403, "The request's Host is not this machine.", advice))
        if any(origin.decode("latin-1").lower() != f"{self._scheme}://{host}" for origin in origins):
            return _close(
                error_response(403, "Requests from web pages are refused.", "Use the add-on or the command line.")
            )
        scheme, _, token = tokens[0].partition(b" ") if len(tokens) == 1 else (b"", b"", b"")
        if not (hmac.compare_digest(token, self._token) and scheme.lower() == b"bearer"):
            response = error_response(
                401, "The token is missing or wrong.", "Send the token of server.json as a bearer token."
            )
            response.headers["WWW-Authenticate"] = "Bearer"
            return _close(response)
        lengths = values(b"content-length")
        if any(not length.isascii() or not length.isdigit() or int(length[:20]) > limit for length in lengths):
            return _close(_too_large(limit))
        return None


class BodyTooLargeError(HTTPException):
    """A body without a content length exceeds its limit. An HTTPException, because only those pass through FastAPI."""

    def __init__(self, limit: int) -> None:
        super().__init__(413)
        self.limit = limit

    def response(self) -> Response:
        return _close(_too_large(self.limit))


class BodyStalledError(HTTPException):
    """No part of a body came for long. An HTTPException, because only those pass through FastAPI."""

    def __init__(self) -> None:
        super().__init__(408)

    def response(self) -> Response:
        return _close(error_response(408, "The request's body stopped coming.", "Send it again."))


def _counted(receive: Receive, limit: int, idle_s: float) -> Receive:
    seen, complete = 0, False

    async def counted() -> Message:
        nonlocal seen, complete
        try:
            # After the body, what comes next is the end of the connection.
            async with asyncio.timeout(None if complete else idle_s):
                message = await receive()
        except TimeoutError:
            raise BodyStalledError from None
        complete = not message.get("more_body", False)
        seen += len(message.get("body", b""))
        if seen > limit:
            raise BodyTooLargeError(limit)
        return message

    return counted


def _too_large(limit: int) -> Response:
    return error_response(
        413, f"The request is larger than {limit} bytes.", "Use a shorter clip, or fewer cameras in one job."
    )


def _close(response: Response) -> Response:
    # The body of a refused request is never read, so the connection cannot be used again.
    response.headers["Connection"] = "close"
    return response
