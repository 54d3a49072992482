# SPDX-License-Identifier: Apache-2.0
"""Error responses, always {"error": {"message", "advice"}}."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from starlette.responses import JSONResponse

from reangle.errors import DiskFullError, UserError
from reangle.runtime.database import JobListLostError
from reangle.runtime.job_reader import primary_code

logger = logging.getLogger(__name__)

_TEXTS = {
    404: ("This address does not exist.", "GET /openapi.json lists the addresses."),
    405: ("This address does not accept that method.", "GET /openapi.json lists the methods."),
}


class RefusedError(UserError):
    """A UserError with its own HTTP status. more: further fields of the response."""

    def __init__(self, status: int, message: str, *, advice: str, **more: Any) -> None:
        super().__init__(message, advice=advice)
        self.status, self.more = status, more


def unknown_job(job_id: str) -> RefusedError:
    return RefusedError(404, f"There is no job {job_id}.", advice="GET /v1/jobs lists the jobs.")


class ErrorText(BaseModel):
    """message: what is wrong and where; advice: what to do."""

    message: str
    advice: str


class ErrorResponse(BaseModel):
    """missing: hashes of files that must be uploaded first, if any."""

    error: ErrorText
    missing: list[str] | None = None


def error_response(status: int, message: str, advice: str, **more: Any) -> JSONResponse:
    return JSONResponse({"error": {"message": message, "advice": advice}, **more}, status)


def user_error_response(error: UserError) -> JSONResponse:
    if isinstance(error, RefusedError):
        return error_response(error.status, error.message, error.advice, **error.more)
    return error_response(507 if isinstance(error, DiskFullError) else 422, error.message, error.advice)


def status_response(status: int, detail: str) -> JSONResponse:
    message, advice = _TEXTS.get(status, (f"{detail}.", "GET /openapi.json describes what is expected."))
    return error_response(status, message, advice)


def database_error_response(error: sqlite3.OperationalError) -> JSONResponse:
    if isinstance(error, JobListLostError):
        advice = "The backend ends, so that nothing more is lost. Start it again, and send the job again."
        return error_response(503, f"The job list cannot be written: {error}.", advice)
    if primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        advice = "Close the other program that has jobs.sqlite of the data folder open, then try again."
        return error_response(503, "The job list cannot be written: another program holds it locked.", advice)
    advice = "Check that the data folder's disk is writable and not full, then try again."
    return error_response(507, f"The job list could not be read or written: {error}.", advice)


def system_error_response(error: OSError) -> JSONResponse:
    """What cannot be read now may be whole, so it is not said to be missing."""
    what = f"The system refuses: {error.strerror or error}"
    where = f" ({error.filename})" if error.filename else ""
    advice = "Close other programs and try again; the backend's log has the traceback."
    logger.error("%s%s", what, where, exc_info=error)
    return error_response(503, f"{what}{where}.", advice)


def invalid_request_response(errors: Sequence[Mapping[str, Any]]) -> JSONResponse:
    """One sentence for the first of pydantic's errors, naming the field and, in a camera, the frame."""
    first = errors[0]
    place = [part for part in first["loc"] if part not in ("body", "path", "query", "header")]
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
    what = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
    match place:
        case ["paths", int(camera), "world_from_camera" | "K" | "frames", int(frame), *_]:
            where = f" (camera {camera}, frame {frame})"
        case _:
            where = ""
    more = f" There are {len(errors) - 1} more errors." if len(errors) > 1 else ""
    message = f"{field}{where}: {what}.{more}" if field else f"{what}.{more}"
    return error_response(422, message[:2000], "Correct this value and send the request again.")
