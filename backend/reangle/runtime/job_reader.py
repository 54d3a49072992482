# SPDX-License-Identifier: Apache-2.0
"""The job list on disk, as any process may read it."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reangle.contract import (
    CameraWarning,
    ContractError,
    JobError,
    JobEvent,
    JobRequest,
    JobStatus,
    from_json,
    read_request,
)
from reangle.errors import UserError
from reangle.runtime.data_folder import disk_is_full

SCHEMA = 1
_STATUS = "id, title, state, stage, progress, eta_s, error, notes, last_event, created"
_KEPT = "uploads, results and finished stages are kept"


class JobReader:
    """Reads `jobs.sqlite` of one data folder, whether or not a backend runs; safe to use from many threads.

    Raises UserError if the file is of a newer version or is no database.
    """

    def __init__(self, path: Path) -> None:
        self._read_lock = threading.Lock()
        with opening(path):
            self._reader = connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
            check_schema(self._reader, path)

    def close(self) -> None:
        with self._read_lock:
            self._reader.close()

    def _read(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with self._read_lock:
            return self._reader.execute(query, values).fetchall()

    def status(self, job_id: str) -> JobStatus | None:
        rows = self._read(f"SELECT {_STATUS} FROM jobs WHERE id = ?", job_id)
        return _status(rows[0], self._warnings(job_id)) if rows else None

    def newest(self, limit: int) -> list[JobStatus]:
        rows = self._read(f"SELECT {_STATUS} FROM jobs ORDER BY seq DESC LIMIT ?", limit)
        return [_status(row, self._warnings(row["id"])) for row in rows]

    def _warnings(self, job_id: str) -> list[str]:
        """JSON of each warning; none in a list that only an older version has written."""
        try:
            return [row["body"] for row in self._read("SELECT body FROM warnings WHERE job = ? ORDER BY rowid", job_id)]
        except sqlite3.OperationalError:
            if self._read("SELECT name FROM sqlite_master WHERE name = 'warnings'"):
                raise
            return []

    def events(self, job_id: str, since: int, limit: int) -> list[JobEvent]:
        """The first `limit` events with n > since."""
        rows = self._read("SELECT body FROM events WHERE job = ? AND n > ? ORDER BY n LIMIT ?", job_id, since, limit)
        return [from_json(JobEvent, row["body"], ignore_unknown=True) for row in rows]

    def results(self, job_id: str) -> dict[str, str]:
        """Result name -> artifact key, in the order of publication."""
        return {
            row["name"]: row["key"] for row in self._read("SELECT * FROM results WHERE job = ? ORDER BY rowid", job_id)
        }

    def job_ids(self) -> set[str]:
        return {row["id"] for row in self._read("SELECT id FROM jobs")}

    def active(self) -> int:
        """How many jobs are queued or running."""
        return self._read("SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')")[0][0]

    def running(self) -> list[str]:
        return [row["id"] for row in self._read("SELECT id FROM jobs WHERE state = 'running' ORDER BY seq")]

    def unfinished(self) -> tuple[list[str], list[JobRequest]]:
        """The queued and running jobs: ids of those whose request another version wrote, and the requests of the
        rest."""
        unread: list[str] = []
        requests: list[JobRequest] = []
        for row in self._read("SELECT id, request FROM jobs WHERE state IN ('queued', 'running') ORDER BY seq"):
            try:
                requests.append(read_request(row["request"]))
            except ContractError:  # it fails when its turn comes
                unread.append(row["id"])
        return unread, requests

    def unfetched(self, since: float) -> set[str]:
        """The artifact keys of results that no client has, of jobs that were sent after this Unix time."""
        query = (
            "SELECT DISTINCT key FROM results JOIN jobs ON jobs.id = results.job "
            "WHERE state = 'done' AND created > ? AND job NOT IN (SELECT job FROM fetched)"
        )
        return {row["key"] for row in self._read(query, since)}

    def stage_runs(self) -> dict[str, str]:
        """Job -> the run of its stage process, for all that were not cleared."""
        return {row["job"]: row["run"] for row in self._read("SELECT job, run FROM stage_runs")}


def _status(row: sqlite3.Row, warnings: Sequence[str]) -> JobStatus:
    values: dict[str, Any] = dict(row)
    error = values.pop("error")
    try:
        values["notes"] = tuple(json.loads(values["notes"]))
        values["warnings"] = tuple(from_json(CameraWarning, text, ignore_unknown=True) for text in warnings)
        return JobStatus(**values, error=from_json(JobError, error, ignore_unknown=True) if error else None)
    except (ValueError, TypeError, ContractError) as reason:  # as of another version; the others are still listed
        unreadable = JobError(f"The job cannot be read: {reason}.", "Send the job again.")
        return JobStatus(row["id"], row["title"], "failed", error=unreadable, created=row["created"])


def connect(path: Path | str, *, uri: bool = False) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10, uri=uri)
    db.row_factory = sqlite3.Row
    return db


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without its extension; 0 for an error of the Python module itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


@contextmanager
def opening(path: Path) -> Generator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = primary_code(error)
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            advice = f"Restore it from a backup, or rename it and keep it: a new list begins, {_KEPT}."
        elif code == sqlite3.SQLITE_FULL or disk_is_full(error, path.parent):
            advice = f"The disk is full: free some space and start again. Leave the list where it is; {_KEPT}."
        else:
            advice = f"Check that the disk can be written and that no other program uses the list; {_KEPT}."
        raise UserError(f"The job list {path} cannot be opened: {error}.", advice=advice) from error


def check_schema(db: sqlite3.Connection, path: Path) -> int:
    """The file's schema version, 0 for a new file."""
    schema = db.execute("PRAGMA user_version").fetchone()[0]
    if schema > SCHEMA:
        raise UserError(
            f"The job list {path} was written by a newer Reangle (schema {schema}; this one reads {SCHEMA}).",
            advice="Update Reangle, or choose another data folder with REANGLE_DATA.",
        )
    return schema
