# SPDX-License-Identifier: Apache-2.0
"""`server.json`: where the running backend is and the token that opens it, readable by its owner only."""

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
    """It may be stale; only the health route, asked with this token, says whether that backend runs."""

    port: int
    token: str
    pid: int
    host: str = "127.0.0.1"
    contract: int = CONTRACT_VERSION
    version: str = VERSION
    started: float = field(default_factory=time.time)

    def write(self, data: Path) -> None:
        write_atomically(data / FILE_NAME, json.dumps(asdict(self), indent=1).encode(), owner_only=True)

    @classmethod
    def read(cls, data: Path) -> ServerFile | None:
        """What stands in a data folder's server file; None if there is none that can be read."""
        try:
            return cls(**json.loads((data / FILE_NAME).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def remove(self, data: Path) -> None:
        """Remove the file if it is still this one."""
        if self.read(data) == self:
            (data / FILE_NAME).unlink(missing_ok=True)
