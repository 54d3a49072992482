# SPDX-License-Identifier: Apache-2.0
"""What makes a checkpoint the same checkpoint: its files' content."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from backend.errors import UserError

CHECKPOINT_SEPARATOR = "\n"
"""Between the folders of a stage that loads two checkpoints."""


def split_checkpoints(checkpoint: str) -> list[str]:
    """The folders in a stage's `checkpoint`."""
    return checkpoint.split(CHECKPOINT_SEPARATOR) if checkpoint else []


_hashes: dict[tuple[Any, ...], str] = {}


def checkpoint_hash(checkpoint: str | Path) -> str:
    """SHA-256 over the names and contents of the safetensors and JSON files of a checkpoint's folder or folders.

    Kept for the life of the process, until a file's size or time changes. Raises UserError if a folder is gone.
    """
    digest = hashlib.sha256()
    for folder in split_checkpoints(str(checkpoint)):
        try:
            files = sorted(path for path in Path(folder).iterdir() if path.suffix in (".safetensors", ".json"))
            if not files:
                raise FileNotFoundError(f"no weights in {folder}")
            for path in files:
                digest.update(f"{path.name}\0{_file_hash(path)}\0".encode())
        except OSError as error:
            raise UserError(
                f"The checkpoint {folder} cannot be read: {error}.", advice="Put it back, or choose another."
            ) from error
    return digest.hexdigest()


def _file_hash(path: Path) -> str:
    stat = path.stat()
    key = (str(path), stat.st_size, stat.st_mtime_ns)
    if key not in _hashes:
        with path.open("rb") as file:
            _hashes[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _hashes[key]
