# SPDX-License-Identifier: Apache-2.0
"""SHA-256 of large files, read once per path, size and time.

The data folder's `file_hashes/` has one small file per path, replaced as a whole, so that processes share them without
a lock and a crash leaves the old entry or the new one.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reangle.runtime.data_folder import write_atomically

FOLDER = "file_hashes"

_CHUNK = 8 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")

logger = logging.getLogger(__name__)


class FileHashes:
    """data: the data folder."""

    def __init__(self, data: Path) -> None:
        self._folder = data / FOLDER

    def known(self, path: Path) -> str | None:
        """The hash of a file that was read before and has the same size and time; None for any other. Raises OSError
        if the file is missing."""
        stat = path.stat()
        try:
            entry: dict[str, Any] = {**json.loads(self._entry(path).read_text(encoding="utf-8"))}
        except (OSError, ValueError, TypeError):
            return None
        if _key(path, stat) != {name: entry.get(name) for name in _key(path, stat)}:
            return None
        sha256 = entry.get("sha256")
        return sha256 if isinstance(sha256, str) and _SHA256.fullmatch(sha256) else None

    def read(self, path: Path, on_bytes: Callable[[int], None] = lambda count: None) -> str:
        """Read a file and record its hash. on_bytes: called with the size of each part read. Raises OSError."""
        before = path.stat()
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while part := file.read(_CHUNK):
                digest.update(part)
                on_bytes(len(part))
        if _key(path, before) == _key(path, path.stat()):
            self._record(path, before, digest.hexdigest())
        return digest.hexdigest()

    def record(self, path: Path, sha256: str) -> None:
        """Record the hash of a file as it is now, for a caller that has read it. Raises OSError if it is missing."""
        self._record(path, path.stat(), sha256)

    def _record(self, path: Path, stat: os.stat_result, sha256: str) -> None:
        entry = {**_key(path, stat), "sha256": sha256}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._entry(path), json.dumps(entry, indent=1).encode())
        except OSError as error:  # as on a full disk; it is read again next time
            logger.warning("The hash of %s cannot be recorded: %s", path, error)

    def _entry(self, path: Path) -> Path:
        return self._folder / f"{hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:32]}.json"


def _key(path: Path, stat: os.stat_result) -> dict[str, str | int]:
    return {"path": str(path.absolute()), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
