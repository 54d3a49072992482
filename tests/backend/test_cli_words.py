# SPDX-License-Identifier: Apache-2.0
"""The command line where results cannot be written, and where names cannot be shown."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from reangle.media.write import write_mp4

from tests.backend.server_harness import REPOSITORY, mounted
from tests.backend.test_cli import COUNT, HEIGHT, WIDTH, frames, reangle

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY / "backend")}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with clip.mp4 and its depth in depth/."""
    write_mp4(tmp_path / "clip.mp4", frames(), 25, quality=4)
    (tmp_path / "depth").mkdir()
    np.savez(tmp_path / "depth" / "depth.npz", depth=np.full((COUNT, HEIGHT, WIDTH), 3, np.float32))
    return tmp_path


def render_to(place: Path, out: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return reangle(
        "run", "--clip", place / "clip.mp4", "--geometry", f"files:{place / 'depth'}", "--fov", "50",
        "--move", "orbit-left:8", "--data", place / "data", "--out", out, environment=environment,
    )  # fmt: skip


@pytest.mark.parametrize("option", ["ro", "size=64k", "file", "link"])
def test_out_that_cannot_be_written_is_named_before_the_work(place: Path, tmp_path: Path, option: str) -> None:
    out = tmp_path / "small"
    if option == "file":
        out.write_text("a file")
    if option == "link":
        out.symlink_to(tmp_path / "nowhere")
    with nullcontext() if option in ("file", "link") else mounted(out, option):
        refused = render_to(place, out / "new" / "results")
    assert refused.returncode == 2
    assert str(out) in refused.stderr
    assert "another --out" in refused.stderr
    assert "REANGLE_DATA" not in refused.stderr
    assert "Decode" not in refused.stderr


LONG = "a" * 300


@pytest.mark.parametrize(
    ("option", "value", "advice"),
    [
        ("--out", "~no-such-user/out", "without ~"),
        ("--clip", "~no-such-user/clip.mp4", "without ~"),
        ("--data", "~no-such-user/data", "without ~"),
        ("--out", LONG, "shorter name"),
        ("--clip", LONG, "shorter name"),
        ("--data", LONG, "shorter name"),
        ("--data", "clip.mp4", "move it away"),
        ("--data", "clip.mp4/data", "another place"),
        ("--seed", "many", "whole number, 0 or more"),
    ],
)
def test_path_or_number_that_cannot_be_used_is_no_fault_of_reangle(
    place: Path, option: str, value: str, advice: str
) -> None:
    arguments = {"--clip": "clip.mp4", "--geometry": "files:depth", "--fov": "50", "--move": "orbit-left:8"}
    arguments |= {"--data": "data", "--out": "out", option: value}
    words = [part for pair in arguments.items() for part in pair]
    refused = subprocess.run(
        [sys.executable, "-m", "reangle", "run", *words], cwd=place, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert refused.returncode == 2
    assert value in refused.stderr
    assert advice in refused.stderr
    assert not any(word in refused.stderr for word in ("Traceback", "fault of Reangle", "Decode"))


@pytest.mark.parametrize("value", ["~no-such-user/data", LONG, "clip.mp4", "clip.mp4/data"])
def test_backend_names_a_data_folder_that_cannot_be_used(place: Path, value: str) -> None:
    command = [sys.executable, "-m", "reangle", "serve", "--data", value]
    refused = subprocess.run(command, cwd=place, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 2
    assert value in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["jobs", "models list", "doctor"])
@pytest.mark.parametrize("value", ["clip.mp4", "clip.mp4/data"])
def test_nothing_is_said_of_a_data_folder_that_is_a_file(place: Path, command: str, value: str) -> None:
    whole = [sys.executable, "-m", "reangle", *command.split(), "--data", value]
    refused = subprocess.run(whole, cwd=place, env=ENVIRONMENT, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "clip.mp4 is a file" in refused.stderr
    assert not refused.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
@pytest.mark.parametrize(
    ("streams", "status"),
    [
        ("| true", 0),
        ("2>/dev/full", 0),
        ("<&- >&- 2>&-", 0),
        ("--json >&-", 0),
        (">/dev/full", 2),
        ("--json >/dev/full", 2),
    ],
)
def test_all_cameras_are_rendered_whatever_becomes_of_the_output(place: Path, streams: str, status: int) -> None:
    options = "--clip clip.mp4 --geometry files:depth --fov 50 --move orbit-left:8 --move orbit-right:8 --out out"
    script = f'"$0" -m reangle run --data data {options} {streams}; echo ${{PIPESTATUS[0]}} >status'
    done = subprocess.run(
        ["bash", "-c", script, sys.executable], cwd=place, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert (place / "status").read_text() == f"{status}\n", done.stderr
    assert sorted(path.name for path in (place / "out").iterdir()) == ["orbit-left-8", "orbit-right-8"]
    assert "fault of Reangle" not in done.stderr
    if status:
        assert "Standard output could not be written: No space left" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize(
    ("name", "delay_s"), [("SIGINT", 0.1), ("SIGINT", 0.4), ("SIGINT", 0.8), ("SIGINT", 1.1), ("SIGHUP", 0.8)]
)
def test_command_ends_in_words_whenever_it_is_canceled(place: Path, name: str, delay_s: float) -> None:
    options = ["--clip", "clip.mp4", "--geometry", "files:depth", "--fov", "50", "--move", "orbit-left:8"]
    command = [sys.executable, "-m", "reangle", "run", *options, "--data", "data", "--out", "out"]
    running = subprocess.Popen(command, cwd=place, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    time.sleep(delay_s)
    for _ in range(2):  # a wrapper passes on what the group has got
        running.send_signal(getattr(signal, name))
        time.sleep(0.002)
    _, words = running.communicate(timeout=30)
    # While Python starts nothing is there yet that could say more.
    assert running.returncode in (130, 0, -getattr(signal, name))
    assert "Traceback" not in words
    assert running.returncode != 130 or "Canceled" in words
    assert not list(place.glob("out/.*"))


@pytest.mark.parametrize("option", ["--geometry", "--camera"])
def test_camera_file_that_is_nested_too_deeply_is_refused(place: Path, option: str) -> None:
    (place / "depth" / "camera.json").write_text("[" * 100_000)
    more = ["--depth", f"files:{place / 'depth'}"] if option == "--camera" else []
    refused = reangle(
        "run", "--clip", place / "clip.mp4", option, f"files:{place / 'depth'}", *more, "--move", "orbit-left:8",
        "--data", place / "data", "--out", place / "out",
    )  # fmt: skip
    assert refused.returncode == 2
    assert "camera.json" in refused.stderr
    assert "fault of Reangle" not in refused.stderr


def test_terminal_without_unicode_does_not_turn_success_into_failure(place: Path, tmp_path: Path) -> None:
    done = reangle(
        "geometry", "--clip", place / "clip.mp4", "--geometry", f"files:{place / 'depth'}", "--fov", "50",
        "--data", place / "data", "--out", tmp_path / "größe 山", environment={"PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "gr\\xf6\\xdfe \\u5c71" in done.stdout


def test_update_during_a_command_ends_it_before_its_output_gets_the_old_key(place: Path) -> None:
    code = place / "code"
    shutil.copytree(REPOSITORY / "backend", code, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "reangle", "geometry", "--clip", place / "clip.mp4"]
    command += ["--geometry", f"files:{place / 'depth'}", "--data", place / "data", "--out", place / "out"]
    variables = {**os.environ, "PYTHONPATH": str(code)}
    running = subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    while "Decode" not in (line := running.stderr.readline()):
        assert line, "it ended before the first stage"
    (code / "reangle" / "media" / "new.py").write_text("# of another version")
    _, words = running.communicate(timeout=100)
    assert running.returncode == 2, words
    assert "updated while it ran" in words
    assert "Run the command again" in words
    assert not (place / "out").exists()
