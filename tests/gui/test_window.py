# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole job in a Blender window, by clicking its buttons; see `window.py`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "blender"))

import tiny

from tests.gui import window


def test_whole_job_by_mouse(tmp_path: Path) -> None:
    try:
        command = window.blender()
    except window.NoWindowError as error:
        pytest.skip(str(error))
    python = os.environ.get("REANGLE_BACKEND_PYTHON")
    if not python:
        pytest.skip("REANGLE_BACKEND_PYTHON is not set to a Python with the backend's packages")
    clip = tiny.write(tmp_path / "clip")
    report = window.drive(
        command, python, tmp_path, clip=str(clip), depth=str(tmp_path / "clip" / "depth"), fps=tiny.FPS
    )
    assert report["strips"] == ["Cameras", "Crane Up 30", "Orbit Left 14"]
    assert report["edit_after_undo_and_redo"] == [False, True]
    assert report["jobs_after_undo"] == ["done", "done"]
    assert set(report["backgrounds"]) == set(report["cameras"])
    assert set(report["coverage"]) == {"Orbit Left 14", "Crane Up 30"}
    assert all(0.3 < known < 1 for known in report["coverage"].values())
    assert report["compared"] == ["clip", "result"]
    assert report["learning"].startswith("Step ")
    assert not [note for note in report["learned_notes"] if note.startswith("Step ")]
    assert report["threads_after_disable"] == report["types_after_disable"] == report["timers_after_disable"] == []
    assert report["jobs_kept"]
    for name in ("compare", "5_results", "6_enabled_again"):
        assert (tmp_path / "out" / f"{name}.png").stat().st_size > 10_000
