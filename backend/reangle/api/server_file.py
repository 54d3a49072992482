# SPDX-License-Identifier: Apache-2.0
"""`server.json`: address and token of the running backend, readable by its owner only."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from reangle.contract import CONTRACT_VERSION
from reangle.runtime.data_folder import write_atomically
from reangle.version import VERSION

FILE_NAME = "server.json"


@dataclass(frozen=True)
class ServerFile:
    """It may be stale: the backend runs if its health route accepts this token."""

    port: int
    token: str
    pid: int
    host: str = "127.0.0.1"
    contract: int = CONTRACT_VERSION
    version: str = VERSION
    started: float = field(default_factory=time.time)
    fingerprint: str = ""
    """SHA-256 of the certificate; "" for a server without TLS."""

    def write(self, data: Path) -> None:
        write_atomically(data / FILE_NAME, json.dumps(asdict(self), indent=1).encode(), owner_only=True)

    @classmethod
    def read(cls, data: Path) -> ServerFile | None:
        """The data folder's server file; None if it is missing or unreadable."""
        try:
            return cls(**json.loads((data / FILE_NAME).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, RecursionError):
            return None

    def remove(self, data: Path) -> None:
        """Remove the file, unless another backend has replaced it."""
        if self.read(data) == self:
            (data / FILE_NAME).unlink(missing_ok=True)
