# SPDX-License-Identifier: Apache-2.0
"""The list of all jobs, retry, deletion, why a job waits, and one estimate."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.backend.server_harness import RUNS, Backend, camera, serving, wait_for

PATHS = [camera("left"), camera("right", 0.5)]
UNKNOWN = "0" * 32


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    with serving(tmp_path) as backend:
        yield backend


def retry(backend: Backend, job: str, **more: Any) -> str:
    new = uuid.uuid4().hex
    answer = backend.ask("POST", f"/v1/jobs/{job}/retry", json={"id": new, **more})
    assert answer.status_code == 201, answer.text
    again = backend.ask("POST", f"/v1/jobs/{job}/retry", json={"id": new, **more})
    assert again.status_code == 200, "sent twice is one job"
    return new


def artifacts(backend: Backend) -> set[str]:
    return {folder.name for folder in (backend.data / "artifacts").glob("*/*")}


def keys_of(backend: Backend, job: str) -> set[str]:
    with closing(sqlite3.connect(backend.data / "jobs.sqlite")) as database:
        return {key for (key,) in database.execute("SELECT key FROM job_stages WHERE job = ?", (job,))}


def test_retry_reuses_finished_stages_and_a_seed_replaces_that_of_the_request(backend: Backend) -> None:
    assert backend.stages
    backend.stages.order("raise-deliver")
    first = backend.submit("left", title="Beach")
    assert backend.finish(first)["state"] == "failed"
    backend.stages.release("raise-deliver")
    again, seeded = retry(backend, first), retry(backend, first, seed=7)
    assert backend.finish(again)["state"] == backend.finish(seeded)["state"] == "done"
    runs = [start["run"] for start in backend.stages.started()]
    assert [runs.count(run) for run in RUNS[:5]] == [1] * 5
    requests = {job: backend.get(f"/v1/jobs/{job}/request") for job in (first, again, seeded)}
    assert {**requests[again], "id": first} == requests[first]
    assert {**requests[seeded], "id": first, "seed": requests[first]["seed"]} == requests[first]
    assert requests[seeded]["seed"] == 7
    for method, path in (("POST", f"/v1/jobs/{UNKNOWN}/retry"), ("GET", f"/v1/jobs/{UNKNOWN}/request")):
        body = {"json": {"id": uuid.uuid4().hex}} if method == "POST" else {}
        assert backend.ask(method, path, **body).status_code == 404


def test_delete_takes_what_no_other_job_needs(backend: Backend) -> None:
    left, right = backend.submit("left"), backend.submit(paths=PATHS)
    other = backend.submit("left", clip=b"another")
    for job in (left, right, other):
        assert backend.finish(job)["state"] == "done"
    own = {job: keys_of(backend, job) for job in (left, right, other)}
    assert own[left] < own[right]
    before = artifacts(backend)
    assert before == own[left] | own[right] | own[other]
    deleted = backend.ask("DELETE", f"/v1/jobs/{left}").json()
    assert (deleted["artifacts"], artifacts(backend)) == (0, before)
    deleted = backend.ask("DELETE", f"/v1/jobs/{right}").json()
    assert deleted["artifacts"] == len(own[right] - own[other]) > 0
    assert deleted["size"] > 0
    assert artifacts(backend) == own[other]
    assert backend.ask("DELETE", f"/v1/jobs/{right}").status_code == 404
    assert [job["id"] for job in backend.get("/v1/jobs")] == [other]
    assert backend.ask("GET", f"/v1/jobs/{right}/events").status_code == 404
    assert not list((backend.data / "logs" / right).glob("*"))
    assert backend.get(f"/v1/jobs/{other}/results")
    # What was deleted is made again from the uploaded files.
    assert backend.finish(backend.submit("right"))["state"] == "done"


def test_delete_keeps_what_jobs_of_an_older_version_and_queued_ones_need(backend: Backend) -> None:
    assert backend.stages
    older, newer = backend.submit("left"), backend.submit(paths=PATHS)
    assert backend.finish(older)["state"] == backend.finish(newer)["state"] == "done"
    backend.stop()
    with closing(sqlite3.connect(backend.data / "jobs.sqlite")) as database:
        database.execute("DELETE FROM job_stages WHERE job = ?", (older,))
        database.commit()
    kept = keys_of(backend, newer) - {""}
    backend.stages.order("hold-decode")
    backend.start()
    runs = backend.submit(clip=b"another")
    queued = backend.submit(paths=PATHS[1:])
    backend.stages.wait_started("decode", 2)
    assert backend.ask("DELETE", f"/v1/jobs/{newer}").json()["artifacts"] == 0, "the other two need all of it"
    assert artifacts(backend) == kept
    assert backend.ask("DELETE", f"/v1/jobs/{queued}").json()["artifacts"] == 3, "warp, fill and result of right"
    assert backend.ask("DELETE", f"/v1/jobs/{older}").json()["artifacts"] == len(kept) - 3
    assert artifacts(backend) == set()
    backend.stages.release("hold-decode")
    assert backend.finish(runs)["state"] == "done"


def test_delete_cancels_a_running_job_first(backend: Backend) -> None:
    assert backend.stages
    backend.stages.order("hold-geometry")
    job = backend.submit("left")
    stage = backend.stages.wait_started("geometry")
    deleted = backend.ask("DELETE", f"/v1/jobs/{job}")
    assert deleted.status_code == 200, deleted.text
    assert backend.get("/v1/jobs") == []
    assert artifacts(backend) == set()
    assert not list((backend.data / "tmp").iterdir())
    assert stage["pid"]
    backend.stages.release("hold-geometry")
    assert backend.finish(backend.submit("left"))["state"] == "done"


def test_a_queued_job_says_what_it_waits_for(backend: Backend) -> None:
    assert backend.stages
    backend.stages.order("hold-geometry")
    running = backend.submit("left", title="Beach")
    backend.stages.wait_started("geometry")
    second = backend.submit("left", title="Harbour", clip=b"another")
    third = backend.submit("left", "right", title="Street", engine="reangle", clip=b"third")
    listed = {job["id"]: job for job in backend.get("/v1/queue")["jobs"]}
    assert listed == {job: backend.get(f"/v1/jobs/{job}") for job in (running, second, third)}
    assert (listed[second]["position"], listed[second]["behind"]) == (1, "Beach")
    assert (listed[third]["position"], listed[third]["behind"]) == (2, "Harbour")
    assert listed[third]["wait_s"] == pytest.approx(listed[second]["wait_s"] + listed[second]["eta_s"])
    assert (listed[third]["cameras"], listed[third]["engine"], listed[third]["clip"]) == (2, "reangle", "clip.mp4")
    assert listed[third]["takes_seed"]
    assert not listed[second]["takes_seed"]
    assert (listed[running]["position"], listed[running]["behind"]) == (0, "")
    backend.ask("POST", f"/v1/jobs/{second}/cancel")
    now = backend.get(f"/v1/jobs/{third}")
    assert (now["position"], now["behind"]) == (1, "Beach")


def test_the_list_is_answered_when_it_changes(backend: Backend) -> None:
    empty = backend.get("/v1/queue")
    assert empty["jobs"] == []
    assert backend.get(f"/v1/queue?since={empty['last']}&wait=0.2") == empty
    job = backend.submit("left")
    changed = backend.get(f"/v1/queue?since={empty['last']}&wait=20")
    assert [one["id"] for one in changed["jobs"]] == [job]
    backend.finish(job)
    ended = wait_for(lambda: now if (now := backend.get("/v1/queue"))["jobs"][0]["state"] == "done" else None)
    backend.stop()
    backend.start()
    assert backend.get("/v1/queue") == ended, "the number holds for another backend on the same folder"


def ask_estimate(backend: Backend, request: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = backend.ask("POST", "/v1/estimate", json={"request": request, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_estimate_is_the_first_time_left_of_the_job(backend: Backend) -> None:
    request = backend.request("left", clip=b"estimated")
    before = ask_estimate(backend, request, frames=5, width=64, height=48)
    assert before["seconds"] > 0
    assert not before["guessed"]
    assert sum(stage["seconds"] for stage in before["stages"]) == pytest.approx(before["seconds"], abs=0.5)
    assert ask_estimate(backend, request)["guessed"]
    sized = backend.request("left", clip=b"sized")
    sized["clip"] |= {"frames": 2, "width": 48, "height": 32}
    for job in (
        sized,
        {**sized, "id": uuid.uuid4().hex, "paths": [*sized["paths"], {**sized["paths"][0], "name": "b"}]},
    ):
        told = ask_estimate(backend, job)
        assert backend.ask("POST", "/v1/jobs", json=job).status_code == 201
        assert backend.finish(job["id"])["state"] == "done"
        first = next(event["eta_s"] for event in backend.events(job["id"]) if event["type"] == "stage")
        assert first == pytest.approx(told["seconds"], abs=0.2)
    assert [stage["stage"] for stage in told["stages"] if not stage["cached"]] == ["Deliver b"]
    assert ask_estimate(backend, job)["seconds"] == 0


def test_the_time_left_is_unknown_until_the_size_of_the_clip_is(backend: Backend) -> None:
    job = backend.submit("left")
    backend.finish(job)
    stages = [event for event in backend.events(job) if event["type"] == "stage"]
    assert stages[0]["eta_s"] is None
    assert stages[1]["eta_s"] > 0


def test_capabilities_have_the_recipe_of_each_suite(backend: Backend) -> None:
    suites = {suite["name"]: suite for suite in backend.get("/v1/capabilities")["suites"]}
    recipes = {name: {one["name"]: one["value"] for one in suite["recipe"]} for name, suite in suites.items()}
    assert recipes["auto"] == {}
    assert (recipes["mini"]["rank"], recipes["wan2.2-5b"]["rank"]) == (32, 128)
    optional = {
        setting["name"]
        for group in json.loads(backend.ask("GET", "/v1/capabilities").text)["settings"]
        if group["name"] == "reangle"
        for setting in group["settings"]
        if setting["optional"]
    }
    assert set(recipes["mini"]) == optional
