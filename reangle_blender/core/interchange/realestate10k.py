# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of RealEstate10K, which CameraCtrl and many others take: a first line for the video's address, then for each
frame `timestamp fx fy cx cy 0 0` and the first three rows of camera from world.

Axes: those of OpenCV, world to camera, row by row. Timestamps are microseconds. fx and cx are parts of the picture's
width, fy and cy of its height, so the lens fits every size of that aspect; the file does not say which, and the clip's
is taken.
Source: google.github.io/realestate10k.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .lines import numbers_of, text_lines
from .track import Hints, Take, Track, pinholes

FORM = "timestamp fx fy cx cy 0 0 and the twelve numbers of camera from world"
COLUMNS = 19


def read(file: Path, hints: Hints) -> Track:
    lines = text_lines(file)
    has_title = bool(lines) and len(lines[0][1].split()) != COLUMNS
    rows = numbers_of(file, (COLUMNS,), FORM, skip=int(has_title))
    camera_from_world = np.tile(np.eye(4), (len(rows), 1, 1))
    camera_from_world[:, :3] = rows[:, 7:].reshape(-1, 3, 4)
    width, height = hints.width, hints.height
    fx, fy, cx, cy = (rows[:, 1:5] * (width, height, width, height)).T
    step = float(np.median(np.diff(rows[:, 0]))) if len(rows) > 1 else 0.0
    fps = 1e6 / step if step > 1000 else 0.0
    return Track(np.linalg.inv(camera_from_world), pinholes(fx, fy, cx, cy), width, height, fps)


def write(take: Take, file: Path) -> tuple[str, ...]:
    path = take.path
    lenses = take.K[:, (0, 1, 0, 1), (0, 1, 2, 2)] / (path.width, path.height, path.width, path.height)
    lines = [path.name]
    for index, (lens, matrix) in enumerate(zip(lenses, np.linalg.inv(take.world_from_camera), strict=True)):
        values = (*lens, 0.0, 0.0, *matrix[:3].ravel())
        lines.append(f"{round(index * 1e6 / path.fps)} " + " ".join(repr(float(value)) for value in values))
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ()
