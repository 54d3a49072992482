# SPDX-License-Identifier: Apache-2.0
"""The backend's errors. `UserError` is the contract's: its message and advice go over the wire."""

from __future__ import annotations

import errno
import os

from reangle.contract.errors import UserError

__all__ = ["DiskFullError", "OutdatedError", "RunAgainError", "UserError", "WaitError"]


class WaitError(UserError):
    """What stops a job now and may be over later; the backend keeps the job and tries again."""


class DiskFullError(WaitError):
    """A disk, or a quota, is full."""


class OutdatedError(WaitError):
    """Reangle's code on disk is no longer the one that began the work: its output would have the wrong key."""

    def __init__(self, advice: str) -> None:
        message = "Reangle was updated while it ran, and the old version must not run the new code."
        super().__init__(message, advice=advice)


NO_MEMORY = UserError(
    "There was not enough memory.",
    advice="Close other programs, use a smaller size or fewer frames, and start again.",
)


def explained(error: BaseException) -> UserError | None:
    """What to say of an error that comes from the machine: memory, a package, a file, a disk; None for others."""
    if isinstance(error, UserError):
        return error
    if is_about_memory(error):
        return NO_MEMORY
    return missing_package(error) or refused_by_system(error)


def is_about_memory(error: BaseException) -> bool:
    """Whether an error reports that the machine or a device has no memory left."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError) and (
        error.errno == errno.ENOMEM or getattr(error, "winerror", None) == _WINDOWS_COMMITMENT_LIMIT
    ):
        return True
    # A package's file that cannot be mapped is an ImportError.
    return isinstance(error, (RuntimeError, OSError, ValueError, ImportError)) and says_no_memory(str(error))


def says_no_memory(words: str) -> bool:
    """Whether these are words of a library, or of the system, for a lack of memory."""
    words = words.lower()
    return any(known in words for known in _NO_MEMORY_WORDS)


_NO_MEMORY_WORDS = (
    "memoryerror",
    "out of memory",  # CUDA, HIP, bitsandbytes
    "alloc_failed",  # CUBLAS_STATUS_ALLOC_FAILED, and cuDNN's, cuSOLVER's and cuFFT's
    "can't allocate memory",  # torch on Linux and macOS
    "not enough memory",  # torch on Windows
    "cannot allocate memory",  # the system's words, in errors about mapped files
    "unable to allocate",  # numpy
    "bad_alloc",  # C++
    "bad allocation",  # C++ on Windows
    "insufficient memory",  # OpenCV
    "failed to map segment from shared object",  # a loader, before a limit on memory
    "paging file is too small",  # Windows, as it maps a checkpoint
)
_WINDOWS_COMMITMENT_LIMIT = 1455


def refused_by_system(error: BaseException) -> UserError | None:
    """What to say if the system refuses a file, a folder or a number of open files; None for other errors."""
    if not isinstance(error, OSError) or error.errno is None:
        return None
    why = os.strerror(error.errno)
    if isinstance(error.filename, (str, bytes)) and error.filename:
        advice = _SYSTEM_ADVICE.get(
            error.errno, "Check that it is there, that you may use it, and that its disk works."
        )
        return UserError(f"{os.fsdecode(error.filename)} cannot be used: {why}.", advice=advice)
    if error.errno == errno.ENOENT:
        # Only the question for the current folder names none.
        return UserError("The current folder was removed.", advice="Change to another folder, and start again.")
    if error.errno in _SYSTEM_ADVICE:
        return UserError(f"The system refuses: {why}.", advice=_SYSTEM_ADVICE[error.errno])
    return None


_SYSTEM_ADVICE = {
    errno.ENOSPC: "Free some space on that disk, and start again.",
    errno.EDQUOT: "Free some of your space on that disk, and start again.",
    errno.EFBIG: "Choose a disk, or raise the limit, that allows larger files.",
    errno.EIO: "Check the disk and its connection.",
    errno.ENAMETOOLONG: "Use a shorter name.",
    errno.ELOOP: "It is a link that leads back to itself; give the place itself.",
    errno.ENOTDIR: "A part of it is no folder; give another place.",
    errno.EEXIST: "Something else has that name; give another place, or move it away.",
    errno.EROFS: "Its disk can only be read; give another place.",
    errno.EMFILE: "Close other programs, or raise the limit on open files, as with `ulimit -n 4096`.",
    errno.ENFILE: "Close other programs; the system has no open files left.",
}


def missing_package(error: BaseException) -> UserError | None:
    """What to say if a package or a library that it needs is missing or damaged; None for other errors."""
    if isinstance(error, ImportError):
        what = None if (error.name or "reangle").split(".")[0] == "reangle" else str(error)
    else:
        what = str(error) if isinstance(error, OSError) and is_about_library(str(error)) else None
    if what is None:
        return None
    advice = "`reangle doctor` lists what is missing and how to install it."
    return UserError(f"A package cannot be loaded: {what}.", advice=advice)


def fault_of(error: Exception) -> UserError:
    """What to say of an error that nobody expected, for which `explained` has no words."""
    first = (str(error).splitlines() or ["no further text"])[0]
    advice = "This is a fault of Reangle; the traceback says where. Trying again may help."
    return UserError(f"{type(error).__name__}: {first}", advice=advice)


def is_about_library(words: str) -> bool:
    """Whether the words of an error are those of a loader that misses a package or library."""
    return any(sign in words for sign in _LOADERS)


_LOADERS = (
    "ModuleNotFoundError",
    "ImportError",
    "No module named",
    "cannot open shared object file",
    "DLL load failed",
    "error while loading shared libraries",
    "Library not loaded",
    "symbol lookup error",
)


class RunAgainError(Exception):
    """A stage must restart in a new process. The message, which goes to the user's log, gives the reason."""
