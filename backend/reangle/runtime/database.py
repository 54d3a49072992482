# SPDX-License-Identifier: Apache-2.0
"""The job list on disk: each job's request, state, events and results.

Every change is one transaction that reaches the disk before anyone sees it (WAL, synchronous=FULL), so an event number
that a client has seen is never used twice, whatever dies in between.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from reangle.contract import (
    ContractError,
    JobError,
    JobEvent,
    JobRequest,
    JobState,
    JobStatus,
    from_json,
    read_request,
    to_json,
)
from reangle.errors import UserError
from reangle.runtime.private_folder import Identity

SCHEMA = 1
MAX_NOTES = 50

_TABLES = """
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    request TEXT NOT NULL,
    title TEXT NOT NULL,
    created REAL NOT NULL,
    state TEXT NOT NULL,
    cancel INTEGER NOT NULL DEFAULT 0,
    stage TEXT NOT NULL DEFAULT '',
    progress REAL NOT NULL DEFAULT 0,
    eta_s REAL,
    error TEXT,
    notes TEXT NOT NULL DEFAULT '[]',
    last_event INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX jobs_by_state ON jobs (state, seq);
CREATE TABLE events (job TEXT NOT NULL, n INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (job, n)) WITHOUT ROWID;
CREATE TABLE results (job TEXT NOT NULL, name TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (job, name));
CREATE TABLE stage_runs (job TEXT PRIMARY KEY, run TEXT NOT NULL);
"""
_STATUS = "id, title, state, stage, progress, eta_s, error, notes, last_event, created"

Submission = Literal["new", "known", "conflict"]


class JobListLostError(sqlite3.OperationalError):
    """The job list was removed or replaced while the backend had it open: what is written now would be lost."""


class JobReader:
    """Reads `jobs.sqlite` of one data folder, whether or not a backend runs; safe to use from many threads.

    Raises UserError if the file is of a newer version or is no database.
    """

    def __init__(self, path: Path) -> None:
        self._read_lock = threading.Lock()
        with _opening(path):
            self._reader = _connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
            _check_schema(self._reader, path)

    def close(self) -> None:
        with self._read_lock:
            self._reader.close()

    def _read(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with self._read_lock:
            return self._reader.execute(query, values).fetchall()

    def status(self, job_id: str) -> JobStatus | None:
        rows = self._read(f"SELECT {_STATUS} FROM jobs WHERE id = ?", job_id)
        return _status(rows[0]) if rows else None

    def newest(self, limit: int) -> list[JobStatus]:
        return [_status(row) for row in self._read(f"SELECT {_STATUS} FROM jobs ORDER BY seq DESC LIMIT ?", limit)]

    def events(self, job_id: str, since: int, limit: int) -> list[JobEvent]:
        """The first `limit` events with n > since."""
        rows = self._read("SELECT body FROM events WHERE job = ? AND n > ? ORDER BY n LIMIT ?", job_id, since, limit)
        return [from_json(JobEvent, row["body"]) for row in rows]

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

    def stage_runs(self) -> dict[str, str]:
        """Job -> the run of its stage process, for all that were not cleared."""
        return {row["job"]: row["run"] for row in self._read("SELECT job, run FROM stage_runs")}


class JobDatabase(JobReader):
    """Reads and writes `jobs.sqlite`; for the one backend that holds the data folder's lock.

    on_change: called after each committed change, from the thread that made it.
    Raises UserError as JobReader does. Every change raises JobListLostError once the file is gone.
    """

    def __init__(self, path: Path, on_change: Callable[[], None] = lambda: None) -> None:
        self.on_change = on_change
        self._write_lock = threading.Lock()
        with _opening(path):
            self._writer = _connect(path)
            self._writer.execute("PRAGMA journal_mode=WAL")
            self._writer.execute("PRAGMA synchronous=FULL")
            if _check_schema(self._writer, path) == 0:
                self._writer.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version={SCHEMA}; COMMIT;")
            # The log beside it appears with the first transaction, and holds what is not yet in the file.
            self._writer.executescript("BEGIN IMMEDIATE; COMMIT;")
            self._identities = [Identity(path)]
            with suppress(OSError):
                self._identities.append(Identity(path.with_name(f"{path.name}-wal")))
        super().__init__(path)

    def is_lost(self) -> bool:
        """Whether the file on disk is no longer the one that is open here."""
        return any(identity.is_lost() for identity in self._identities)

    def _check_identity(self) -> None:
        if self.is_lost():
            raise JobListLostError("the file was removed or replaced while the backend ran")

    def close(self) -> None:
        super().close()
        with self._write_lock:
            self._writer.close()

    @contextmanager
    def _write(self) -> Generator[sqlite3.Connection]:
        with self._write_lock:
            self._check_identity()
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
            # Before anyone hears of the change.
            self._check_identity()
        self.on_change()

    @staticmethod
    def _append(db: sqlite3.Connection, job_id: str, **values: Any) -> None:
        row = db.execute(
            "UPDATE jobs SET last_event = last_event + 1 WHERE id = ? RETURNING last_event", (job_id,)
        ).fetchone()
        event = JobEvent(n=row[0], job=job_id, time=time.time(), **values)
        db.execute("INSERT INTO events VALUES (?, ?, ?)", (job_id, event.n, to_json(event, skip_none=True)))

    def submit(self, request: JobRequest) -> Submission:
        """Queue a job. The same request under the same id is "known", another one a "conflict"; both change nothing."""
        text = to_json(request)
        with self._write() as db:
            row = db.execute("SELECT request FROM jobs WHERE id = ?", (request.id,)).fetchone()
            if row is not None:
                return "known" if row["request"] == text or _is_same(row["request"], request) else "conflict"
            db.execute(
                "INSERT INTO jobs (id, request, title, created, state) VALUES (?, ?, ?, ?, 'queued')",
                (request.id, text, request.title, time.time()),
            )
            self._append(db, request.id, type="state", state="queued")
        return "new"

    def claim(self) -> JobRequest | None:
        """The oldest queued job, now running. One that an older version of Reangle queued may fail here."""
        while True:
            with self._write() as db:
                row = db.execute("SELECT id, request FROM jobs WHERE state = 'queued' ORDER BY seq LIMIT 1").fetchone()
                if row is None:
                    return None
                db.execute("UPDATE jobs SET state = 'running' WHERE id = ?", (row["id"],))
                self._append(db, row["id"], type="state", state="running")
            try:
                return read_request(row["request"])
            except ContractError as error:
                self.finish(row["id"], "failed", JobError(message=error.message, advice="Send the job again."))

    def cancel(self, job_id: str) -> JobStatus | None:
        """Cancel a queued job at once, mark a running one, ignore an ended one. None for an unknown job."""
        with self._write() as db:
            row = db.execute("SELECT state FROM jobs WHERE id = ?", (job_id,)).fetchone()
            if row is None:
                return None
            if row["state"] == "queued":
                self._end(db, job_id, "canceled", None)
            elif row["state"] == "running":
                db.execute("UPDATE jobs SET cancel = 1 WHERE id = ?", (job_id,))
        return self.status(job_id)

    def finish(self, job_id: str, state: JobState, error: JobError | None = None) -> None:
        """End a running job. The first end counts; an earlier cancel takes precedence."""
        with self._write() as db:
            row = db.execute("SELECT state, cancel FROM jobs WHERE id = ?", (job_id,)).fetchone()
            if row["state"] == "running":
                self._end(db, job_id, *(("canceled", None) if row["cancel"] else (state, error)))

    def _end(self, db: sqlite3.Connection, job_id: str, state: JobState, error: JobError | None) -> None:
        if error is not None:
            self._append(db, job_id, type="error", error=error)
        db.execute(
            "UPDATE jobs SET state = ?, eta_s = NULL, error = ? WHERE id = ?",
            (state, to_json(error) if error else None, job_id),
        )
        if state == "done":
            db.execute("UPDATE jobs SET progress = 1 WHERE id = ?", (job_id,))
        self._append(db, job_id, type="state", state=state)

    def requeue(self, job_id: str) -> None:
        """Put a running job back to its place in the queue; one with a cancel pending is canceled."""
        with self._write() as db:
            row = db.execute("SELECT state, cancel FROM jobs WHERE id = ?", (job_id,)).fetchone()
            if row["state"] != "running":
                return
            if row["cancel"]:
                self._end(db, job_id, "canceled", None)
                return
            db.execute("UPDATE jobs SET state = 'queued', eta_s = NULL WHERE id = ?", (job_id,))
            self._append(db, job_id, type="state", state="queued")

    def begin_stage(self, job_id: str, stage: str, progress: float, eta_s: float | None, *, cached: bool) -> None:
        with self._write() as db:
            db.execute(
                "UPDATE jobs SET stage = ?, progress = ?, eta_s = ? WHERE id = ?", (stage, progress, eta_s, job_id)
            )
            self._append(db, job_id, type="stage", stage=stage, cached=cached, progress=progress, eta_s=eta_s)

    def report_progress(
        self, job_id: str, stage: str, progress: float, eta_s: float | None, message: str | None = None
    ) -> None:
        with self._write() as db:
            db.execute("UPDATE jobs SET progress = ?, eta_s = ? WHERE id = ?", (progress, eta_s, job_id))
            self._append(db, job_id, type="progress", stage=stage, progress=progress, eta_s=eta_s, message=message)

    def add_loss(self, job_id: str, stage: str, loss: float, words: str, picture: str) -> None:
        """Training progress. words: step, speed, time left. picture: a PNG in base 64, or ""."""
        with self._write() as db:
            self._append(db, job_id, type="progress", stage=stage, loss=loss, message=words, picture=picture or None)

    def add_note(self, job_id: str, stage: str, message: str) -> None:
        """Show the artist a message, once: a stage that runs again reports the same again."""
        with self._write() as db:
            notes: list[str] = json.loads(db.execute("SELECT notes FROM jobs WHERE id = ?", (job_id,)).fetchone()[0])
            if message in notes or len(notes) >= MAX_NOTES:
                return
            db.execute("UPDATE jobs SET notes = ? WHERE id = ?", (json.dumps([*notes, message]), job_id))
            self._append(db, job_id, type="note", stage=stage, message=message)

    def add_result(self, job_id: str, name: str, key: str) -> None:
        """Publish an artifact as a result of the job; one event, also when the job ran again from the start."""
        with self._write() as db:
            added = db.execute(
                "INSERT INTO results VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (job_id, name, key)
            ).rowcount
            if added:
                self._append(db, job_id, type="result", name=name)
            else:
                db.execute("UPDATE results SET key = ? WHERE job = ? AND name = ?", (key, job_id, name))

    def set_stage_run(self, job_id: str, run: str) -> None:
        """Record the run of the job's stage process, so that a later backend can end it."""
        with self._write() as db:
            db.execute("INSERT OR REPLACE INTO stage_runs VALUES (?, ?)", (job_id, run))

    def clear_stage_run(self, job_id: str) -> None:
        with self._write() as db:
            db.execute("DELETE FROM stage_runs WHERE job = ?", (job_id,))


def _is_same(text: str, request: JobRequest) -> bool:
    """Whether a stored request, which may be of an older version of the contract, is this one."""
    try:
        return read_request(text) == request
    except ContractError:
        return False


def _status(row: sqlite3.Row) -> JobStatus:
    values: dict[str, Any] = dict(row)
    error = values.pop("error")
    values["notes"] = tuple(json.loads(values["notes"]))
    return JobStatus(**values, error=from_json(JobError, error) if error else None)


def _connect(path: Path | str, *, uri: bool = False) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10, uri=uri)
    db.row_factory = sqlite3.Row
    return db


@contextmanager
def _opening(path: Path) -> Generator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise UserError(
            f"The job list {path} cannot be opened: {error}.",
            advice="Move the file away to start with an empty list; finished stages stay in the cache.",
        ) from error


def _check_schema(db: sqlite3.Connection, path: Path) -> int:
    """The file's schema version, 0 for a new file."""
    schema = db.execute("PRAGMA user_version").fetchone()[0]
    if schema > SCHEMA:
        raise UserError(
            f"The job list {path} was written by a newer Reangle (schema {schema}; this one reads {SCHEMA}).",
            advice="Update Reangle, or choose another data folder with REANGLE_DATA.",
        )
    return schema
