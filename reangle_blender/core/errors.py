# SPDX-License-Identifier: GPL-3.0-or-later
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
