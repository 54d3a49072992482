# SPDX-License-Identifier: Apache-2.0
"""`reangle jobs` and `reangle logs`, with a running backend, after a crash, and without jobs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backend.server_harness import Backend, serving, wait_for


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with serving(tmp_path_factory.mktemp("server")) as backend:
        yield backend


def reangle(*arguments: str, data: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "reangle", *arguments, "--data", str(data)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_jobs_and_logs_are_read_with_and_without_the_backend(backend: Backend) -> None:
    assert backend.stages is not None
    job = backend.submit("left", title="Straße\n2")
    assert backend.finish(job)["state"] == "done"
    backend.stages.order("raise-geometry")
    failed = backend.submit("left", clip=b"another", depth=b"other")
    backend.finish(failed)
    for _ in ("running", "killed"):
        listed = json.loads(reangle("jobs", "--json", data=backend.data).stdout)["data"]
        assert [(row["id"], row["state"], row["progress"]) for row in listed][1] == (job, "done", 1.0)
        assert listed[0]["state"] == "failed"
        assert 0 <= listed[1]["age_s"] < 600
        assert {"stage", "title"} <= listed[1].keys()
        table = reangle("jobs", data=backend.data).stdout.splitlines()
        assert [line.split()[:2] for line in table] == [["JOB", "STATE"], [failed[:8], "failed"], [job[:8], "done"]]
        logged = reangle("logs", job[:8], data=backend.data)
        assert logged.returncode == 0
        assert all(f" {job[:8]} " in line for line in logged.stdout.splitlines())
        stages = [log["stage"] for log in backend_logs(backend.data, job)]
        assert [stage.split("-")[0] for stage in stages] == ["decode", "camera", "geometry", "warp", "fill", "deliver"]
        one = reangle("logs", job, "--stage", "warp left", data=backend.data).stdout
        assert one
        assert all(f"{job[:8]} warp left " in line for line in one.splitlines())
        assert "the first line" in reangle("logs", failed[:6], "--stage", "geometry", data=backend.data).stdout
        backend.kill()


def backend_logs(data: Path, job: str) -> list[dict]:
    lines = [json.loads(line)["data"] for line in reangle("logs", job, "--json", data=data).stdout.splitlines()]
    return [{"stage": stage} for stage in dict.fromkeys(line["stage"] for line in lines)]


def test_follow_prints_new_lines_until_the_job_ends(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        assert backend.stages is not None
        backend.stages.order("hold-geometry")
        job = backend.submit("left")
        backend.stages.wait_started("geometry")
        command = [sys.executable, "-m", "reangle", "logs", job, "--follow", "--data", str(backend.data)]
        following = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert following.stdout is not None
        assert " decode " in following.stdout.readline()
        backend.stages.release("hold-geometry")
        backend.finish(job)
        rest = following.stdout.read()
        assert following.wait(timeout=30) == 0
        assert " deliver left " in rest
        assert rest.rstrip().splitlines()[-1].endswith(" s")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["xyz"], "no job"), ([""], "jobs start with"), (["@", "--stage", "absent"], "no log")],
)
def test_unknown_and_ambiguous_names_are_refused(tmp_path: Path, arguments: list[str], words: str) -> None:
    with serving(tmp_path) as backend:
        jobs = [backend.submit("left", clip=bytes([number])) for number in range(2)]
        for job in jobs:
            backend.finish(job)
        names = [jobs[0] if argument == "@" else argument for argument in arguments]
        refused = reangle("logs", *names, data=backend.data)
        assert refused.returncode == 2
        assert words in refused.stderr


def test_a_data_folder_without_jobs(tmp_path: Path) -> None:
    assert json.loads(reangle("jobs", "--json", data=tmp_path).stdout)["data"] == []
    assert reangle("logs", "ab", data=tmp_path).returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_clients_read_logs_over_http(backend: Backend) -> None:
    if backend.process.poll() is not None:
        backend.start()
    job = backend.submit("left", clip=b"http")
    backend.finish(job)
    logs = wait_for(lambda: backend.get(f"/v1/jobs/{job}/logs"))
    assert {"decode", "geometry"} < {log["stage"] for log in logs}
    text = backend.ask("GET", f"/v1/jobs/{job}/logs/decode").text
    assert "starts" in text
    assert len(backend.ask("GET", f"/v1/jobs/{job}/logs/decode?limit=150").content) <= 150
    assert backend.ask("GET", f"/v1/jobs/{job}/logs/absent").status_code == 404
    assert backend.ask("GET", f"/v1/jobs/{'0' * 32}/logs").status_code == 404
