# SPDX-License-Identifier: Apache-2.0
"""How threads wait: set for stage processes and the command line, unless the user has set it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from reangle.runtime.process import StageProcess
from reangle.runtime.threads import CHOSEN_BY_USER, WAITING

from tests.backend.server_harness import wait_for

COMMAND_LINE = """
import os, sys
from reangle.cli.main import main
assert "torch" not in sys.modules, "torch has read its settings already"
main(["models", "list", "--data", sys.argv[1]])
print({name: os.environ[name] for name in os.environ if name in sys.argv[2:]})
"""


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CHOSEN_BY_USER:
        monkeypatch.delenv(name, raising=False)


def stage_environment() -> dict[str, str]:
    stage = StageProcess()
    try:
        # Empty for a moment while the process starts.
        return wait_for(psutil.Process(stage._popen.pid).environ)
    finally:
        stage.end()


def test_a_stage_process_gets_the_settings() -> None:
    assert stage_environment().items() >= WAITING.items()


@pytest.mark.parametrize("name", CHOSEN_BY_USER)
def test_settings_of_the_user_are_kept(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "7")
    environment = stage_environment()
    assert {key: environment[key] for key in CHOSEN_BY_USER if key in environment} == {name: "7"}


def test_the_command_line_sets_them_before_torch_loads(tmp_path: Path) -> None:
    command = [sys.executable, "-c", COMMAND_LINE, str(tmp_path), *CHOSEN_BY_USER]
    done = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines()[-1] == str(WAITING)
