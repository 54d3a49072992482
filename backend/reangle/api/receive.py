# SPDX-License-Identifier: Apache-2.0
"""The bytes of an upload, from its connection to the disk. A thread works only while bytes are there to be written, so
uploads that stand still hold up nothing."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from functools import partial

import anyio
import anyio.to_thread

_CHUNK = 1 << 20


async def receive_blob(
    stream: AsyncIterator[bytes],
    writer: AbstractContextManager[Callable[[bytes], None]] | None,
    threads: anyio.CapacityLimiter,
) -> None:
    """Write a request's body. writer: of the store; None reads the body and drops it. threads: for the writing.

    Raises what the writer and the stream raise.
    """
    in_thread = partial(anyio.to_thread.run_sync, limiter=threads)
    if writer is None:
        async for _ in stream:
            pass
        return
    write = await in_thread(writer.__enter__)
    try:
        async for chunk in _large_chunks(stream):
            await in_thread(write, chunk)
    except BaseException:
        with anyio.CancelScope(shield=True):
            if not await in_thread(writer.__exit__, *sys.exc_info()):
                raise
    else:
        await in_thread(writer.__exit__, None, None, None)


async def _large_chunks(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    parts, size = [], 0
    async for part in stream:
        parts.append(part)
        size += len(part)
        if size >= _CHUNK:
            yield b"".join(parts)
            parts, size = [], 0
    yield b"".join(parts)
