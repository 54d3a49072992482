# SPDX-License-Identifier: Apache-2.0
"""The backend's errors. `UserError` is the contract's: its message and advice go over the wire."""

from __future__ import annotations

from reangle.contract.errors import UserError

__all__ = ["RunAgainError", "UserError"]


class RunAgainError(Exception):
    """A stage must restart in a new process. The message, which goes to the user's log, gives the reason."""
