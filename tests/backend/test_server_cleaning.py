# SPDX-License-Identifier: Apache-2.0
"""Cleaning up the data folder of a running backend, and its sizes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.backend.server_harness import JSON, REPOSITORY, Backend, camera, serving, wait_for

ALL = ["artifacts", "blobs", "unfinished", "logs"]


def clean(backend: Backend, *what: str, days: int = 0) -> dict[str, int]:
    """Bytes removed of each kind."""
    answer = backend.ask("POST", "/v1/storage/clean", json={"what": what or ALL, "days": days})
    assert answer.status_code == 200, answer.text
    return {part["name"]: part["size"] for part in answer.json()["removed"]}


def parts(storage: JSON) -> dict[str, JSON]:
    return {part["name"]: part for part in storage["parts"]}


def age_blobs(backend: Backend) -> None:
    """As if they had been uploaded yesterday."""
    yesterday = time.time() - 86400
    for path in (backend.data / "blobs").glob("*/*"):
        os.utime(path, (yesterday, yesterday))


def artifacts(backend: Backend) -> set[str]:
    return {path.name for path in (backend.data / "artifacts").glob("*/*")}


def done(backend: Backend, *cameras: str, **more: Any) -> str:
    job = backend.submit(*cameras, **more)
    assert backend.finish(job)["state"] == "done"
    return job


def test_queued_and_running_jobs_lose_nothing(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        assert backend.stages
        kept = done(backend, "left")
        other = done(backend, "left", clip=b"another clip", depth=b"another depth", paths=[camera("left", 3)])
        for job in (kept, other):
            assert backend.ask("POST", f"/v1/jobs/{job}/fetched").status_code == 200
        of_ended = artifacts(backend)
        # One runs, and one waits behind it that finds all but its warp, fill and deliver in the cache.
        backend.stages.order("hold-warp")
        running = backend.submit(depth=b"depth of the running one", paths=[camera("right", 1)])
        backend.stages.wait_started("warp", 3)
        queued = backend.submit(paths=[camera("up", 2)])
        age_blobs(backend)
        removed = clean(backend)
        assert removed["artifacts"] > 0
        assert removed["blobs"] == len(b"another clip" + b"another depth")
        # The first three stages of the clip are theirs; what the ended jobs made for their cameras is nobody's.
        assert len(of_ended & artifacts(backend)) == 3
        before = len(backend.stages.started("decode")), len(backend.stages.started("geometry"))
        backend.stages.release("hold-warp")
        for job in (running, queued):
            assert backend.finish(job)["state"] == "done"
        assert (len(backend.stages.started("decode")), len(backend.stages.started("geometry"))) == before
        # Cleaned up, the ended jobs are still listed, and a new one makes again what it needs.
        assert backend.state(other) == "done"
        again = done(backend, "left", clip=b"another clip", depth=b"another depth")
        assert backend.get(f"/v1/jobs/{again}/results")


def test_results_stay_until_a_client_has_them(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        job = done(backend, "left")
        before = backend.get(f"/v1/jobs/{job}/results")
        clean(backend)
        assert backend.get(f"/v1/jobs/{job}/results") == before
        assert backend.ask("POST", f"/v1/jobs/{'0' * 32}/fetched").status_code == 404
        assert backend.ask("POST", f"/v1/jobs/{job}/fetched").status_code == 200
        backend.stop()
        backend.start()
        assert clean(backend)["artifacts"] > 0
        assert artifacts(backend) == set()
        assert backend.get(f"/v1/jobs/{job}/results") == []


def test_new_uploads_logs_and_checkpoints(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        assert backend.stages
        upload = backend.upload(b"for a job that is still to come", "clip.mp4")
        backend.stages.order("hold-geometry")
        job = backend.submit("left")
        backend.stages.wait_started("geometry")
        (held,) = (backend.data / "unfinished").glob("*/*")
        stale = backend.data / "unfinished" / "ab" / ("ab" * 32)
        stale.mkdir(parents=True)
        (stale / "checkpoint").write_bytes(bytes(1000))
        removed = clean(backend)
        assert removed == {"artifacts": 0, "blobs": 0, "unfinished": 1000, "logs": 0}
        assert held.is_dir()
        assert not stale.exists()
        assert backend.ask("HEAD", f"/v1/blobs/{upload['sha256']}").status_code == 200
        assert list((backend.data / "logs" / job).iterdir())
        backend.ask("POST", f"/v1/jobs/{job}/cancel")
        backend.finish(job)
        assert clean(backend, "logs", days=1) == {"logs": 0}
        assert clean(backend, "logs")["logs"] > 0
        assert not (backend.data / "logs" / job).exists()
        age_blobs(backend)
        # A client that asks for a file is about to send a job with it.
        assert backend.ask("HEAD", f"/v1/blobs/{upload['sha256']}").status_code == 200
        assert clean(backend, "blobs")["blobs"] == len(b"a clip" + b"depth")
        assert backend.ask("HEAD", f"/v1/blobs/{upload['sha256']}").status_code == 200


def test_a_command_at_work_keeps_all_stages(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        job = done(backend, "left")
        backend.ask("POST", f"/v1/jobs/{job}/fetched")
        mark = backend.data / "tmp" / f"{os.getpid()}-command-1"
        mark.touch()
        assert clean(backend)["artifacts"] == 0
        assert str(os.getpid()) in backend.get("/v1/storage")["note"]
        mark.unlink()
        assert clean(backend)["artifacts"] > 0


def test_health_tells_device_and_sizes(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        done(backend, "left")
        health = wait_for(lambda: (now := backend.get("/v1/health"))["storage"] and now)
        assert health["device"]["name"]
        assert health["device"]["memory_total"] >= health["device"]["memory_free"] > 0
        storage = backend.get("/v1/storage")
        assert storage["folder"] == str(backend.data)
        assert 0 < storage["free"] <= storage["total"]
        assert parts(storage)["blobs"]["size"] == len(b"a clip" + b"depth")
        assert parts(storage)["artifacts"]["size"] > 0
        assert set(parts(storage)) == {"blobs", "artifacts", "models", "unfinished", "logs", "other"}


@pytest.mark.parametrize("body", [{}, {"what": []}, {"what": ["models"]}, {"what": ["logs"], "days": -1}])
def test_what_cannot_be_cleaned_is_refused(tmp_path: Path, body: JSON) -> None:
    with serving(tmp_path) as backend:
        assert backend.ask("POST", "/v1/storage/clean", json=body).status_code == 422


@pytest.mark.parametrize("arguments", [(), ("--tls", "--port", "0")])
def test_command_line_with_and_without_a_backend(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    def storage(*more: str) -> JSON:
        command = [sys.executable, "-m", "reangle", "storage", "--data", str(tmp_path / "data"), "--json", *more]
        paths = [*sys.path, str(REPOSITORY / "backend")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
        return json.loads(output.splitlines()[-1])["data"]

    if arguments:
        pytest.importorskip("cryptography")
    with serving(tmp_path, *arguments) as backend:
        job = done(backend, "left")
        backend.ask("POST", f"/v1/jobs/{job}/fetched")
        assert parts(storage())["artifacts"]["size"] > 0
        assert storage("--clean", "artifacts", "--days", "0")["removed"][0]["size"] > 0
        assert artifacts(backend) == set()
        backend.stop()
        age_blobs(backend)
        assert {part["name"] for part in storage("--clean", "all")["removed"]} == set(ALL)
        assert not list((backend.data / "blobs").glob("*/*"))
        backend.start()
