# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing a carried backend: a small distribution and small packages, with the real pip and real environments."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from reangle_blender.core import backend_process, installer
from reangle_blender.core.environments import READY, Interpreter, SetupError
from reangle_blender.core.files import CanceledError
from reangle_blender.core.installation import PipProgress, with_a_python
from reangle_blender.core.installer import InstallError, Progress
from tests.core.small_backend import carry, make_home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make_home(tmp_path, monkeypatch)


def run(home: Path, carried: Path, **more: bool) -> list[Progress]:
    seen: list[Progress] = []
    installer.run(home / "data", post=lambda now, _: seen.append(now), cancel=threading.Event(), folder=carried, **more)
    return seen


def test_install_and_update(home: Path) -> None:
    data = home / "data"
    assert installer.installed(data) == installer.Installed()
    seen = run(home, carry(home / "first", "1.9.0"))

    assert [now.fraction for now in seen] == sorted(now.fraction for now in seen)
    assert seen[-1] == Progress(1.0, "Reangle 1.9.0 is installed")
    assert any("1 of 1, small" in now.words for now in seen), seen
    assert installer.installed(data) == installer.Installed("1.9.0", command=True)
    launch = backend_process.read_launch(data)
    started = subprocess.run(
        [*launch.command, "--help"], env={**os.environ, **launch.environment}, capture_output=True, text=True
    )
    assert str(home / "environments") in started.stdout, "it runs in an environment, not in the extension"
    assert [path.name for path in (home / "environments").iterdir() if path.is_dir()] == [
        Path(launch.command[0]).parents[1].name
    ], "no scratch folder is left"

    update = run(home, carry(home / "second", "1.10.0"))
    assert installer.is_newer("1.10.0", "1.9.0")
    assert not installer.is_newer("1.9.0", "1.9.0")
    assert installer.installed(data).version == "1.10.0"
    assert not any("Making" in now.words for now in update), "the same pins need no new environment"
    assert json.loads((data / "backend.json").read_text())["command"] == list(launch.command)


def test_a_failed_installation_is_not_taken_for_one(home: Path) -> None:
    carried = carry(home / "carried", "1.0.0", ("torch==1.0", "missing==1.0"))
    with pytest.raises(InstallError, match=r"missing==1\.0.*press Install again") as failed:
        run(home, carried)
    assert "\n" not in failed.value.message
    assert installer.installed(home / "data") == installer.Installed()
    assert not [path for path in (home / "environments").iterdir() if path.is_dir()]
    assert "No matching distribution" in installer.log_file(home / "data").read_text()


def test_cancel_ends_every_process_and_removes_what_is_incomplete(home: Path) -> None:
    cancel, data = threading.Event(), home / "data"

    def stop_at_pip(now: Progress, _: str) -> None:
        if "Making the environment" in now.words:
            cancel.set()

    with pytest.raises(CanceledError):
        installer.run(data, post=stop_at_pip, cancel=cancel, folder=carry(home / "carried", "1.0.0"))
    assert installer.installed(data) == installer.Installed()
    assert not [path for path in (home / "environments").iterdir() if path.is_dir()]
    time.sleep(0.5)
    assert not [path for path in (home / "environments").iterdir() if path.is_dir()], "a child went on"


def test_an_environment_whose_python_is_gone_is_made_again(home: Path) -> None:
    carried = carry(home / "carried", "1.0.0")
    run(home, carried, only_environment=True)
    assert not (home / "data" / "backend.json").exists()
    (environment,) = [path for path in (home / "environments").iterdir() if path.is_dir()]
    python = environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    python.unlink()
    assert (environment / READY).exists()
    run(home, carried)
    assert installer.installed(home / "data").version == "1.0.0"


def test_only_a_python_that_can_make_environments_is_taken(tmp_path: Path) -> None:
    def make(python: Interpreter) -> str:
        if python.version == "3.13.1":
            raise SetupError("its ensurepip is broken.")
        return python.version

    old, broken = Interpreter(sys.executable, "3.14.2"), Interpreter(sys.executable, "3.13.1")
    with pytest.raises(SetupError, match=r"Blender's Python 3\.14\.2 is not one of them.*python\.org.*Install again"):
        with_a_python([old, None], make)
    with pytest.raises(SetupError, match=r"its ensurepip is broken.*python\.org"):
        with_a_python([old, broken], make)
    assert with_a_python([old, broken, Interpreter(sys.executable, "3.11.0")], make) == "3.11.0"


def test_progress_of_pip_never_goes_back(capsys: pytest.CaptureFixture[str]) -> None:
    told = PipProgress(0.5, 0.9, "Installing packages", 3)
    for line in (
        "Looking in indexes: https://pypi.org/simple",
        "Collecting av==18.1.0 (from -r requirements.txt (line 1))",
        "  Downloading av-18.1.0-cp311-manylinux.whl (35.3 MB)",
        "Progress 100 of 200",
        "Ignoring colorama: markers 'sys_platform == \"win32\"' don't match your environment",
        "Collecting numpy==2.4.0 (from -r requirements.txt (line 3))",
        "Installing collected packages: av, numpy",
        "Successfully installed av-18.1.0 numpy-2.4.0",
    ):
        told(line)
    printed = capsys.readouterr().out
    assert "[ 56%] Installing packages: 1 of 3, av (35.3 MB)" in printed
    assert "Progress 100" not in printed, "the log is for people"
    shares = [float(line[1:5].strip(" %")) for line in printed.splitlines() if line.startswith("[")]
    assert shares == sorted(shares)
    assert shares[-1] == 84
