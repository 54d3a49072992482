# SPDX-License-Identifier: Apache-2.0
"""A stage that reports nothing is named in the log with its stack, and continues."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from reangle.runtime.stall import Silence, duration

from tests.backend.server_harness import alive, serving, wait_for


def test_stall_is_reported_once() -> None:
    now = 0.0
    silence = Silence(300, lambda: now)
    named = []
    for now in range(0, 1000, 10):  # noqa: B007
        named.append(silence.is_new())
    assert named.index(True) == 30
    assert sum(named) == 1
    silence.reported()
    now += 299
    assert not silence.is_new()
    now += 1
    assert silence.is_new()
    assert (duration(300), duration(900), duration(45)) == ("5 minutes", "15 minutes", "45 seconds")


def test_the_stack_is_written_while_the_interpreter_is_blocked() -> None:
    code = (
        "import ctypes, sys; from reangle.runtime.stall import StackDump\n"
        "dump = StackDump(0.4)\n"
        "def hanging(): ctypes.PyDLL(None).usleep(1_500_000)\n"  # holds the interpreter's lock
        "for _ in range(3): dump.reported(); ctypes.PyDLL(None).usleep(250_000); dump.reported()\n"
        "hanging()"
    )
    if sys.platform == "win32":
        pytest.skip("needs usleep")
    written = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
    assert written.count("most recent call first") == 1
    assert "in hanging" in written


def test_stalled_stage_is_reported_with_its_stack_continues_and_can_be_canceled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REANGLE_TEST_SILENCE", "geometry:1.5")
    with serving(tmp_path) as backend:
        assert backend.stages is not None
        backend.stages.order("hang-geometry")
        first = backend.submit("left")
        worker = backend.stages.wait_started("geometry")["pid"]
        notes = wait_for(lambda: backend.get(f"/v1/jobs/{first}")["notes"])
        assert "reported nothing" in notes[0]
        wait_for(lambda: "in _hang" in backend.ask("GET", f"/v1/jobs/{first}/logs/geometry").text)
        log = backend.ask("GET", f"/v1/jobs/{first}/logs/geometry").text
        assert "most recent call first" in log
        assert "reported nothing" in log
        assert alive(worker)
        backend.stages.release("hang-geometry")
        status = backend.finish(first)
        assert status["state"] == "done"
        assert len(status["notes"]) == 1
        backend.stages.order("hang-geometry")
        second = backend.submit("left", clip=b"other", depth=b"another")
        worker = backend.stages.wait_started("geometry", 2)["pid"]
        wait_for(lambda: backend.get(f"/v1/jobs/{second}")["notes"])
        backend.ask("POST", f"/v1/jobs/{second}/cancel")
        assert backend.finish(second)["state"] == "canceled"
        assert not alive(worker)
