# SPDX-License-Identifier: GPL-3.0-or-later
"""Reangle's own camera JSON, which `reangle run --path` reads.

Axes: those of OpenCV, camera to world, in the world of the clip's first camera. K in pixels, centres at +0.5. Nothing
is lost. The form of camera files for an import is read, too: `{"width", "height", "frames": [{"K",
"world_from_camera"}, ...]}`, or one `K` and `world_from_camera` for a camera that stands still.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..contract import to_json
from .track import Hints, Take, Track


def read(file: Path, _hints: Hints) -> Track:
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8-sig"))
    source: dict[str, Any] = content.get("source", content)
    frames: list[Any] = source.get("frames", [])
    if frames and isinstance(frames[0], dict):
        matrices = [frame["world_from_camera"] for frame in frames]
        lenses = [frame["K"] for frame in frames]
    else:
        matrices, lenses = source["world_from_camera"], source["K"]
    poses = np.array(matrices, np.float64).reshape(-1, 4, 4)
    K = np.array(lenses, np.float64).reshape(-1, 3, 3)
    count = max(len(poses), len(K))
    if {len(poses), len(K)} - {1, count}:
        raise ValueError(f"it has {len(poses)} poses and {len(K)} lenses")
    return Track(
        np.broadcast_to(poses, (count, 4, 4)),
        np.broadcast_to(K, (count, 3, 3)),
        int(content["width"]),
        int(content["height"]),
        float(content.get("fps", 0)),
    )


def write(take: Take, file: Path) -> tuple[str, ...]:
    file.write_text(to_json(take.path), encoding="utf-8")
    return ()
