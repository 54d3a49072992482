# SPDX-License-Identifier: Apache-2.0
"""Identifies a checkpoint by the content of its files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from reangle.errors import UserError
from reangle.runtime.file_hashes import FileHashes

CHECKPOINT_SEPARATOR = "\n"
"""Separates the folders of a stage that loads two checkpoints."""

PIPELINE_INDEX = "model_index.json"
"""A file in the folder of a pipeline, whose parts have their own folders."""

_WEIGHTS_AND_CONFIG = (".safetensors", ".json")
_TOKENIZER = (".model", ".txt")


def split_checkpoints(checkpoint: str) -> list[str]:
    """The folders in a stage's `checkpoint`."""
    return checkpoint.split(CHECKPOINT_SEPARATOR) if checkpoint else []


def files_in(folder: Path) -> Iterator[Path]:
    """All files of a checkpoint: those in its folder and in the folders of a pipeline's parts. Raises OSError."""
    for path in sorted(folder.iterdir()):
        if path.is_file():
            yield path
        elif path.is_dir() and not path.name.startswith(".") and (folder / PIPELINE_INDEX).is_file():
            yield from (part for part in sorted(path.iterdir()) if part.is_file())


def known_checkpoint_hash(checkpoint: str | Path, data: Path) -> str | None:
    """What `checkpoint_hash` returns, if it has to read no file; else None. data: the data folder.

    Raises UserError if a folder is missing.
    """
    hashes = FileHashes(data)
    with _disk_errors(checkpoint):
        files = _deciding_files(checkpoint)
        known = {path: sha256 for _, path in files if (sha256 := hashes.known(path))}
        return _combined(files, known) if len(known) == len({path for _, path in files}) else None


def checkpoint_hash(
    checkpoint: str | Path,
    data: Path,
    *,
    read_again: bool = False,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> str:
    """SHA-256 over the names and contents of the files that decide what a checkpoint's folder or folders compute.

    Each file is read once per path, size and time, by whichever process needs it first; read_again reads in any case.
    data: the data folder. report(done, total): bytes read of those to read. Raises UserError if a folder is missing.
    """
    hashes = FileHashes(data)
    with _disk_errors(checkpoint):
        files = _deciding_files(checkpoint)
        known = {path: sha256 for _, path in files if (sha256 := None if read_again else hashes.known(path))}
        unread = {path: path.stat().st_size for _, path in files if path not in known}
        done, total = 0, sum(unread.values())

        def count(part: int) -> None:
            nonlocal done
            done += part
            report(done, total)

        for path in unread:
            known[path] = hashes.read(path, count)
        return _combined(files, known)


_shipped: dict[tuple[str, int, int], str] = {}


def file_hash(path: Path, *, read_again: bool = False) -> str:
    """SHA-256 of a file's content, read once in a process until its size or time changes. Raises OSError.

    For shipped weights, which each process compares with the list; they are small.
    """
    stat = path.stat()
    key = (str(path), stat.st_size, stat.st_mtime_ns)
    if read_again or key not in _shipped:
        with path.open("rb") as file:
            _shipped[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _shipped[key]


@contextmanager
def _disk_errors(checkpoint: str | Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = ", ".join(split_checkpoints(str(checkpoint)))
        raise UserError(
            f"The checkpoint {where} cannot be read: {error}.", advice="Put it back, or choose another."
        ) from error


def _deciding_files(checkpoint: str | Path) -> list[tuple[str, Path]]:
    """(name in its folder, path) of the files whose content decides what the checkpoint computes. Raises OSError."""
    files = []
    for folder in map(Path, split_checkpoints(str(checkpoint))):
        endings = (*_WEIGHTS_AND_CONFIG, *_TOKENIZER) if (folder / PIPELINE_INDEX).is_file() else _WEIGHTS_AND_CONFIG
        inside = [(path.relative_to(folder).as_posix(), path) for path in files_in(folder) if path.suffix in endings]
        if not inside:
            raise FileNotFoundError(f"no weights in {folder}")
        files += inside
    return files


def _combined(files: Sequence[tuple[str, Path]], hashes: Mapping[Path, str]) -> str:
    digest = hashlib.sha256()
    for name, path in files:
        digest.update(f"{name}\0{hashes[path]}\0".encode())
    return digest.hexdigest()
