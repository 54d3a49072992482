# SPDX-License-Identifier: GPL-3.0-or-later
"""ReCamMaster's `camera_extrinsics.json`: `{"frame0": {"cam01": "[...] [...] [...] [x y z 1] "}, ...}`. Written only.

Axes: Unreal's, left-handed: x forward, y right, z up, for the camera and the world, in centimetres. A matrix is camera
to world with a row for each of the camera's axes and one for its position. Our unit is taken for a metre. There is no
lens; ReCamMaster reads 81 frames, each pose beside the first one.
Source: KwaiVGI/ReCamMaster, inference_recammaster.py and example_test_data/cameras.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from .track import Take

CAMERA, FRAMES = "cam01", 81
UNREAL_FROM_CV = np.array([[0, 0, 1, 0], [1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]], np.float64)
"""4 x 4, mirrors: a point of OpenCV's axes in Unreal's."""


def write(take: Take, file: Path) -> tuple[str, ...]:
    matrices = UNREAL_FROM_CV @ take.world_from_camera @ UNREAL_FROM_CV.T
    matrices[:, :3, 3] *= 100
    frames = {f"frame{index}": {CAMERA: _text(matrix.T)} for index, matrix in enumerate(matrices)}
    file.write_text(json.dumps(frames, indent=1), encoding="utf-8")
    notes = [f"ReCamMaster's file has no lens. It is camera 1 of it ({CAMERA})."]
    if len(matrices) != FRAMES:
        notes.append(f"ReCamMaster reads {FRAMES} frames; the path has {len(matrices)}.")
    return tuple(notes)


def _text(rows: np.ndarray) -> str:
    return "".join(f"[{' '.join(repr(float(value)) for value in row)}] " for row in rows)
