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
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from reangle.contract import (
    FINAL_STATES,
    CameraWarning,
    ContractError,
    JobError,
    JobEvent,
    JobRequest,
    JobState,
    JobStatus,
    read_request,
    to_json,
)
from reangle.runtime.job_reader import SCHEMA, JobReader, check_schema, connect, opening
from reangle.runtime.private_folder import Identity

MAX_NOTES = 50
MAX_WARNINGS = 200
BACK_AFTER_DEATHS = 3
"""After so many deaths of the backend in a row, the other jobs come first."""
MAX_DEATHS = 12
"""Many, since power cuts and people end backends, too, and a job must not be lost by that."""
_FURTHER = 0.02

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
_DEATHS = """
CREATE TABLE IF NOT EXISTS deaths (
    job TEXT PRIMARY KEY, count INTEGER NOT NULL, stage TEXT NOT NULL, progress REAL NOT NULL
);
"""
"""How often in a row the backend died while it worked on a job that came no further. Older versions do not see it."""
_IS_IMPORT = "CASE json_valid(request) WHEN 1 THEN coalesce(json_array_length(request, '$.paths'), 0) = 0 ELSE 0 END"
_WARNINGS = """
CREATE TABLE IF NOT EXISTS warnings (job TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (job, body));
"""
"""CameraWarning of each job, as JSON. Older versions do not see it."""

_STAGES = """
CREATE TABLE IF NOT EXISTS job_stages (job TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (job, key)) WITHOUT ROWID;
"""
"""The artifacts that each job has made or reused. Older versions do not see it."""
_OF_A_JOB = ("events", "results", "stage_runs", "deaths", "warnings", "job_stages", "fetched")
_FETCHED = """
CREATE TABLE IF NOT EXISTS fetched (job TEXT PRIMARY KEY);
"""
"""Jobs whose results a client has. Older versions do not see it."""

Submission = Literal["new", "known", "conflict"]


class JobListLostError(sqlite3.OperationalError):
    """The job list was removed or replaced while the backend had it open: what is written now would be lost."""


