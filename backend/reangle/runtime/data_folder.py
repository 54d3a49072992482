# SPDX-License-Identifier: Apache-2.0
"""Where the data folder is, and writing files that survive a crash."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from reangle.errors import DiskFullError, UserError

_NO_ROOM = 1 << 16
_FULL_WORDS = ("No space left", "os error 28", "Disk quota exceeded")
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)


def user_path(text: str) -> Path:
    """The path that a person wrote, with ~ as the home folder. Raises UserError if there is no such home."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise UserError(f"{text}: there is no such home folder.", advice="Write the whole path, without ~.") from None


def data_folder(chosen: str | None = None) -> Path:
    """The data folder: `chosen`, else REANGLE_DATA, else the system's place for application data. Not created.

    Raises UserError if there is a file in its place, or in that of a folder above it.
    """
    if chosen := chosen or os.environ.get("REANGLE_DATA"):
        folder = user_path(chosen).absolute()
        for place in (folder, *folder.parents):
            if os.path.isfile(place):
                raise UserError(
                    f"{folder} cannot be the data folder: {place} is a file.",
                    advice="Choose another place with --data or REANGLE_DATA, or move it away.",
                )
        return folder
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "Reangle"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Reangle"
    return Path(os.environ.get("XDG_DATA_HOME") or user_path("~/.local/share")) / "reangle"


def sync_file(path: Path) -> None:
    """Push a file's bytes to the disk."""
    # Windows flushes only handles that may write.
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Push a folder's entries to the disk; Windows has no such call and needs none."""
    if sys.platform == "win32":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _take_from_others(path: Path) -> None:
    """The access list that a mode of 0600 is elsewhere; Windows ignores the mode."""
    owner = f"{os.environ['USERDOMAIN']}\\{os.environ['USERNAME']}"
    command = ["icacls", str(path), "/inheritance:r", "/grant:r", f"{owner}:F"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        raise UserError(
            f"{path.parent} cannot keep a file for {owner} alone.", advice="Choose a data folder on an NTFS disk."
        )


def write_atomically(path: Path, data: bytes, *, owner_only: bool = False) -> None:
    """Write a file so that readers and crashes see the old content or the new, never a part.

    owner_only: only the user can read it, even before it has content.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if owner_only else 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            if owner_only and sys.platform == "win32":
                _take_from_others(temporary)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextmanager
def disk_errors(where: Path, choose: str = "choose another data folder with REANGLE_DATA") -> Generator[None]:
    """Turn a full disk into a DiskFullError, a read-only one into a UserError; both name the folder.

    choose: how the user chooses another folder.
    """
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL:
            raise DiskFullError(
                f"The disk is full: {where} could not be written.",
                advice=f"Free some space, or {choose}, and start again.",
            ) from error
        if error.errno in NOT_WRITABLE:
            raise UserError(
                f"{where} could not be written: {error.strerror}.",
                advice=f"Allow writing there, or {choose}.",
            ) from error
        raise


def disk_is_full(error: BaseException, folder: Path) -> bool:
    """Whether an error comes from a full disk. Libraries say so in their own words, or only that they cannot write."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in DISK_FULL:
            return True
        if disk_full_line(str(cause)):
            return True
        cause = cause.__cause__ or cause.__context__
    return not isinstance(error, UserError | MemoryError) and has_no_room(folder)


def disk_full_line(words: str) -> str:
    """The last line that says that a disk is full, "" if there is none."""
    lines = (line for line in reversed(words.splitlines()) if any(sign in line for sign in _FULL_WORDS))
    return next(lines, "").strip()


def has_no_room(folder: Path) -> bool:
    """Whether next to nothing is free on the folder's disk. Not knowing is no."""
    try:
        return shutil.disk_usage(folder).free < _NO_ROOM
    except OSError:
        return False
