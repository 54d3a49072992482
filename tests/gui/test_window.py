# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole job in a Blender window, by clicking its buttons.

REANGLE_BLENDER is the command of a Blender from 4.2 on, with arguments if it needs any; else `blender` on the path.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "scripts"), str(REPOSITORY / "tests" / "blender")]

import tiny  # noqa: E402
from build_extension import build  # noqa: E402

from reangle_blender.core import backend_process  # noqa: E402


def blender() -> list[str]:
    if command := os.environ.get("REANGLE_BLENDER"):
        return shlex.split(command)
    path = shutil.which("blender")
    if not path:
        pytest.skip("there is no Blender with a window: REANGLE_BLENDER is not set and no blender is on the path")
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        pytest.skip("there is no display")
    return [path]


def test_whole_job_by_mouse(tmp_path: Path) -> None:
    command = blender()
    python = os.environ.get("REANGLE_BACKEND_PYTHON")
    if not python:
        pytest.skip("REANGLE_BACKEND_PYTHON is not set to a Python with the backend's packages")
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    out.mkdir()
    # One thread: drawing a window without a GPU needs the other core.
    variables = {"PYTHONPATH": str(REPOSITORY / "backend"), "OMP_NUM_THREADS": "1"}
    about = {"command": [python, "-m", "reangle"], "environment": variables}
    (data / "backend.json").write_text(json.dumps(about), encoding="utf-8")
    clip = tiny.write(tmp_path / "clip")
    config = {
        "archive": str(build(tmp_path / "dist")),
        "data": str(data),
        "results": str(tmp_path / "results"),
        "clip": str(clip),
        "depth": str(tmp_path / "clip" / "depth"),
        "fps": tiny.FPS,
        "out": str(out),
    }
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    shutil.copy(Path(__file__).with_name("drive.py"), tmp_path)
    environment = {**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path / "resources")}
    # The window connects to this backend; a sandboxed Blender could not start one.
    backend = backend_process.ensure(data)
    try:
        done = subprocess.run(
            [
                *command,
                *("--factory-startup", "--enable-event-simulate", "--window-geometry", "0", "0", "1600", "1000"),
                *("--python", str(tmp_path / "drive.py"), "--", str(tmp_path / "config.json")),
            ],
            cwd=tmp_path,
            env=environment,
            timeout=3600,
            capture_output=True,
            text=True,
        )
    finally:
        backend_process.stop(backend)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report["strips"] == ["Orbit Left 14", "Crane Up 30"]
    assert set(report["backgrounds"]) == set(report["cameras"])
    assert report["jobs_after_undo"] == ["done", "done"]
    assert report["learning"].startswith("Step ")
    assert not [note for note in report["learned_notes"] if note.startswith("Step ")]
    assert (out / "5_results.png").stat().st_size > 10_000
