# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of the TUM RGB-D benchmark, which most SLAM programs write: `timestamp tx ty tz qx qy qz qw`.

Axes: those of OpenCV for the camera; the world is any. Position and rotation are the camera's in the world, the
quaternion's real part comes last. Timestamps are seconds; each line is one frame, in the order of the times.
There is no lens.
Source: cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .lines import numbers_of
from .rotations import from_quaternions, quaternions_of
from .track import Hints, Take, Track

COLUMNS = 8


def read(file: Path, _hints: Hints) -> Track:
    rows = numbers_of(file, (COLUMNS,), "timestamp tx ty tz qx qy qz qw")
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    return Track(from_quaternions(rows[:, (7, 4, 5, 6)], rows[:, 1:4]), fps=_rate(rows[:, 0]))


def _rate(times: np.ndarray) -> float:
    """Frames per second, if the times are seconds; 0 if they may be numbers of frames."""
    steps = np.diff(times)
    return float(1 / np.median(steps)) if len(steps) and 0 < np.median(steps) < 0.9 else 0.0


def write(take: Take, file: Path) -> tuple[str, ...]:
    matrices = take.world_from_camera
    lines = ["# timestamp tx ty tz qx qy qz qw"]
    for index, (matrix, (w, x, y, z)) in enumerate(zip(matrices, quaternions_of(matrices[:, :3, :3]), strict=True)):
        values = (index / take.path.fps, *matrix[:3, 3], x, y, z, w)
        lines.append(" ".join(repr(float(value)) for value in values))
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ("The TUM format has no lens.",)
