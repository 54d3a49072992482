# SPDX-License-Identifier: Apache-2.0
"""Stage processes that do not end, and their standard error."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from reangle.contract import Clip, FileRef, GeometrySettings, JobRequest
from reangle.engines.plan import plan_job
from reangle.runtime import process as module
from reangle.runtime.database import JobDatabase
from reangle.runtime.process import StageProcess
from reangle.runtime.store import Store
from reangle.runtime.supervisor import Supervisor
from reangle.weights.installed import InstalledWeights

from tests.backend.server_harness import REPOSITORY, Stages, alive, wait_for


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[StageProcess]:
    """A stage process that waits for its work; timeouts of the code under test are short."""
    monkeypatch.setattr(module, "GRACE_S", 0.2)
    monkeypatch.setattr(module, "SEARCH_S", 1.0)
    stage = StageProcess()
    kill = psutil.Process(stage._popen.pid).kill
    yield stage
    monkeypatch.undo()
    with suppress(psutil.Error):
        kill()


def test_process_that_survives_every_signal_is_abandoned(
    stage: StageProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # As in uninterruptible sleep, where signals wait until the driver returns.
    monkeypatch.setattr(psutil.Process, "terminate", lambda _: None)
    monkeypatch.setattr(psutil.Process, "kill", lambda _: None)
    started = time.monotonic()
    assert stage.end() is False
    assert time.monotonic() - started < 10
    assert "left behind" in caplog.text
    assert stage.exit_code is None


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_blocked_search_does_not_delay_the_end_of_the_process(
    stage: StageProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    # /proc/PID/environ blocks while a hanging driver holds the process's memory map.
    released = threading.Event()
    monkeypatch.setattr(psutil.Process, "environ", lambda _: released.wait(60) and {})
    started = time.monotonic()
    assert stage.end() is False
    assert time.monotonic() - started < 10
    assert stage.exit_code == -signal.SIGKILL
    released.set()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_process_is_ended_without_a_free_file_descriptor(stage: StageProcess) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert alive(stage.pid)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        ended = stage.end()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert stage.exit_code is not None
    assert not ended  # what it may have started could not be searched


def test_long_lines_are_cut_and_progress_bars_keep_their_last_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "writer.py").write_text(
        r"import sys; sys.stderr.write('\r10%\r20%\n' + 'x' * 20000 + '\nlast\n')", encoding="utf-8"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    lines: list[str] = []
    stage = StageProcess(lines.append, module="writer")
    wait_for(lambda: "last" in lines)
    assert stage.end() is True
    assert lines[0] == "20%"
    assert [len(line) for line in lines[1:-1]] == [8192, 8192, 20000 - 2 * 8192]
    assert stage.errors().endswith("last\n")
    assert max(map(len, stage.errors().splitlines())) == 1000


def test_queue_continues_after_a_process_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stages = Stages(tmp_path / "stages")
    paths = (REPOSITORY, REPOSITORY / "backend", REPOSITORY / "tests" / "backend" / "slow_stages")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, paths)))
    monkeypatch.setenv("REANGLE_TEST_STAGES", str(stages.folder))
    monkeypatch.setattr(module, "GRACE_S", 0.2)
    data = tmp_path / "data"
    store, database = Store(data), JobDatabase(data / "jobs.sqlite")
    supervisor = Supervisor(database, store, plan_job, InstalledWeights(data))
    supervisor.start()
    stages.order("hold-decode")
    first, second = (job_request(store, name) for name in (b"first", b"second"))
    with monkeypatch.context() as patch:
        patch.setattr(psutil.Process, "terminate", lambda _: None)
        patch.setattr(psutil.Process, "kill", lambda _: None)
        supervisor.submit(first)
        left_behind = stages.wait_started("decode")["pid"]
        supervisor.cancel(first.id)
        wait_for(lambda: database.status(first.id).state == "canceled")  # type: ignore[union-attr]
        assert first.id in database.stage_runs()
        assert alive(left_behind)
    supervisor.submit(second)
    assert stages.wait_started("decode", 2)["pid"] != left_behind
    supervisor.stop()
    # The next backend tries again.
    database.close()
    database = JobDatabase(data / "jobs.sqlite")
    supervisor = Supervisor(database, store, plan_job, InstalledWeights(data))
    stages.release("hold-decode")
    supervisor.start()
    assert not alive(left_behind)
    wait_for(lambda: database.status(second.id).state == "done")  # type: ignore[union-attr]
    supervisor.stop()
    database.close()


def job_request(store: Store, clip: bytes) -> JobRequest:
    sha256 = hashlib.sha256(clip).hexdigest()
    store.receive(sha256, [clip])
    file = FileRef(name="clip.mp4", sha256=sha256, size=len(clip))
    geometry = GeometrySettings(camera="files", depth="files", files=(replace(file, name="depth.npz"),))
    return JobRequest(id=uuid.uuid4().hex, clip=Clip(files=(file,)), geometry=geometry)
