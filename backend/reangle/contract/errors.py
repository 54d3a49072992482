# SPDX-License-Identifier: Apache-2.0
"""Errors with a message and an advice, the two sentences that every error on the wire has."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with ? for lone surrogates. File names that are not UTF-8 hold them; JSON and Blender refuse them."""
    return text.encode("utf-8", errors="replace").decode("utf-8")


class UserError(Exception):
    """An error that the user can correct.

    message: one sentence that says what is wrong and where. advice: one sentence that says what to do now.
    """

    def __init__(self, message: str, *, advice: str = "") -> None:
        self.message = printable(message)
        self.advice = printable(advice)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()


class ContractError(UserError):
    """A value that the contract does not allow.

    reason: what is wrong, without the final dot. field: the path to the value, such as `paths[1].K[2]`; "" for the
    value as a whole. subject: what the field belongs to, such as "camera 'left', frame 2".
    """

    def __init__(self, reason: str, *, field: str = "", subject: str = "", advice: str = "Correct it and try again."):
        where = f"{field} ({subject})" if field and subject else field or subject
        super().__init__(f"{where}: {reason}." if where else f"{reason[:1].upper()}{reason[1:]}.", advice=advice)
        self.reason, self.field, self.subject = reason, field, subject

    def inside(self, place: str) -> ContractError:
        """The same error, seen from the value that holds this one at `place`: a field's name or "[index]"."""
        joint = "." if self.field and not self.field.startswith("[") else ""
        return ContractError(self.reason, field=f"{place}{joint}{self.field}", subject=self.subject, advice=self.advice)

    def about(self, subject: str) -> ContractError:
        """The same error with its subject, unless it has one."""
        return ContractError(self.reason, field=self.field, subject=self.subject or subject, advice=self.advice)
