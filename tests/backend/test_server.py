# SPDX-License-Identifier: Apache-2.0
"""The HTTP interface of the backend: start, upload, submit, follow, download, stop."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from reangle.contract import CONTRACT_VERSION

from tests.backend.server_harness import (
    JSON,
    PATIENCE_S,
    REPOSITORY,
    RUNS,
    Backend,
    Stages,
    alive,
    camera,
    serving,
    wait_for,
)


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with serving(tmp_path_factory.mktemp("server")) as backend:
        yield backend


def stages_of(backend: Backend) -> Stages:
    assert backend.stages is not None
    return backend.stages


def test_starts_without_torch_within_three_seconds(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from reangle.api import serve\n"
        "class Stop(Exception): pass\n"
        "def stop(self, sockets=None): raise Stop\n"
        "serve._Server.run = stop\n"
        "try: serve.main(Path(sys.argv[1]))\n"
        "except Stop: print(sorted({'torch', 'cv2', 'av', 'numba', 'diffusers', 'transformers'} & set(sys.modules)))\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert finished.stdout.strip() == "[]"
    started = time.monotonic()
    with serving(tmp_path) as backend:
        assert backend.get("/v1/health")["contract"] == CONTRACT_VERSION
        # The promise of three seconds is for an idle machine; this one may be busy.
        assert time.monotonic() - started < 15


def test_job_from_upload_to_results(backend: Backend) -> None:
    job = backend.submit("left", "right", title="Straße")
    assert backend.finish(job)["progress"] == 1
    status = backend.get(f"/v1/jobs/{job}")
    assert (status["state"], status["title"], status["error"], status["eta_s"]) == ("done", "Straße", None, None)
    results = {result["name"]: result["files"] for result in backend.get(f"/v1/jobs/{job}/results")}
    assert list(results) == ["source", "camera", "geometry", "cameras/left", "cameras/right"]
    for name, files in results.items():
        for file in files:
            answer = backend.ask("GET", f"/v1/jobs/{job}/files/{name}/{file['path']}")
            assert answer.status_code == 200
            assert hashlib.sha256(answer.content).hexdigest() == file["sha256"]
            assert len(answer.content) == file["size"]
    events = backend.events(job)
    assert [event["n"] for event in events] == list(range(1, len(events) + 1))
    assert [event["state"] for event in events if event["type"] == "state"] == ["queued", "running", "done"]
    assert [event["name"] for event in events if event["type"] == "result"] == list(results)
    assert backend.events(job, since=5) == events[5:]
    assert backend.get("/v1/jobs")[0]["id"] == job


def test_another_camera_runs_only_what_depends_on_it(backend: Backend) -> None:
    stages = stages_of(backend)
    clip = b"cached"
    backend.finish(backend.submit("left", clip=clip))
    before = len(stages.started())
    backend.finish(backend.submit("left", clip=clip))
    assert len(stages.started()) == before
    request = backend.request("left", clip=clip)
    request["paths"].append(camera("moved", x=0.5))
    assert backend.ask("POST", "/v1/jobs", json=request).status_code == 201
    backend.finish(request["id"])
    assert [start["run"] for start in stages.started()[before:]] == ["warp", "fill", "deliver"]
    cached = [event["stage"] for event in backend.events(request["id"]) if event.get("cached")]
    assert cached == ["Decode", "Camera", "Geometry", "Warp left", "Fill left", "Deliver left"]


def test_submitting_twice_gives_one_job(backend: Backend) -> None:
    request = backend.request()
    first, second = (backend.ask("POST", "/v1/jobs", json=request) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    other = backend.ask("POST", "/v1/jobs", json=request | {"seed": 7})
    assert other.status_code == 409
    assert other.json()["error"]["advice"]
    assert [job["id"] for job in backend.get("/v1/jobs")].count(request["id"]) == 1


def test_missing_files_are_named_and_no_job_is_created(backend: Backend) -> None:
    request = backend.request()
    absent = {"name": "absent.mp4", "sha256": "ab" * 32, "size": 1}
    answer = backend.ask("POST", "/v1/jobs", json=request | {"clip": {"files": [absent]}})
    assert answer.status_code == 422
    assert answer.json()["missing"] == ["ab" * 32]
    assert "absent.mp4" in answer.json()["error"]["message"]
    assert backend.ask("GET", f"/v1/jobs/{request['id']}").status_code == 404


def test_uploads_are_verified_and_known_ones_skipped(backend: Backend) -> None:
    content = b"x" * (3 << 20)
    digest = hashlib.sha256(content).hexdigest()
    assert backend.ask("HEAD", f"/v1/blobs/{digest}").status_code == 404
    wrong = backend.ask("PUT", f"/v1/blobs/{digest}", data=content[:-1])
    assert wrong.status_code == 422
    assert "SHA-256" in wrong.json()["error"]["message"]
    assert backend.ask("HEAD", f"/v1/blobs/{digest}").status_code == 404
    assert not list((backend.data / "tmp").iterdir())
    pieces = (content[at : at + 100_000] for at in range(0, len(content), 100_000))
    assert backend.ask("PUT", f"/v1/blobs/{digest}", data=pieces).status_code == 201
    assert backend.ask("HEAD", f"/v1/blobs/{digest}").status_code == 200
    assert backend.ask("PUT", f"/v1/blobs/{digest}", data=content).status_code == 200


def test_waiting_for_events_ends_with_the_next_event(backend: Backend) -> None:
    stages = stages_of(backend)
    stages.order("hold-decode")
    job = backend.submit(clip=b"waited for")
    stages.wait_started("decode", len(stages.started("decode")))
    wait_for(lambda: any(event["type"] == "progress" for event in backend.events(job)))
    last = backend.events(job)[-1]["n"]
    released: list[float] = []

    def release() -> None:
        released.append(time.monotonic())
        stages.release("hold-decode")

    timer = threading.Timer(0.5, release)
    timer.start()
    while True:
        answer = backend.get(f"/v1/jobs/{job}/events?since={last}&wait=20")
        assert answer["events"][0]["n"] == last + 1
        last = answer["last"]
        if any(event["type"] == "result" for event in answer["events"]):
            break
    assert time.monotonic() - released[0] < 15
    started = time.monotonic()
    backend.finish(job)
    last = backend.events(job)[-1]["n"]
    assert backend.get(f"/v1/jobs/{job}/events?since={last}&wait=0.3") == {"events": [], "last": last}
    assert time.monotonic() - started >= 0.3


def test_progress_is_reported_at_most_five_times_a_second(backend: Backend) -> None:
    stages = stages_of(backend)
    stages.order("hold-decode")
    request = backend.request(clip=b"measured")
    request["clip"] |= {"frames": 2, "width": 48, "height": 32}  # else the time left is known only after decode
    job = request["id"]
    assert backend.ask("POST", "/v1/jobs", json=request).status_code == 201

    def reported() -> list[JSON]:
        return [event for event in backend.events(job) if event["type"] == "progress" and event["stage"] == "Decode"]

    wait_for(lambda: len(reported()) >= 6)
    stages.release("hold-decode")
    backend.finish(job)
    events = reported()
    gaps = [later["time"] - earlier["time"] for earlier, later in itertools.pairwise(events)]
    assert min(gaps) > 0.15
    assert [event["progress"] for event in events] == sorted(event["progress"] for event in events)
    assert events[-1]["eta_s"] > 0
    assert backend.get(f"/v1/jobs/{job}")["notes"] == ["note of decode"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"world_from_camera": [[[float("nan"), 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]] * 2}, "frame 0"),
        ({"K": [[[50, 0, 24], [0, 50, 16], [0, 0, 1]], [[float("inf"), 0, 2], [0, 5, 1], [0, 0, 1]]]}, "frame 1"),
        ({"K": [[[50, 0, 24], [0, 50, 16], [0, 0, 1]], [[0, 0, 24], [0, 50, 16], [0, 0, 1]]]}, "frame 1"),
        ({"K": [[[-1, 0, 24], [0, 50, 16], [0, 0, 1]]] * 2}, "frame 0"),
        ({"world_from_camera": [[[-1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]] * 2}, "mirrored"),
        ({"world_from_camera": [[[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]] * 2}, "frame 0"),
        ({"frames": [], "world_from_camera": [], "K": []}, "frames"),
        ({"frames": [0]}, "equal"),
        ({"fps": float("nan")}, "fps"),
        ({"name": "CON"}, "Windows"),
        ({"name": "a/b"}, "file name"),
        ({"name": "long" * 100}, "longer"),
    ],
)
def test_bad_cameras_are_refused_with_advice(backend: Backend, change: dict, words: str) -> None:
    request = backend.request() | {"paths": [camera("fine"), camera() | change]}
    answer = backend.ask("POST", "/v1/jobs", data=json.dumps(request), headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert words in error["message"]
    assert error["advice"]
    assert backend.ask("GET", f"/v1/jobs/{request['id']}").status_code == 404


@pytest.mark.parametrize(
    ("contract", "advice"),
    [(CONTRACT_VERSION - 3, "Update the Reangle add-on"), (CONTRACT_VERSION + 1, "Update the backend")],
)
def test_other_contract_version_is_refused_with_advice(backend: Backend, contract: int, advice: str) -> None:
    answer = backend.ask("POST", "/v1/jobs", json=backend.request() | {"contract": contract})
    assert answer.status_code == 422
    assert "contract" in answer.json()["error"]["message"]
    assert advice in answer.json()["error"]["advice"]


def test_names_in_all_writing_systems_are_accepted(backend: Backend) -> None:
    name = "Kamera 1 – é 日本 #%2e&"
    job = backend.submit(name, clip=b"names", title="ü" * 200)
    assert backend.finish(job)["state"] == "done"
    assert backend.get(f"/v1/jobs/{job}/results")[3]["name"] == f"cameras/{name}"
    path = f"/v1/jobs/{job}/files/cameras/{quote(name)}/frames/000001.png"
    assert b"deliver" in backend.ask("GET", path).content


def test_data_folder_in_all_writing_systems(tmp_path: Path) -> None:
    folder = tmp_path / "Daten – é 日本 'x'"
    folder.mkdir()
    with serving(folder) as backend:
        assert backend.finish(backend.submit("left"))["state"] == "done"


def test_openapi_describes_the_contract(backend: Backend) -> None:
    document = backend.get("/openapi.json")
    assert document["security"] == [{"token": []}]
    routes = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    assert routes == {
        "GET /v1/health",
        "GET /v1/storage",
        "POST /v1/storage/clean",
        "POST /v1/jobs/{job_id}/fetched",
        "GET /v1/capabilities",
        "HEAD /v1/blobs/{sha256}",
        "PUT /v1/blobs/{sha256}",
        "POST /v1/jobs",
        "GET /v1/jobs",
        "GET /v1/queue",
        "POST /v1/jobs/{job_id}/coverage",
        "POST /v1/jobs/{job_id}/picture",
        "GET /v1/jobs/{job_id}/request",
        "POST /v1/jobs/{job_id}/retry",
        "DELETE /v1/jobs/{job_id}",
        "POST /v1/estimate",
        "GET /v1/jobs/{job_id}",
        "GET /v1/jobs/{job_id}/events",
        "POST /v1/jobs/{job_id}/cancel",
        "GET /v1/jobs/{job_id}/results",
        "GET /v1/jobs/{job_id}/files/{name}",
        "GET /v1/jobs/{job_id}/logs",
        "GET /v1/jobs/{job_id}/logs/{stage}",
        "GET /v1/downloads",
        "POST /v1/downloads",
        "POST /v1/downloads/{name}/cancel",
        "POST /v1/shutdown",
    }
    submit = document["paths"]["/v1/jobs"]["post"]
    assert submit["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/JobRequest")
    assert {"200", "201", "401", "403", "409", "413", "422"} <= set(submit["responses"])
    schemas = document["components"]["schemas"]
    assert schemas["JobRequest"]["required"] == ["id", "clip", "geometry"]
    rank = schemas["ReangleSettings"]["properties"]["rank"]["anyOf"][0]
    assert (rank["type"], rank["minimum"], rank["maximum"], rank["title"]) == ("integer", 1, 1024, "Rank")
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert references <= set(schemas)
    for path in ("/docs", "/redoc", "/v1/nothing"):
        answer = backend.ask("GET", path)
        assert answer.status_code == 404
        assert answer.json()["error"]["advice"]


def test_shutdown_ends_backend_and_stage_and_a_restart_continues_the_job(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        stages = stages_of(backend)
        stages.order("hold-geometry")
        job = backend.submit("left")
        worker = stages.wait_started("geometry")["pid"]
        received: list[object] = []
        address = f"/v1/jobs/{job}/events?since=9999&wait=20"
        waiting = threading.Thread(target=lambda: received.append(backend.get(address)))
        waiting.start()
        time.sleep(0.2)
        assert backend.ask("POST", "/v1/shutdown").status_code == 202
        assert backend.process.wait(timeout=PATIENCE_S) == 0
        waiting.join()
        assert received == [{"events": [], "last": 9999}]
        assert not (backend.data / "server.json").exists()
        assert not alive(worker)
        stages.release("hold-geometry")
        backend.start()
        assert backend.finish(job)["state"] == "done"
        assert [start["run"] for start in stages.started()] == ["decode", "camera", "geometry", *RUNS[2:]]
        backend.process.terminate()
        assert backend.process.wait(timeout=PATIENCE_S) == 0
