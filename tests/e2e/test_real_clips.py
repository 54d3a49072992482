# SPDX-License-Identifier: Apache-2.0
"""Real footage through the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from reangle.media.write import read_images

REPO = Path(__file__).resolve().parents[2]
CLIPS = REPO.parent / "shared" / "clips"
FRAMES, WIDTH, HEIGHT = 5, 256, 144
# Only ends a run that hangs; a busy machine is many times slower than an idle one.
LIMIT_SECONDS = 3600


@pytest.fixture(params=["crab.mp4", "chess.mp4"])
def clip(request: pytest.FixtureRequest) -> Path:
    path = CLIPS / request.param
    if not path.is_file():
        pytest.skip(f"{request.param} is not on this machine")
    return path


def reangle(*arguments: str | Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "reangle", *map(str, arguments)]
    variables = {**os.environ, "PYTHONPATH": str(REPO / "backend"), **environment}
    return subprocess.run(
        command, cwd=REPO, env=variables, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
    )


@pytest.mark.parametrize("provider", ["dust3r", "depth-anything"])
def test_missing_weights_end_the_run_at_once_with_advice(tmp_path: Path, clip: Path, provider: str) -> None:
    done = reangle(
        "run", "--clip", clip, "--geometry", provider, "--move", "orbit-left:8",
        "--data", tmp_path / "data", "--out", tmp_path / "out",
        environment={"HF_HOME": str(tmp_path / "empty"), "REANGLE_DOWNLOAD": "0"},
    )  # fmt: skip
    assert done.returncode == 2
    for part in ("licence", "huggingface.co", str(tmp_path / "data" / "models"), "`files`"):
        assert part in done.stderr
    assert not (tmp_path / "out").exists()


def test_depth_from_files_is_rendered(tmp_path: Path, clip: Path) -> None:
    # A floor that comes nearer towards the bottom of the picture: plausible for both clips.
    rows = np.linspace(8, 2, HEIGHT, dtype=np.float32)
    (tmp_path / "depth").mkdir()
    np.savez(tmp_path / "depth" / "depth.npz", depth=np.tile(rows[:, None], (FRAMES, 1, WIDTH)))
    done = reangle(
        "run", "--clip", clip, "--start", "40", "--frames", str(FRAMES), "--size", f"{WIDTH}x{HEIGHT}",
        "--geometry", f"files:{tmp_path / 'depth'}", "--fov", "50", "--move", "orbit-left:8",
        "--data", tmp_path / "data", "--out", tmp_path / "out",
        environment={},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = tmp_path / "out" / "orbit-left-8"
    frames, seen = read_images(result / "frames"), read_images(result / "visibility")
    assert frames.shape == (FRAMES, HEIGHT, WIDTH, 3)
    assert (seen > 0).mean() > 0.8
    assert (result / "preview.mp4").is_file()
    # No hole is left black.
    assert (frames.reshape(FRAMES, -1).mean(axis=1) > 10).all()


def test_run_with_the_shipped_weights_succeeds(tmp_path: Path, clip: Path) -> None:
    done = reangle(
        "run", "--clip", clip, "--start", "40", "--frames", str(FRAMES), "--size", f"{WIDTH}x{HEIGHT}",
        "--move", "orbit-left:8", "--data", tmp_path / "data", "--out", tmp_path / "out",
        environment={},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "small network" in done.stdout + done.stderr
    assert "Licence of the depth: Apache-2.0" in done.stdout + done.stderr
    result = tmp_path / "out" / "orbit-left-8"
    assert read_images(result / "frames").shape == (FRAMES, HEIGHT, WIDTH, 3)
    assert (read_images(result / "visibility") > 0).mean() > 0.6
