# SPDX-License-Identifier: Apache-2.0
"""Failures that happen on artists' machines, caused in a running backend."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
import requests
from reangle.contract import CONTRACT_VERSION

from tests.backend.clips import numbered, write_movie
from tests.backend.server_harness import RUNS, Backend, Stages, alive, mounted, serving, wait_for

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with serving(tmp_path_factory.mktemp("server")) as backend:
        yield backend


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """A backend with the real stages."""
    with serving(tmp_path_factory.mktemp("workshop"), slow=False) as backend:
        yield backend


def stages_of(backend: Backend) -> Stages:
    assert backend.stages is not None
    return backend.stages


def kill(pid: int) -> None:
    psutil.Process(pid).kill()
    wait_for(lambda: not alive(pid))


def final_states(backend: Backend, job: str) -> list[str]:
    return [event["state"] for event in backend.events(job) if event.get("state") in ("done", "failed", "canceled")]


def test_killed_stage_process_is_started_again_at_every_stage(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        stages = stages_of(backend)
        stages.order(*(f"hold-{run}" for run in RUNS))
        job = backend.submit("left")
        for run in RUNS:
            kill(stages.wait_started(run)["pid"])
            stages.wait_started(run, 2)
            stages.release(f"hold-{run}")
        status = backend.finish(job)
        assert status["state"] == "done"
        assert [start["run"] for start in stages.started()] == [run for run in RUNS for _ in range(2)]
        assert any("runs again" in note for note in status["notes"])
        assert not list((backend.data / "tmp").iterdir())


def test_stage_process_that_always_dies_fails_with_advice(backend: Backend) -> None:
    stages = stages_of(backend)
    stages.order("hold-decode")
    job = backend.submit(clip=b"deadly")
    before = len(stages.started("decode")) if backend.state(job) == "queued" else 0
    for time_ in range(1, 4):
        kill(stages.wait_started("decode", before + time_)["pid"])
    stages.release("hold-decode")
    status = backend.finish(job)
    assert status["state"] == "failed"
    assert "Decode" in status["error"]["message"]
    assert "Memory" in status["error"]["advice"]


def test_exception_gives_message_advice_and_traceback(backend: Backend) -> None:
    stages = stages_of(backend)
    stages.order("raise-geometry")
    job = backend.submit(clip=b"raising")
    error = backend.finish(job)["error"]
    stages.release("raise-geometry")
    assert error["message"] == "RuntimeError: the first line"
    assert error["advice"]
    assert "slow_stages.py" in error["traceback"]
    assert "and the second" in error["traceback"]
    assert [event["error"] for event in backend.events(job) if event["type"] == "error"] == [error]


def test_restarted_backend_ends_the_orphaned_stage_and_resumes(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        stages = stages_of(backend)
        stages.order("hold-warp", "children", "stubborn")
        first = backend.submit("left")
        second = backend.submit("right", clip=b"another")
        start = stages.wait_started("warp")
        wait_for(lambda: any(event["type"] == "progress" for event in backend.events(first)[-1:]))
        seen = backend.events(first)
        backend.kill()
        assert alive(start["pid"])
        backend.start()
        assert not alive(start["pid"])
        assert not alive(start["child"])
        stages.release("hold-warp", "children", "stubborn")
        assert backend.finish(first)["state"] == "done"
        assert backend.finish(second)["state"] == "done"
        runs = [line["run"] for line in stages.started()]
        # Here the other clip decodes to the same frames, so only its camera's name differs.
        assert runs == [*RUNS[:4], *RUNS[3:], "decode", "deliver"]
        events = backend.events(first)
        assert events[: len(seen)] == seen
        assert [event["n"] for event in events] == list(range(1, len(events) + 1))
        assert not list((backend.data / "tmp").iterdir())


def test_acknowledged_job_survives_a_killed_backend(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        stages_of(backend).order("hold-decode")
        request = backend.request("left")
        assert backend.ask("POST", "/v1/jobs", json=request).status_code == 201
        backend.kill()
        stages_of(backend).release("hold-decode")
        backend.start()
        assert backend.ask("POST", "/v1/jobs", json=request).status_code == 200
        assert backend.finish(request["id"])["state"] == "done"


@posix
@pytest.mark.parametrize("run", RUNS)
def test_cancel_ends_the_stage_process_and_its_children_at_every_stage(tmp_path: Path, run: str) -> None:
    with serving(tmp_path) as backend:
        stages = stages_of(backend)
        orders = (f"hold-{run}", "children", *(["stubborn"] if run in ("decode", "warp") else []))
        stages.order(*orders)
        job = backend.submit("left")
        start = stages.wait_started(run)
        began = time.monotonic()
        assert backend.ask("POST", f"/v1/jobs/{job}/cancel").status_code == 200
        status = backend.finish(job)
        assert status["state"] == "canceled"
        assert time.monotonic() - began < 10
        assert not alive(start["pid"])
        assert not alive(start["child"])
        stages.release(*orders)
        assert backend.ask("POST", f"/v1/jobs/{job}/cancel").json() == status
        assert final_states(backend, job) == ["canceled"]


def test_cancel_of_a_queued_job_is_immediate_and_keeps_the_running_one(backend: Backend) -> None:
    stages = stages_of(backend)
    stages.order("hold-decode")
    running, queued = backend.submit(clip=b"held"), backend.submit(clip=b"never")
    assert backend.ask("POST", f"/v1/jobs/{queued}/cancel").json()["state"] == "canceled"
    stages.release("hold-decode")
    assert backend.finish(running)["state"] == "done"
    assert backend.ask("POST", f"/v1/jobs/{running}/cancel").json()["state"] == "done"
    assert [event["type"] for event in backend.events(queued)] == ["state", "state"]


def test_cancel_at_the_end_of_a_job_gives_one_final_state(backend: Backend) -> None:
    stages = stages_of(backend)
    outcomes = set()
    for number in range(4):
        stages.order("hold-geometry")
        before = len(stages.started("geometry"))
        job = backend.submit(clip=b"race", depth=str(number).encode())
        stages.wait_started("geometry", before + 1)
        stages.release("hold-geometry")
        time.sleep(0.05 * number)
        cancels = [threading.Thread(target=backend.ask, args=("POST", f"/v1/jobs/{job}/cancel")) for _ in range(2)]
        for cancel in cancels:
            cancel.start()
        for cancel in cancels:
            cancel.join()
        outcomes.add(backend.finish(job)["state"])
        time.sleep(0.1)
        assert len(final_states(backend, job)) == 1
    assert outcomes <= {"done", "canceled"}


def test_two_clients_share_stages_but_not_jobs(tmp_path: Path) -> None:
    with serving(tmp_path, "--jobs", "2") as backend:
        stages = stages_of(backend)
        stages.order("hold-decode")
        first, second = backend.submit("left"), backend.submit("left")
        wait_for(lambda: backend.state(first) == backend.state(second) == "running")
        stages.wait_started("decode")
        time.sleep(0.5)
        assert len(stages.started("decode")) == 1
        # The running job is canceled; the waiting one takes over.
        working = next(job for job in (first, second) if backend.get(f"/v1/jobs/{job}")["stage"] == "Decode")
        waiting = second if working == first else first
        backend.ask("POST", f"/v1/jobs/{working}/cancel")
        stages.wait_started("decode", 2)
        third = backend.submit("left")
        time.sleep(0.5)
        stages.release("hold-decode")
        assert [backend.finish(job)["state"] for job in (working, waiting, third)] == ["canceled", "done", "done"]
        assert [start["run"] for start in stages.started()] == ["decode", *RUNS]
        for job in (waiting, third):
            assert {event["job"] for event in backend.events(job)} == {job}
            results = [result["name"] for result in backend.get(f"/v1/jobs/{job}/results")]
            assert results == ["source", "camera", "geometry", "cameras/left"]


def test_second_backend_on_a_folder_refuses_until_the_first_ends(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        about = (backend.data / "server.json").read_text()
        second = backend.spawn()
        _, words = second.communicate(timeout=30)
        assert second.returncode == 3
        assert str(backend.process.pid) in words
        assert str(backend.data) in words
        assert (backend.data / "server.json").read_text() == about
        assert backend.get("/v1/health")["pid"] == backend.process.pid
        backend.kill()
        backend.start()
        assert backend.get("/v1/health")["pid"] == backend.process.pid


def test_a_port_in_use_is_replaced_and_published(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with serving(tmp_path, "--port", str(port)) as backend:
            assert backend.about["port"] != port
            assert backend.get("/v1/health")["contract"] == CONTRACT_VERSION
            wished = backend.about["port"]
            backend.stop()
            backend.arguments[-1] = str(wished)
            backend.start()
            assert backend.about["port"] == wished


def test_a_stale_server_file_is_recognised_by_its_token(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        stale = backend.about
        backend.kill()
        assert json.loads((backend.data / "server.json").read_text()) == stale
        # Another program uses the old port and has the old process id.
        (tmp_path / "other").mkdir()
        with serving(tmp_path / "other", "--port", str(stale["port"])) as other:
            assert other.about["port"] == stale["port"]
            old = {"Authorization": f"Bearer {stale['token']}"}
            assert (
                requests.get(f"http://127.0.0.1:{stale['port']}/v1/health", headers=old, timeout=9).status_code == 401
            )
            (backend.data / "server.json").write_text(json.dumps(stale | {"pid": os.getpid()}))
            backend.start()
            assert backend.about["token"] != stale["token"]
            assert backend.get("/v1/health")["data"] == str(backend.data)


def test_database_of_a_newer_version_is_refused_and_unchanged(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        backend.stop()
        database = backend.data / "jobs.sqlite"
        with closing(sqlite3.connect(database)) as db:
            assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            db.execute("PRAGMA user_version = 99")
        before = database.read_bytes()
        process = backend.spawn()
        _, words = process.communicate(timeout=30)
        assert process.returncode == 2
        assert "newer" in words
        assert "Traceback" not in words
        assert database.read_bytes() == before
        database.write_text("no database at all, but long enough to be read as a header of one" * 20)
        process = backend.spawn()
        _, words = process.communicate(timeout=30)
        assert process.returncode == 2
        assert "jobs.sqlite" in words
        assert "rename it and keep it" in words
        assert "Traceback" not in words


def test_a_job_continues_without_its_client_and_keeps_every_event(backend: Backend) -> None:
    job = backend.submit("left", clip=b"alone")
    received = backend.events(job)
    backend.session.close()
    last = received[-1]["n"]
    with closing(sqlite3.connect(f"file:{backend.data / 'jobs.sqlite'}?mode=ro", uri=True)) as database:
        query = "SELECT state FROM jobs WHERE id = ?"
        wait_for(lambda: database.execute(query, (job,)).fetchone() == ("done",))
    later = backend.events(job, since=last)
    assert received + later == backend.events(job)
    assert [event["n"] for event in received + later] == list(range(1, len(received + later) + 1))
    assert later[-1]["state"] == "done"


@posix
def test_job_waits_while_the_disk_is_full_and_goes_on_by_itself(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with mounted(disk, "size=6m"), serving(disk) as backend:
        stages = stages_of(backend)
        stages.order("fill-geometry")
        job = backend.submit("left")
        wait_for(lambda: any("disk is full" in note for note in backend.get(f"/v1/jobs/{job}")["notes"]))
        status = backend.get(f"/v1/jobs/{job}")
        assert (status["state"], status["error"]) == ("queued", None)
        assert "Free some space" in status["notes"][-1]
        assert [result["name"] for result in backend.get(f"/v1/jobs/{job}/results")] == ["source", "camera"]
        assert not list((backend.data / "tmp").iterdir())
        digest = "ab" * 32
        answer = backend.ask("PUT", f"/v1/blobs/{digest}", data=bytes(8 << 20))
        assert answer.status_code == 507
        assert answer.json()["error"]["advice"]
        assert not list((backend.data / "tmp").iterdir())
        # The others do not wait for it.
        other = backend.submit(clip=b"another", depth=b"another")
        wait_for(lambda: stages.started("decode")[1:])
        assert backend.ask("POST", f"/v1/jobs/{other}/cancel").status_code == 200
        stages.release("fill-geometry")
        assert backend.finish(job)["state"] == "done"
        assert len(stages.started("geometry")) <= 4


def test_files_without_video_fail_with_advice(workshop: Backend, tmp_path: Path) -> None:
    sound = tmp_path / "sound.mp4"
    with av.open(str(sound), "w") as output:
        stream = output.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 44100
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    whole = write_movie(tmp_path / "whole.mp4", numbered(5)).read_bytes()
    clips = (b"", sound.read_bytes(), whole.split(b"moov")[0][:-4])
    for job in [workshop.submit(clip=clip) for clip in clips]:
        status = workshop.finish(job)
        assert status["state"] == "failed"
        assert "no video" in status["error"]["message"]
        assert status["error"]["advice"]


def test_frames_are_counted_if_the_container_reports_zero(workshop: Backend, tmp_path: Path) -> None:
    options = {"movflags": "frag_keyframe+empty_moov"}
    movie = write_movie(tmp_path / "live.mp4", numbered(4), container=options)
    with av.open(str(movie)) as container:
        assert container.streams.video[0].frames == 0
    depth = tmp_path / "depth.npz"
    np.savez(depth, depth=np.full((4, 48, 64), 2, np.float32))
    job = workshop.submit(clip=movie.read_bytes(), depth=depth.read_bytes())
    status = workshop.finish(job)
    assert status["state"] == "done", status
    results = {result["name"]: result["files"] for result in workshop.get(f"/v1/jobs/{job}/results")}
    assert len([file for file in results["source"] if file["path"].startswith("frames/")]) == 4
    assert "cloud.npz" in [file["path"] for file in results["geometry"]]


@posix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_signals_end_the_backend_cleanly_however_often_they_come(tmp_path: Path, name: str) -> None:
    with serving(tmp_path) as backend:
        stages_of(backend).order("hang-decode", "stubborn")
        job = backend.submit("left")
        stage = stages_of(backend).wait_started("decode")["pid"]
        for _ in range(4):
            with suppress(ProcessLookupError):
                backend.process.send_signal(getattr(signal, name))
            time.sleep(0.05)
        _, words = backend.process.communicate(timeout=20)
        assert backend.process.returncode == 0
        assert "Traceback" not in words
        assert not (backend.data / "server.json").exists()
        assert not alive(stage)
        stages_of(backend).release("hang-decode", "stubborn")
        backend.start()
        assert backend.finish(job)["state"] == "done"
