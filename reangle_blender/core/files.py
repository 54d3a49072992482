# SPDX-License-Identifier: GPL-3.0-or-later
"""Files for the backend and from it, hashed in parts, so that progress shows and the user can cancel."""

from __future__ import annotations

import errno
import hashlib
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .contract import FileRef
from .contract.sequences import names_for_upload
from .errors import UserError

CHUNK = 1 << 20

Progress = Callable[[int, int], None]
"""progress(bytes done, total bytes), called in the worker's thread."""


class CanceledError(UserError):
    """The user canceled."""

    def __init__(self) -> None:
        super().__init__("Canceled.")


def check_cancel(cancel: threading.Event | None) -> None:
    """Raise CanceledError if the flag is set."""
    if cancel is not None and cancel.is_set():
        raise CanceledError


@contextmanager
def disk_errors(where: Path, *, writing: bool = False) -> Generator[None]:
    """Turn OSError about reading `where`, or writing it, into UserError."""
    try:
        yield
    except OSError as error:
        if writing and isinstance(error, FileNotFoundError | NotADirectoryError):
            message = f"{where} cannot be written, since its folder cannot be made."
            raise UserError(message, advice="Choose another folder in the add-on's preferences.") from error
        if isinstance(error, FileNotFoundError):
            raise UserError(f"{error.filename or where} is not there.", advice="Choose the file again.") from error
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        advice = "Free some space and try again." if full else "Check the folder and its permissions."
        raise UserError(f"{where}: {error.strerror or error}.", advice=advice) from error


def hash_file(path: Path, cancel: threading.Event | None = None, step: Callable[[int], None] | None = None) -> str:
    """SHA-256 as hex. step(bytes) is called after each part. Raises OSError, CanceledError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            check_cancel(cancel)
            digest.update(chunk)
            if step is not None:
                step(len(chunk))
    return digest.hexdigest()


def size_in_words(size: int) -> str:
    """Bytes as MB or GB; 0 is unknown."""
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.0f} MB" if size else "size unknown"


def file_refs(
    paths: Sequence[Path], *, progress: Progress | None = None, cancel: threading.Event | None = None
) -> tuple[tuple[FileRef, ...], dict[str, Path]]:
    """References to files in order, and the path of the content of each hash, for `Client.upload`.

    Raises UserError for a file that is missing, empty or cannot be read.
    """
    with disk_errors(paths[0] if paths else Path()):
        sizes = [path.stat().st_size for path in paths]
    total, done = sum(sizes), 0

    def step(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(min(done, total), total)

    refs: list[FileRef] = []
    places: dict[str, Path] = {}
    for path, size, name in zip(paths, sizes, names_for_upload(paths), strict=True):
        if size == 0:
            raise UserError(f"{path} is empty.", advice="Choose another file.")
        with disk_errors(path):
            sha256 = hash_file(path, cancel, step)
        refs.append(FileRef(name, sha256, size))
        places[sha256] = path
    return tuple(refs), places


class FileBody:
    """A file as a request's body of known length, read in parts."""

    def __init__(self, path: Path, size: int, step: Callable[[int], None], cancel: threading.Event | None) -> None:
        self._path, self._size, self._step, self._cancel = path, size, step, cancel

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        sent = 0
        # requests would mistake an OSError from here for a failed connection.
        with disk_errors(self._path), self._path.open("rb") as file:
            while chunk := file.read(min(CHUNK, self._size - sent)):
                check_cancel(self._cancel)
                yield chunk
                sent += len(chunk)
                self._step(sent)
        if sent < self._size:
            raise UserError(f"{self._path} became shorter while it was sent.", advice="Import the clip again.")