class JobDatabase(JobReader):
    """Reads and writes `jobs.sqlite`; for the one backend that holds the data folder's lock.

    on_change: called after each committed change, from the thread that made it.
    Raises UserError as JobReader does. Every change raises JobListLostError once the file is gone.
    """

    def __init__(self, path: Path, on_change: Callable[[], None] = lambda: None) -> None:
        self.on_change = on_change
        self._write_lock = threading.Lock()
        with opening(path):
            self._writer = connect(path)
            schema = check_schema(self._writer, path)
            self._writer.execute("PRAGMA journal_mode=WAL")
            self._writer.execute("PRAGMA synchronous=FULL")
            if schema == 0:
                self._writer.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version={SCHEMA}; COMMIT;")
            self._writer.executescript(_DEATHS + _WARNINGS + _STAGES + _FETCHED)
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

    def waiting_rows(self) -> list[sqlite3.Row]:
        """id, title, state and eta_s of the running jobs, then of the queued ones as `claim` takes them."""
        return self._read(
            "SELECT id, title, state, eta_s FROM jobs LEFT JOIN deaths ON job = id "
            "WHERE state IN ('queued', 'running') ORDER BY state = 'queued', coalesce(count, 0) >= ?, seq",
            BACK_AFTER_DEATHS,
        )

    def request_text(self, job_id: str) -> str | None:
        """The stored request of a job, as JSON."""
        rows = self._read("SELECT request FROM jobs WHERE id = ?", job_id)
        return rows[0]["request"] if rows else None

    def jobs_without_stages(self) -> list[str]:
        """Jobs whose artifacts are not recorded: an older version ran them, or they have not begun."""
        return [row["id"] for row in self._read("SELECT id FROM jobs WHERE id NOT IN (SELECT job FROM job_stages)")]

    def claim(self, waiting: Collection[str] = ()) -> JobRequest | None:
        """The oldest queued import, else the oldest render, now running. One that another version of Reangle queued
        may fail here.

        An import has no cameras: it is short, and an artist waits for it. waiting: jobs that are left where they are.
        Those with which the backend died often come last.
        """
        while True:
            with self._write() as db:
                rows = db.execute(
                    "SELECT id, request FROM jobs LEFT JOIN deaths ON job = id WHERE state = 'queued' "
                    f"ORDER BY coalesce(count, 0) >= ?, NOT {_IS_IMPORT}, seq",
                    (BACK_AFTER_DEATHS,),
                )
                row = next((row for row in rows if row["id"] not in waiting), None)
                if row is None:
                    return None
                db.execute("UPDATE jobs SET state = 'running' WHERE id = ?", (row["id"],))
                self._append(db, row["id"], type="state", state="running")
            try:
                return read_request(row["request"])
            except Exception as error:
                what = error.message if isinstance(error, ContractError) else f"The job cannot be read: {error}."
                self.finish(row["id"], "failed", JobError(message=what, advice="Send the job again."))

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

    def requeue(self, job_id: str, note: str = "") -> None:
        """Put a running job back to its place in the queue; one with a cancel pending is canceled. note: tells why."""
        with self._write() as db:
            row = db.execute("SELECT state, cancel FROM jobs WHERE id = ?", (job_id,)).fetchone()
            if row["state"] != "running":
                return
            if row["cancel"]:
                self._end(db, job_id, "canceled", None)
                return
            db.execute("UPDATE jobs SET state = 'queued', eta_s = NULL WHERE id = ?", (job_id,))
            self._append(db, job_id, type="state", state="queued")
        if note:
            self.add_note(job_id, "", note)

    def count_death(self, job_id: str) -> None:
        """An earlier backend died while this job ran. One that comes no further again and again is failed."""
        with self._write() as db:
            row = db.execute("SELECT stage, progress FROM jobs WHERE id = ?", (job_id,)).fetchone()
            before = db.execute("SELECT count, stage, progress FROM deaths WHERE job = ?", (job_id,)).fetchone()
            stuck = before and row["stage"] == before["stage"] and row["progress"] < before["progress"] + _FURTHER
            count, progress = (
                (before["count"] + 1, max(before["progress"], row["progress"])) if stuck else (1, row["progress"])
            )
            db.execute("INSERT OR REPLACE INTO deaths VALUES (?, ?, ?, ?)", (job_id, count, row["stage"], progress))
            if count < MAX_DEATHS:
                return
            db.execute("DELETE FROM deaths WHERE job = ?", (job_id,))
            message = f"The backend ended {count} times while it worked on {row['stage'] or 'the job'}."
            advice = "Memory may have run out: use a smaller size or fewer frames, and send the job again."
            self._end(db, job_id, "failed", JobError(message=message, advice=advice))

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

    def add_warning(self, job_id: str, stage: str, warning: CameraWarning) -> None:
        """Show the artist which frames of a camera are in trouble, once."""
        with self._write() as db:
            if db.execute("SELECT count(*) FROM warnings WHERE job = ?", (job_id,)).fetchone()[0] >= MAX_WARNINGS:
                return
            if db.execute("INSERT OR IGNORE INTO warnings VALUES (?, ?)", (job_id, to_json(warning))).rowcount:
                frames = warning.first, warning.last
                self._append(
                    db, job_id, type="note", stage=stage, message=warning.message, camera=warning.camera, frames=frames
                )

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

    def set_fetched(self, job_id: str) -> None:
        """A client has the job's results."""
        with self._write() as db:
            db.execute("INSERT OR IGNORE INTO fetched VALUES (?)", (job_id,))

    def set_stage_run(self, job_id: str, run: str) -> None:
        """Record the run of the job's stage process, so that a later backend can end it."""
        with self._write() as db:
            db.execute("INSERT OR REPLACE INTO stage_runs VALUES (?, ?)", (job_id, run))

    def record_stage(self, job_id: str, key: str) -> None:
        """The job makes or reuses this artifact."""
        with self._write() as db:
            db.execute("INSERT OR IGNORE INTO job_stages VALUES (?, ?)", (job_id, key))

    def stage_keys(self, job_id: str) -> set[str]:
        """The artifacts that a job has made or reused; none of a job that an older version ran."""
        return {row["key"] for row in self._read("SELECT key FROM job_stages WHERE job = ?", job_id)}

    def delete(self, job_id: str, keys: Collection[str], discard: Callable[[set[str]], None]) -> bool:
        """Remove an ended job. keys: artifacts that may go with it. discard: gets those that no other job has recorded,
        while no stage can begin. False for a job that is not there or has not ended, which stays."""
        with self._write() as db:
            row = db.execute("SELECT state FROM jobs WHERE id = ?", (job_id,)).fetchone()
            if row is None or row["state"] not in FINAL_STATES:
                return False
            used = "SELECT key FROM job_stages WHERE job != ? UNION SELECT key FROM results WHERE job != ?"
            discard(set(keys) - {other["key"] for other in db.execute(used, (job_id, job_id))})
            db.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
            for table in _OF_A_JOB:
                db.execute(f"DELETE FROM {table} WHERE job = ?", (job_id,))
        return True

    def clear_stage_run(self, job_id: str) -> None:
        with self._write() as db:
            db.execute("DELETE FROM stage_runs WHERE job = ?", (job_id,))


def _is_same(text: str, request: JobRequest) -> bool:
    """Whether a stored request, which may be of an older version of the contract, is this one."""
    try:
        return read_request(text) == request
    except ContractError:
        return False
