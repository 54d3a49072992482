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
    """Reangle's code on disk is no longer the one that the backend runs."""

    def __init__(self) -> None:
        super().__init__(
            "Reangle was updated while its backend ran, and the old backend must not run the new code.",
            advice="Stop the backend and start it again; its jobs go on then.",
        )


class RunAgainError(Exception):
    """A stage must restart in a new process. The message, which goes to the user's log, gives the reason."""
