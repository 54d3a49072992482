# SPDX-License-Identifier: Apache-2.0
"""The command line where results cannot be written, and where names cannot be shown."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from reangle.media.write import write_mp4

from tests.backend.server_harness import REPOSITORY, mounted
from tests.backend.test_cli import COUNT, HEIGHT, WIDTH, frames, reangle


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


@pytest.mark.parametrize("option", ["ro", "size=64k", "file"])
def test_out_that_cannot_be_written_is_named_before_the_work(place: Path, tmp_path: Path, option: str) -> None:
    out = tmp_path / "small"
    if option == "file":
        out.write_text("a file")
    with nullcontext() if option == "file" else mounted(out, option):
        refused = render_to(place, out / "new" / "results")
    assert refused.returncode == 2
    assert str(out) in refused.stderr
    assert "another --out" in refused.stderr
    assert "REANGLE_DATA" not in refused.stderr
    assert "Decode" not in refused.stderr


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
