# SPDX-License-Identifier: Apache-2.0
"""Where the data folder is, and writing files that survive a crash."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from reangle.errors import UserError


def data_folder() -> Path:
    """The data folder: REANGLE_DATA, else the system's place for application data. Not created."""
    if chosen := os.environ.get("REANGLE_DATA"):
        return Path(chosen).expanduser().absolute()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "Reangle"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Reangle"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "reangle"


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
def disk_errors(where: Path) -> Generator[None]:
    """Turn a full or read-only disk into a UserError that names the folder."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(
                f"The disk is full: {where} could not be written.",
                advice="Free some space, or choose another data folder with REANGLE_DATA, and start again.",
            ) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise UserError(
                f"{where} could not be written: {error.strerror}.",
                advice="Allow writing there, or choose another data folder with REANGLE_DATA.",
            ) from error
        raise
