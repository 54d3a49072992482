# SPDX-License-Identifier: Apache-2.0
"""A data folder belongs to one user and one backend: kept from others, and noticed when it is taken away."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from reangle.errors import UserError

if sys.platform != "win32":
    import fcntl

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_ELSEWHERE = "Choose another data folder with REANGLE_DATA."


def make_private(folder: Path) -> None:
    """Create the folder if it is missing, and take it from all other users of this machine.

    Windows keeps its own access lists, under which a user's folder is private already. Raises UserError if the folder
    belongs to another user or the disk keeps no rights, OSError if it cannot be created.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if sys.platform == "win32":
        return
    about = folder.stat()
    if about.st_uid != os.geteuid():
        raise UserError(f"The data folder {folder} belongs to another user of this machine.", advice=_ELSEWHERE)
    if not about.st_mode & _OTHERS:
        return
    try:
        folder.chmod(stat.S_IMODE(about.st_mode) & ~_OTHERS)
    except OSError as error:
        if error.errno == errno.EROFS:
            raise
    if folder.stat().st_mode & _OTHERS:
        raise UserError(
            f"The data folder {folder} is open to other users of this machine, and its disk cannot change that.",
            advice="Choose a data folder on a disk that keeps rights with REANGLE_DATA.",
        )


class FolderTakenError(Exception):
    """Another process holds the folder."""


@contextmanager
def hold_folder(folder: Path) -> Generator[None]:
    """Hold the folder itself, so that a lock file which someone removes lets no second backend in.

    Raises FolderTakenError. Windows needs none of this: a lock file that is open cannot be removed there.
    """
    if sys.platform == "win32":
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise FolderTakenError from error
            # Some network disks lock no folders; the lock file alone must do there.
        yield
    finally:
        os.close(handle)


class Identity:
    """Which file or folder a path named when this was made."""

    def __init__(self, path: Path) -> None:
        """Raises OSError if there is none."""
        self._path = path
        self._is = self._now()

    def _now(self) -> tuple[int, int]:
        about = self._path.stat()
        return about.st_dev, about.st_ino

    def is_lost(self) -> bool:
        """Whether the path names nothing now, or something else. A disk that does not answer proves nothing."""
        try:
            return self._now() != self._is
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False
