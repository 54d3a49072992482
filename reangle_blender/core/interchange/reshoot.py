# SPDX-License-Identifier: GPL-3.0-or-later
"""Reshoot-Anything's `cam_info.json`: `intrinsic`, `extrinsic`, `height` and `width`. It is written only.

Axes: those of OpenCV, world to camera. The first matrix is the camera that filmed the clip, then one for each frame. It
takes that camera for still, so each pose is written as the clip's camera of the same frame sees it. There is one lens.
Source: morphicfilms/video-to-video, visualizer/export.py and render_from_cam_info.py.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from .track import Take


def write(take: Take, file: Path) -> tuple[str, ...]:
    path, K = take.path, take.K
    content = {
        "intrinsic": K[0].tolist(),
        "extrinsic": [np.eye(4).tolist(), *np.linalg.inv(take.source_from_camera).tolist()],
        "height": path.height,
        "width": path.width,
    }
    file.write_text(json.dumps(content, indent=1), encoding="utf-8")
    if np.abs(K - K[0]).max() > 1e-4 * K[0, 0, 0]:
        return ("Reshoot-Anything has one lens for all frames: that of the first is written.",)
    return ()
