# SPDX-License-Identifier: Apache-2.0
"""Answers that are not what was asked for, always as {"error": {"message", "advice"}}."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from starlette.responses import JSONResponse

from reangle.errors import UserError

_WORDS = {
    404: ("There is nothing at this address.", "Look at GET /openapi.json for what there is."),
    405: ("This address does not take that method.", "Look at GET /openapi.json for what it takes."),
}


class RefusedError(UserError):
    """Answered with a status of its own, and more beside the error."""

    def __init__(self, status: int, message: str, *, advice: str, **more: Any) -> None:
        super().__init__(message, advice=advice)
        self.status, self.more = status, more


class ErrorText(BaseModel):
    """message: what is wrong and where; advice: what to do now."""

    message: str
    advice: str


class ErrorAnswer(BaseModel):
    """missing: hashes of files that must be uploaded first, where that is the trouble."""

    error: ErrorText
    missing: list[str] | None = None


def answer_error(status: int, message: str, advice: str, **more: Any) -> JSONResponse:
    return JSONResponse({"error": {"message": message, "advice": advice}, **more}, status)


def answer_user_error(error: UserError) -> JSONResponse:
    if isinstance(error, RefusedError):
        return answer_error(error.status, error.message, error.advice, **error.more)
    full = isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.ENOSPC, errno.EDQUOT)
    return answer_error(507 if full else 422, error.message, error.advice)


def answer_status(status: int, detail: str) -> JSONResponse:
    message, advice = _WORDS.get(status, (f"{detail}.", "Look at GET /openapi.json for what is expected."))
    return answer_error(status, message, advice)


def answer_database_error(error: sqlite3.OperationalError) -> JSONResponse:
    advice = "Check that the data folder's disk is not full and may be written, then try again."
    return answer_error(507, f"The job list could not be read or written: {error}.", advice)


def answer_invalid(errors: Sequence[Mapping[str, Any]]) -> JSONResponse:
    """One sentence for the first thing that pydantic found wrong, naming the field and, in a camera, the frame."""
    first = errors[0]
    place = [part for part in first["loc"] if part not in ("body", "path", "query", "header")]
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
    what = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
    match place:
        case ["paths", int(camera), "world_from_camera" | "K" | "frames", int(frame), *_]:
            where = f" (camera {camera}, frame {frame})"
        case _:
            where = ""
    more = f" There are {len(errors) - 1} more like it." if len(errors) > 1 else ""
    message = f"{field}{where}: {what}.{more}" if field else f"{what}.{more}"
    return answer_error(422, message[:2000], "Correct this value and send the request again.")
