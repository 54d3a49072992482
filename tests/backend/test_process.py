# SPDX-License-Identifier: Apache-2.0
"""Stage processes that do not end, and what they write to standard error."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from reangle.runtime import process as module
from reangle.runtime.process import StageProcess

from tests.backend.server_harness import wait_for


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[StageProcess]:
    """A stage process that waits for its work; waits in the code under test are short."""
    monkeypatch.setattr(module, "GRACE_S", 0.2)
    monkeypatch.setattr(module, "SEARCH_S", 1.0)
    stage = StageProcess()
    kill = psutil.Process(stage._popen.pid).kill
    yield stage
    monkeypatch.undo()
    with suppress(psutil.Error):
        kill()


def test_a_process_that_survives_every_signal_is_left_behind(
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
def test_a_search_that_blocks_does_not_keep_the_process(stage: StageProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    # /proc/PID/environ blocks while a hanging driver holds the process's memory map.
    released = threading.Event()
    monkeypatch.setattr(psutil.Process, "environ", lambda _: released.wait(60) and {})
    started = time.monotonic()
    assert stage.end() is False
    assert time.monotonic() - started < 10
    assert stage.exit_code == -signal.SIGKILL
    released.set()


def test_long_lines_are_cut_and_of_a_progress_bar_the_last_state_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "writer.py").write_text(
        r"import sys; sys.stderr.write('\r10%\r20%\n' + 'x' * 20000 + '\nlast\n')", encoding="utf-8"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(module, "MODULE", "writer")
    lines: list[str] = []
    stage = StageProcess(lines.append)
    wait_for(lambda: "last" in lines)
    assert stage.end() is True
    assert lines[0] == "20%"
    assert [len(line) for line in lines[1:-1]] == [8192, 8192, 20000 - 2 * 8192]
    assert stage.errors().endswith("last\n")
    assert max(map(len, stage.errors().splitlines())) == 1000
