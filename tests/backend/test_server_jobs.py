# SPDX-License-Identifier: Apache-2.0
"""Jobs that would hold up the queue, and code that changes, in a running backend."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from reangle.runtime.job_reader import JobReader

from tests.backend.server_harness import REPOSITORY, Backend, mounted, serving, wait_for

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


def change_list(backend: Backend, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(backend.data / "jobs.sqlite")) as database:
        database.execute(statement, values)
        database.commit()


def request_of(backend: Backend, job: str) -> dict[str, Any]:
    with closing(sqlite3.connect(backend.data / "jobs.sqlite")) as database:
        (text,) = database.execute("SELECT request FROM jobs WHERE id = ?", (job,)).fetchone()
    return json.loads(text)


def start_again(backend: Backend) -> None:
    backend.process.wait(timeout=30)
    backend.process.communicate()
    backend.start()


@pytest.mark.parametrize("state", ["queued", "running"])
@pytest.mark.parametrize("change", [{"priority": 3}, {"clip": None}])
def test_unreadable_job_ends_as_failed_and_the_next_one_runs(
    tmp_path: Path, state: str, change: dict[str, Any]
) -> None:
    with serving(tmp_path) as backend:
        assert backend.stages
        backend.stages.order("hold-decode")
        bad, good = backend.submit("left"), backend.submit("right", clip=b"another")
        backend.kill()
        text = json.dumps({**request_of(backend, bad), **change})
        change_list(backend, "UPDATE jobs SET request = ?, state = ? WHERE id = ?", text, state, bad)
        backend.stages.release("hold-decode")
        backend.start()
        assert backend.finish(good)["state"] == "done"
        status = backend.get(f"/v1/jobs/{bad}")
        assert status["state"] == "failed"
        assert status["error"]["advice"] == "Send the job again."
        assert backend.ask("POST", f"/v1/jobs/{bad}/cancel").json() == status


def test_one_unreadable_row_hides_no_other_job(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        bad, good = backend.submit("left"), backend.submit("right")
        assert backend.finish(bad)["state"] == backend.finish(good)["state"] == "done"
        backend.stop()
        change_list(backend, "UPDATE jobs SET state = 'paused', notes = '{' WHERE id = ?", bad)
        backend.start()
        states = {status["id"]: status["state"] for status in backend.get("/v1/jobs")}
        assert states == {bad: "failed", good: "done"}


def test_same_request_is_known_although_a_newer_version_has_more_fields(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        request = backend.request("left")
        assert backend.ask("POST", "/v1/jobs", json=request).status_code == 201
        assert backend.finish(request["id"])["state"] == "done"
        stored = request_of(backend, request["id"])
        del stored["preview"], stored["seed"]
        change_list(backend, "UPDATE jobs SET request = ?", json.dumps(stored))
        assert backend.ask("POST", "/v1/jobs", json=request).status_code == 200


@posix
def test_job_that_ends_the_backend_lets_the_others_run(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        assert backend.stages
        backend.stages.order("end-warp")
        deadly, good = backend.submit("left"), backend.submit(clip=b"another")
        for _ in range(3):
            start_again(backend)
        assert backend.finish(good)["state"] == "done"
        for _ in range(9):
            start_again(backend)
        status = backend.finish(deadly)
        assert status["state"] == "failed"
        assert "ended 12 times while it worked on Warp left" in status["error"]["message"]


@posix
def test_an_import_overtakes_the_renders_that_wait(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        assert backend.stages is not None
        backend.stages.order("hold-decode")
        running = backend.submit("left")
        backend.stages.wait_started("decode")
        renders = [backend.submit("right", seed=seed) for seed in (1, 2)]
        imports = [backend.submit(clip=clip) for clip in (b"one", b"another")]
        backend.stages.release("hold-decode")
        for job in (running, *renders, *imports):
            assert backend.finish(job)["state"] == "done"

        def began(job: str) -> float:
            return next(event["time"] for event in backend.events(job) if event.get("state") == "running")

        assert sorted((running, *renders, *imports), key=began) == [running, *imports, *renders]


def test_stopped_stage_is_ended_and_the_next_job_runs(tmp_path: Path) -> None:
    with serving(tmp_path, environment={"REANGLE_TEST_LIFELESS": "2"}) as backend:
        assert backend.stages
        backend.stages.order("stop-decode")
        stopped = backend.submit("left")
        backend.stages.wait_started("decode", 3)
        backend.stages.release("stop-decode")
        good = backend.submit("left", clip=b"another")
        status = backend.finish(stopped)
        assert status["state"] == "failed"
        assert any("no sign of life" in note for note in status["notes"])
        assert backend.finish(good)["state"] == "done"


@posix
def test_advice_for_a_stage_that_ends_fits_the_cause(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        assert backend.stages
        for code, words, named, advice in (
            (2, "libcuda.so.1: cannot open shared object file", "status 2", "libcuda.so.1"),
            (1, "ImportError: lib.so: failed to map segment from shared object", "status 1", "Memory may have"),
            (-signal.SIGKILL, "", "SIGKILL", "Memory may have"),
            (-signal.SIGSEGV, "", "SIGSEGV", "A library crashed"),
            (-signal.SIGTERM, "", "SIGTERM", "Another program, or a person"),
            (-signal.SIGXCPU, "", "SIGXCPU", "A limit"),
        ):
            backend.stages.die("decode", code, words)
            error = backend.finish(backend.submit("left"))["error"]
            assert named in error["message"]
            assert advice in error["advice"]
            assert ("emory" in error["advice"]) == ("emory" in advice)
        backend.stages.release("die-decode")
        backend.stages.order("import-decode")
        error = backend.finish(backend.submit("left"))["error"]
        assert "no_such_package" in error["message"]
        assert "reangle doctor" in error["advice"]


@posix
def test_job_waits_if_its_stage_crashes_on_a_full_disk(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        assert backend.stages
        backend.stages.die("decode", -signal.SIGABRT, "terminate called: write: No space left on device\n")
        job = backend.submit("left")
        wait_for(lambda: any("disk is full" in note for note in backend.get(f"/v1/jobs/{job}")["notes"]))
        assert backend.state(job) == "queued"
        assert len(backend.stages.started("decode")) == 1


def test_stage_that_always_starts_again_fails(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        assert backend.stages
        backend.stages.order("endless-decode")
        status = backend.finish(backend.submit("left"))
        assert status["state"] == "failed"
        assert "12 times to start again" in status["error"]["message"]
        assert len(backend.stages.started("decode")) == 12


@pytest.mark.parametrize("when", ["before", "during"])
def test_code_that_changes_under_the_backend_is_not_run(tmp_path: Path, when: str) -> None:
    code = tmp_path / "code"
    shutil.copytree(REPOSITORY / "backend", code, ignore=shutil.ignore_patterns("__pycache__"))
    with serving(tmp_path, code=code) as backend:
        assert backend.stages
        backend.stages.order("hold-decode")
        if when == "before":
            (code / "reangle" / "media" / "new.py").write_text("# of another version")
        job = backend.submit("left")
        if when == "during":
            backend.stages.wait_started("decode")
            (code / "reangle" / "media" / "new.py").write_text("# of another version")
        backend.stages.release("hold-decode")
        wait_for(lambda: any("updated" in note for note in backend.get(f"/v1/jobs/{job}")["notes"]))
        assert backend.state(job) == "queued"
        assert not list(backend.data.glob("artifacts/*/*"))
        backend.stop()
        backend.start()
        assert backend.finish(job)["state"] == "done"


@posix
def test_full_disk_at_the_start_costs_no_job_list(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with mounted(disk, "size=2m"), serving(disk) as backend:
        job = backend.submit("left")
        assert backend.finish(job)["state"] == "done"
        backend.stop()
        with suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
            while filler.write(bytes(4096)) == 4096:
                pass
        refused = backend.spawn()
        _, words = refused.communicate(timeout=30)
        assert refused.returncode == 2
        assert "full" in words
        assert "ree some space" in words
        assert not any(word in words for word in ("Traceback", "Move", "rename"))
        (disk / "filler").unlink()
        backend.start()
        assert backend.state(job) == "done"


def test_trouble_with_a_camera_is_told_with_its_frames_and_again_from_the_cache(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        assert backend.stages
        backend.stages.order("warn-warp", "hold-fill")
        job = backend.submit("left")
        warned = {"camera": "left", "first": 3, "last": 7, "worst": 5, "message": "left, frames 3 to 7: It folds."}
        # While the next stage waits: trouble is told before it takes its time.
        assert wait_for(lambda: backend.get(f"/v1/jobs/{job}")["warnings"]) == [warned]
        backend.stages.release("hold-fill")
        assert backend.finish(job)["notes"] == []
        # The warp depends on no name, so the second job finds it in the cache.
        again = backend.submit("right")
        status = backend.finish(again)
        assert status["warnings"] == [{**warned, "camera": "right", "message": "right, frames 3 to 7: It folds."}]
        (event,) = [event for event in backend.events(again) if event["type"] == "note"]
        assert (event["camera"], event["frames"], event["message"]) == (
            "right",
            [3, 7],
            status["warnings"][0]["message"],
        )
        assert len(backend.stages.started("warp")) == 1


def test_a_job_list_of_an_older_version_has_no_warnings(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        job = backend.submit("left")
        backend.finish(job)
        backend.stop()
        change_list(backend, "DROP TABLE warnings")
        with closing(JobReader(backend.data / "jobs.sqlite")) as reader:
            status = reader.status(job)
        assert status is not None
        assert status.warnings == ()
