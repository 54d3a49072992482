# SPDX-License-Identifier: Apache-2.0
"""The backend's errors. `UserError` is the contract's: its message and advice go over the wire."""

from __future__ import annotations

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
    """What to say of an error that nobody expected."""
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
