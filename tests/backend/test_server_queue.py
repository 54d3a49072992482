# SPDX-License-Identifier: Apache-2.0
"""The job list under random orders of submit, run, cancel, end and crash, by Hypothesis."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule
from reangle.contract import (
    FINAL_STATES,
    CameraPath,
    Clip,
    ContractError,
    FileRef,
    GeometrySettings,
    JobError,
    JobRequest,
    from_data,
    to_json,
)
from reangle.runtime.database import JobDatabase

from tests.backend.server_harness import camera

FILE = FileRef(name="a.mp4", sha256="0" * 64, size=1)


def request(seed: int = 0, *, is_import: bool = True) -> JobRequest:
    return JobRequest(
        id=uuid.uuid4().hex,
        clip=Clip(files=(FILE,)),
        geometry=GeometrySettings(camera="files", depth="files", files=(FILE,)),
        paths=() if is_import else (from_data(CameraPath, camera()),),
        seed=seed,
    )


class Queue(RuleBasedStateMachine):
    """Compares the database with a plain model of the queue."""

    jobs = Bundle("jobs")
    running = Bundle("running")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.database = self.open()
        self.requests: dict[str, JobRequest] = {}
        self.states: dict[str, str] = {}
        self.canceled: set[str] = set()
        self.reported: dict[str, list[str]] = {}

    def open(self) -> JobDatabase:
        return JobDatabase(self.folder / "jobs.sqlite")

    def teardown(self) -> None:
        self.database.close()
        shutil.rmtree(self.folder)

    def move(self, job: str, state: str) -> None:
        self.states[job] = state
        self.reported[job].append(state)

    @rule(target=jobs, seed=st.integers(0, 3), is_import=st.booleans())
    def submit(self, seed: int, is_import: bool) -> str:
        made = request(seed, is_import=is_import)
        assert self.database.submit(made) == "new"
        self.requests[made.id], self.reported[made.id] = made, []
        self.move(made.id, "queued")
        return made.id

    @rule(job=jobs)
    def submit_again(self, job: str) -> None:
        assert self.database.submit(self.requests[job]) == "known"
        other = replace(self.requests[job], title="another")
        assert self.database.submit(other) == "conflict"

    @rule(target=running)
    def claim(self) -> object:
        queued = [job for job, state in self.states.items() if state == "queued"]
        oldest = next((job for job in sorted(queued, key=lambda job: len(self.requests[job].paths))), None)
        claimed = self.database.claim()
        assert claimed == (self.requests[oldest] if oldest else None)
        if oldest is None:
            return multiple()
        self.move(oldest, "running")
        return oldest

    @rule(job=jobs)
    def cancel(self, job: str) -> None:
        status = self.database.cancel(job)
        if self.states[job] == "queued":
            self.move(job, "canceled")
        elif self.states[job] == "running":
            self.canceled.add(job)
        assert status is not None
        assert status.state == self.states[job]

    @rule(job=running, stage=st.sampled_from(["decode", "geometry"]), progress=st.floats(0, 1))
    def work(self, job: str, stage: str, progress: float) -> None:
        if self.states[job] == "running":
            self.database.begin_stage(job, stage, progress, 5.0, cached=False)
            self.database.report_progress(job, stage, progress, None)
            self.database.add_note(job, stage, "the same note")
            self.database.add_result(job, stage, "ab" * 32)

    @rule(job=running, state=st.sampled_from(["done", "failed"]))
    def finish(self, job: str, state: str) -> None:
        error = JobError(message="it broke") if state == "failed" else None
        self.database.finish(job, "failed" if state == "failed" else "done", error)
        if self.states[job] == "running":
            self.move(job, "canceled" if job in self.canceled else state)

    @rule()
    def die_and_restart(self) -> None:
        # A crash leaves the write-ahead log unchanged; the next process opens the state of a copy made now.
        copy = Path(tempfile.mkdtemp())
        for file in self.folder.glob("jobs.sqlite*"):
            shutil.copy(file, copy)
        self.database.close()
        shutil.rmtree(self.folder)
        self.folder = copy
        self.database = self.open()
        for job in self.database.running():
            self.database.requeue(job)
            self.move(job, "canceled" if job in self.canceled else "queued")

    @invariant()
    def the_database_agrees(self) -> None:
        for job, state in self.states.items():
            status = self.database.status(job)
            events = self.database.events(job, 0, 10_000)
            assert status is not None
            assert status.state == state
            assert [event.n for event in events] == list(range(1, status.last_event + 1))
            assert [event.state for event in events if event.type == "state"] == self.reported[job]
            assert sum(event.state in FINAL_STATES for event in events) == (state in FINAL_STATES)
            assert sum(event.type == "note" for event in events) == len(status.notes) <= 1
            assert [event.name for event in events if event.type == "result"] == list(self.database.results(job))
        assert {status.id for status in self.database.newest(10_000)} == set(self.states)


TestQueue = Queue.TestCase
TestQueue.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)


def test_failed_change_is_rolled_back_and_blocks_nothing(tmp_path: Path) -> None:
    database = JobDatabase(tmp_path / "jobs.sqlite")
    made = request()
    database.submit(made)
    before = database.status(made.id), database.events(made.id, 0, 99)
    with pytest.raises(ContractError):
        database.report_progress(made.id, "decode", float("inf"), None)
    assert (database.status(made.id), database.events(made.id, 0, 99)) == before
    assert database.claim() == made


def test_every_commit_reaches_the_disk(tmp_path: Path) -> None:
    database = JobDatabase(tmp_path / "jobs.sqlite")
    assert database._writer.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert database._writer.execute("PRAGMA synchronous").fetchone()[0] == 2


def test_job_of_version_2_runs_and_is_known_when_it_is_sent_again(tmp_path: Path) -> None:
    database = JobDatabase(tmp_path / "jobs.sqlite")
    # Its files hold depth maps alone: version 2 took the camera for one that stands still.
    plain = request()
    old = replace(plain, geometry=replace(plain.geometry, camera="still"))
    database.submit(old)
    new = '"contract":4', '"camera":"still","depth":"files",', '"given":null,'
    text = to_json(old)
    assert all(part in text for part in new)
    for part, before in zip(new, ('"contract":2', '"provider":"files","use_dust3r":true,', ""), strict=True):
        text = text.replace(part, before)
    database._writer.execute("UPDATE jobs SET request = ? WHERE id = ?", (text, old.id))
    assert database.submit(old) == "known"
    assert database.submit(replace(old, seed=7)) == "conflict"
    assert database.claim() == old


def test_job_of_an_older_version_fails_and_the_next_one_runs(tmp_path: Path) -> None:
    database = JobDatabase(tmp_path / "jobs.sqlite")
    old, new = request(), request()
    database.submit(old)
    database.submit(new)
    text = to_json(old).replace('"contract":4', '"contract":1')
    database._writer.execute("UPDATE jobs SET request = ? WHERE id = ?", (text, old.id))
    assert database.claim() == new
    status = database.status(old.id)
    assert status is not None
    assert status.error is not None
    assert (status.state, "version 1" in status.error.message) == ("failed", True)
