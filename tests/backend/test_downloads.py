# SPDX-License-Identifier: Apache-2.0
"""Downloads as the backend's work: the routes, with the hub's real client and a server that answers like the hub."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import pytest
from reangle.contract import DownloadRequest, Downloads, from_data
from reangle.runtime.file_hashes import FileHashes
from reangle.weights import downloads as downloads_of_the_backend
from reangle.weights.suites import published_parts

from tests.backend.hub_server import Hub
from tests.backend.server_harness import JSON, Backend, alive, serving, wait_for
from tests.backend.test_download import CHUNK, DUST3R, SMALL, WEIGHTS, publishing

TERMS = "CC BY-NC-SA 4.0, not for commercial work"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with publishing(tmp_path / "hub") as served:
        yield served


@contextmanager
def served(hub: Hub, folder: Path, **variables: str) -> Iterator[Backend]:
    environment = {name: "" for name in os.environ if name.startswith(("HF_", "HUGGING"))}
    environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(folder / "hub home"), **variables}
    folder.mkdir(exist_ok=True)
    with serving(folder, environment=environment) as backend:
        yield backend


@pytest.fixture
def backend(hub: Hub, tmp_path: Path) -> Iterator[Backend]:
    with served(hub, tmp_path) as started:
        yield started


def ask(backend: Backend, name: str, *accepted: str, **more: Any) -> tuple[int, Any]:
    answer = backend.ask("POST", "/v1/downloads", json={"name": name, "accepted_licences": accepted, **more})
    return answer.status_code, answer.json()


def status(backend: Backend, name: str = SMALL) -> JSON:
    listed = backend.get("/v1/downloads")["downloads"]
    return next(one for one in listed if one["name"] == name)


def reaches(backend: Backend, *states: str, name: str = SMALL) -> JSON:
    wait_for(lambda: status(backend, name)["state"] in states)
    return status(backend, name)


def half_way(backend: Backend) -> JSON:
    """The download, once the hub waits in the middle of a file and the client has written a part of it."""
    wait_for(lambda: status(backend)["here"] > CHUNK / 2)
    return status(backend)


def process_of(backend: Backend) -> int:
    log = (backend.data / "logs" / "server.log").read_text()
    return int(log.rpartition(f"The download of {SMALL} starts as process ")[2].split()[0])


def ranges(hub: Hub) -> list[str]:
    return [part for method, path, part in hub.requests if method == "GET" and path.endswith(".safetensors")]


def test_weights_come_while_a_job_runs_and_waiting_clients_see_it(hub: Hub, backend: Backend) -> None:
    assert backend.stages is not None
    backend.stages.order("hold-decode")
    job = backend.submit()
    backend.stages.wait_started("decode")
    (before,) = [info for info in depths(backend) if info["name"] == "depth-anything"]
    small = before["weights"][0]
    assert (small["name"], small["installed"], small["page"]) == (SMALL, False, f"https://huggingface.co/{small_hub()}")
    code, (queued,) = ask(backend, SMALL.lower())
    assert (code, queued["name"], queued["licence"], queued["state"]) == (201, SMALL, "Apache-2.0", "queued")
    seen, last = [], 0
    while not seen or seen[-1]["state"] not in ("done", "failed"):
        answer = backend.get(f"/v1/downloads?since={last}&wait=20")
        assert from_data(Downloads, answer).last != last
        seen, last = [*seen, *answer["downloads"]], answer["last"]
    assert (seen[-1]["state"], seen[-1]["error"]) == ("done", None)
    assert seen[-1]["here"] == seen[-1]["size"] > len(WEIGHTS)
    assert [one["here"] for one in seen] == sorted(one["here"] for one in seen)
    assert backend.state(job) == "running", "the download did not wait for the job"
    weights = backend.data / "models" / SMALL / "model.safetensors"
    assert weights.read_bytes() == WEIGHTS
    assert FileHashes(backend.data).known(weights) == hashlib.sha256(WEIGHTS).hexdigest()
    record = json.loads((weights.parent / "downloaded.txt").read_text())
    assert (record["licence"], bool(record["accepted"])) == ("Apache-2.0", True)
    (after,) = [info for info in depths(backend) if info["name"] == "depth-anything"]
    assert (after["available"], after["weights"][0]["installed"]) == (True, True)
    assert ask(backend, SMALL) == (200, [])


def depths(backend: Backend) -> list[JSON]:
    return backend.get("/v1/capabilities")["depth_providers"]


def small_hub() -> str:
    return f"depth-anything/{SMALL}"


def test_a_restricted_licence_must_be_accepted_in_its_own_words(hub: Hub, backend: Backend) -> None:
    for accepted in ((), ("Apache-2.0",)):
        code, refused = ask(backend, DUST3R, *accepted)
        assert code == 422
        assert TERMS in refused["error"]["message"]
        assert f"huggingface.co/naver/{DUST3R}" in refused["error"]["advice"]
    code, refused = ask(backend, DUST3R, TERMS, commercial_only=True)
    assert (code, TERMS in refused["error"]["message"]) == (422, True)
    assert "Commercial Use Only" in refused["error"]["advice"]
    assert not hub.requests
    assert backend.get("/v1/downloads")["downloads"] == []
    assert ask(backend, DUST3R, TERMS)[0] == 201
    assert reaches(backend, "done", "failed", name=DUST3R)["error"] is None
    record = json.loads((backend.data / "models" / DUST3R / "downloaded.txt").read_text())
    assert (record["licence"], bool(record["accepted"])) == (TERMS, True)


def test_a_suite_stands_for_all_its_missing_parts(hub: Hub, backend: Backend) -> None:
    code, refused = ask(backend, "cogvideox-5b", TERMS)
    assert (code, "CogVideoX License" in refused["error"]["message"]) == (422, True)
    assert backend.get("/v1/downloads")["downloads"] == [], "nothing starts before all licences are accepted"
    hub.pauses["model.safetensors"] = CHUNK + 1000
    parts = published_parts("cogvideox-5b")
    code, queued = ask(backend, "cogvideox-5b", *(part.terms for part in parts))
    assert (code, [one["name"] for one in queued]) == (201, [part.name for part in parts])
    assert ask(backend, "mini") == (200, [])
    assert ask(backend, "no such weights")[0] == 422
    first, *rest = queued
    for one in rest:
        assert backend.ask("POST", f"/v1/downloads/{one['name']}/cancel").json()["state"] == "canceled"
    backend.ask("POST", f"/v1/downloads/{first['name']}/cancel")
    reaches(backend, "canceled", name=first["name"])
    assert backend.ask("POST", "/v1/downloads/nothing/cancel").status_code == 404


def test_a_canceled_download_goes_on_where_it_stopped(hub: Hub, backend: Backend) -> None:
    hub.pauses["model.safetensors"] = CHUNK + 1000
    ask(backend, SMALL)
    running = half_way(backend)
    assert (running["state"], running["file"]) == ("running", "model.safetensors")
    assert ask(backend, SMALL) == (200, [running]), "the same request is the same download"
    pid = process_of(backend)
    backend.ask("POST", f"/v1/downloads/{SMALL.lower()}/cancel")
    assert reaches(backend, "canceled", "done", "failed")["state"] == "canceled"
    assert not alive(pid)
    assert not (backend.data / "models" / SMALL).exists()
    hub.pauses.clear()
    hub.requests.clear()
    assert ask(backend, SMALL)[0] == 201
    assert reaches(backend, "done", "failed")["error"] is None
    assert ranges(hub) == [f"bytes={CHUNK}-"]


@pytest.mark.parametrize("end", [Backend.kill, Backend.stop])
def test_a_new_backend_goes_on_with_the_download(hub: Hub, backend: Backend, end: Callable[[Backend], None]) -> None:
    hub.pauses["model.safetensors"] = CHUNK + 1000
    ask(backend, SMALL)
    half_way(backend)
    pid = process_of(backend)
    end(backend)
    hub.pauses.clear()
    hub.requests.clear()
    backend.start()
    assert reaches(backend, "done", "failed")["error"] is None
    assert not alive(pid)
    assert ranges(hub) == [f"bytes={CHUNK}-"]
    backend.stop()
    backend.start()
    assert status(backend)["state"] == "done", "its end is remembered"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("sent", ["SIGKILL", "SIGSTOP"])
def test_a_download_goes_on_after_its_process_was_killed_or_stopped(hub: Hub, tmp_path: Path, sent: str) -> None:
    hub.pauses["model.safetensors"] = CHUNK + 1000
    with served(hub, tmp_path, REANGLE_TEST_LIFELESS="2") as backend:
        ask(backend, SMALL)
        half_way(backend)
        hub.pauses.clear()
        hub.requests.clear()
        pid = process_of(backend)
        os.kill(pid, getattr(signal, sent))
        assert reaches(backend, "done", "failed")["error"] is None
        assert not alive(pid)
        (rest,) = ranges(hub)
        assert 0 < int(rest.removeprefix("bytes=").removesuffix("-")) <= CHUNK

        # One that always ends is given up.
        shutil.rmtree(backend.data / "models" / SMALL)
        hub.pauses["model.safetensors"] = CHUNK + 1000
        killed = {process_of(backend)}
        ask(backend, SMALL)
        while status(backend)["state"] in ("queued", "running"):
            if (pid := process_of(backend)) not in killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
        assert len(killed) == 1 + 3
        error = status(backend)["error"]
        assert "ended 3 times" in error["message"]
        assert "goes on where it stopped" in error["advice"]


def test_failures_say_what_to_do_and_the_next_try_goes_on(hub: Hub, backend: Backend) -> None:
    def fails() -> JSON:
        ask(backend, SMALL)
        return reaches(backend, "failed", "done")["error"]

    hub.gated.add(small_hub())
    assert "HF_TOKEN" in fails()["advice"]
    hub.gated.clear()
    hub.damaged.add("model.safetensors")
    assert "damaged" in fails()["message"]
    hub.damaged.clear()
    hub.cuts["model.safetensors"] = [CHUNK + 1000, *[0] * 20]
    assert "goes on where it stopped" in fails()["advice"]
    hub.cuts.clear()
    with filelock.FileLock(backend.data / "models" / f".{SMALL}.lock"):
        assert "another process" in fails()["message"]
    hub.requests.clear()
    ask(backend, SMALL)
    assert reaches(backend, "done", "failed")["error"] is None
    assert ranges(hub) == [f"bytes={CHUNK}-"]


def test_a_full_disk_and_no_network_are_named(hub: Hub, tmp_path: Path) -> None:
    hub.sizes["model.safetensors"] = 10**18
    with served(hub, tmp_path / "full") as backend:
        ask(backend, SMALL)
        error = reaches(backend, "failed", "done")["error"]
        assert "have yet to come" in error["message"]
        assert "Free some space" in error["advice"]
    hub.url = "http://127.0.0.1:9"
    with served(hub, tmp_path / "away") as backend:
        ask(backend, SMALL)
        assert "Check the network" in reaches(backend, "failed", "done")["error"]["advice"]


def test_a_job_without_weights_downloads_nothing(hub: Hub, backend: Backend) -> None:
    request = {**backend.request(), "geometry": {"depth": "depth-anything"}}
    answer = backend.ask("POST", "/v1/jobs", json=request)
    assert (answer.status_code, SMALL in answer.json()["error"]["message"]) == (422, True)
    assert not hub.requests


def test_queued_downloads_keep_the_backend_and_a_cancel_is_remembered(tmp_path: Path) -> None:
    downloads = downloads_of_the_backend.Downloads(tmp_path)
    downloads.request(DownloadRequest(SMALL))
    downloads.request(DownloadRequest("DA3-SMALL"))
    assert downloads.active() == 2, "a backend whose Blender is closed waits for them"
    downloads.cancel(SMALL)
    assert downloads.active() == 1
    # A backend that was killed between the cancel of a running one and its end.
    file = tmp_path / "downloads" / "DA3-SMALL.json"
    record = json.loads(file.read_text())
    file.write_text(json.dumps({**record, "status": {**record["status"], "state": "running"}, "canceled": True}))
    (file.parent / "damaged.json").write_text("{")
    later = downloads_of_the_backend.Downloads(tmp_path)
    later.start()
    assert [(one.name, one.state) for one in later.now().downloads] == [(SMALL, "canceled"), ("DA3-SMALL", "canceled")]
    later.stop()
