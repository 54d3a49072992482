# SPDX-License-Identifier: Apache-2.0
"""Keeps one process that looks ahead, and passes it one question after the other."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal, cast

from reangle.contract import Coverages, from_data, to_data
from reangle.contract.lookahead import LookRequest
from reangle.errors import UserError, WaitError
from reangle.runtime.process import child_environment, own_group

IDLE_S = 120.0
"""After this time without a question the process ends, and its memory is free."""
PATIENCE_S = 120.0
"""A question that takes longer ends the process: the first one opens the clip."""
TURN_S = 20.0
MODULE = "reangle.lookahead.process"

logger = logging.getLogger(__name__)


class LookaheadDesk:
    """Answers questions about what cameras would see. Any thread may ask; questions wait for each other."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._idle: threading.Timer | None = None

    def coverage(self, folders: Mapping[str, str], request: LookRequest) -> Coverages:
        """folders: of the import's stages `decode`, `camera` and `geometry`. Raises UserError."""
        header, _ = self._ask(folders, request, "coverage")
        return from_data(Coverages, header["coverage"])

    def picture(self, folders: Mapping[str, str], request: LookRequest) -> bytes:
        """height x width x 4 bytes, as `ClipViews.picture` returns them. Raises UserError."""
        return self._ask(folders, request, "picture")[1]

    def close(self) -> None:
        """End the process, also while it works."""
        self._stop_timer()
        self._end()

    def _ask(
        self, folders: Mapping[str, str], request: LookRequest, want: Literal["coverage", "picture"]
    ) -> tuple[dict[str, Any], bytes]:
        if not self._turn.acquire(timeout=TURN_S):
            raise WaitError("Another question about a camera takes long.", advice="Ask again in a moment.")
        try:
            self._stop_timer()
            order = {"folders": dict(folders), "request": to_data(request), "want": want}
            header, data = self._exchange(json.dumps(order).encode() + b"\n")
        finally:
            self._idle = threading.Timer(IDLE_S, self._end_if_idle)
            self._idle.daemon = True
            self._idle.start()
            self._turn.release()
        if "error" in header:
            raise UserError(header["error"]["message"], advice=header["error"]["advice"])
        return header, data

    def _exchange(self, order: bytes) -> tuple[dict[str, Any], bytes]:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        limit = threading.Timer(PATIENCE_S, process.kill)
        limit.daemon = True
        limit.start()
        try:
            process.stdin.write(order)
            process.stdin.flush()
            line = process.stdout.readline()
            header = json.loads(line) if line else {}
            data = process.stdout.read(header.get("picture", 0))
            if not line or len(data) != header.get("picture", 0):
                raise OSError("it ended in the middle of an answer")
            return header, data
        except (OSError, ValueError) as error:
            self._end()
            logger.warning("The process that looks ahead was lost: %s", error)
            raise UserError(
                "What the camera sees could not be computed: the process for it ended.",
                advice="Try again; if that fails too, import the clip at a smaller size.",
            ) from error
        finally:
            limit.cancel()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._end()
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        process = subprocess.Popen([sys.executable, "-m", MODULE], env=child_environment(), **pipes, **own_group())
        self._process = cast("subprocess.Popen[bytes]", process)
        return self._process

    def _end_if_idle(self) -> None:
        if self._turn.acquire(blocking=False):
            try:
                self._end()
            finally:
                self._turn.release()

    def _stop_timer(self) -> None:
        if self._idle is not None:
            self._idle.cancel()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            with suppress(OSError):
                if stream is not None:
                    stream.close()
