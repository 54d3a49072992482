# SPDX-License-Identifier: Apache-2.0
"""What makes a checkpoint the same checkpoint: its files' content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reangle.errors import UserError

CHECKPOINT_SEPARATOR = "\n"
"""Between the folders of a stage that loads two checkpoints."""

PIPELINE_INDEX = "model_index.json"
"""Lies in the folder of a pipeline, whose parts have folders of their own."""

_TELLING = (".safetensors", ".json")
_TOKENIZER = (".model", ".txt")


def split_checkpoints(checkpoint: str) -> list[str]:
    """The folders in a stage's `checkpoint`."""
    return checkpoint.split(CHECKPOINT_SEPARATOR) if checkpoint else []


def files_in(folder: Path) -> Iterator[Path]:
    """All files of a checkpoint: those in its folder, and in the folders of a pipeline's parts. Raises OSError."""
    for path in sorted(folder.iterdir()):
        if path.is_file():
            yield path
        elif path.is_dir() and not path.name.startswith(".") and (folder / PIPELINE_INDEX).is_file():
            yield from (part for part in sorted(path.iterdir()) if part.is_file())


_hashes: dict[tuple[Any, ...], str] = {}


def checkpoint_hash(checkpoint: str | Path, *, read_again: bool = False) -> str:
    """SHA-256 over the names and contents of the files that decide what a checkpoint's folder or folders compute.

    Kept for the life of the process, until a file's size or time changes; read_again reads in any case. Raises
    UserError if a folder is gone.
    """
    digest = hashlib.sha256()
    for folder in map(Path, split_checkpoints(str(checkpoint))):
        try:
            endings = (*_TELLING, *_TOKENIZER) if (folder / PIPELINE_INDEX).is_file() else _TELLING
            files = [path for path in files_in(folder) if path.suffix in endings]
            if not files:
                raise FileNotFoundError(f"no weights in {folder}")
            for path in files:
                name = path.relative_to(folder).as_posix()
                digest.update(f"{name}\0{file_hash(path, read_again=read_again)}\0".encode())
        except OSError as error:
            raise UserError(
                f"The checkpoint {folder} cannot be read: {error}.", advice="Put it back, or choose another."
            ) from error
    return digest.hexdigest()


def file_hash(path: Path, *, read_again: bool = False) -> str:
    """SHA-256 of a file's content, kept and read again as for `checkpoint_hash`. Raises OSError."""
    stat = path.stat()
    key = (str(path), stat.st_size, stat.st_mtime_ns)
    if read_again or key not in _hashes:
        with path.open("rb") as file:
            _hashes[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _hashes[key]
