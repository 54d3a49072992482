# SPDX-License-Identifier: Apache-2.0
"""Errors that are meant for the artist."""

from __future__ import annotations


class UserError(Exception):
    """Something the artist can mend.

    message: one sentence that says what is wrong and where; advice: one sentence that says what to do now.
    """

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()


class RunAgainError(Exception):
    """A stage has to begin again in a fresh process; the message says why, and goes to the artist's log."""
