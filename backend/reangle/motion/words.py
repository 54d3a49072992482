# SPDX-License-Identifier: Apache-2.0
"""Describe a camera path in the words of a video model's prompt."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from reangle.contract import CameraPath
from reangle.geometry.video_geometry import VideoGeometry

STILL = 0.005
"""A path that differs less from the source camera is called static: radians, or shares of the focus depth."""

HALF = 0.5**0.5
SIDEWAYS = {"orbit": (HALF, -HALF), "pan": (-1.0, 0.0), "truck": (0.0, -1.0)}
"""Each move to the left: its turn about y (down) and its shift along x as a share of the focus depth."""
UPWARDS = {"orbit": (-HALF, -HALF), "tilt": (1.0, 0.0), "crane": (0.0, -1.0)}
"""Each move up: its turn about x (right) and its shift along y (down)."""


def camera_prompt(words: str, caption: str) -> str:
    """The prompt of a clip: the camera's token, its words, the caption (Reangle-A-Video, published prompts)."""
    return f"CAMERA_{words.upper().replace(' ', '_')} Camera movement {words}, {caption}"


def path_words(path: CameraPath, geometry: VideoGeometry, focus_depth: float) -> str:
    """The path's motion relative to the source camera: "orbit left", "dolly zoom in", "static" and so on.

    The frame that differs most decides, by the direction in which it differs most. A turn around the focus point is an
    orbit, a turn alone a pan or tilt, a shift alone a truck or crane; moving in or out with a lens that compensates is
    a dolly zoom. focus_depth: in the geometry's unit.
    """
    frames = np.array(path.frames)
    steps = np.linalg.inv(geometry.world_from_camera[frames]) @ np.asarray(path.world_from_camera)
    turns = Rotation.from_matrix(steps[:, :3, :3]).as_rotvec()
    ways = steps[:, :3, 3] / focus_depth
    zoom = np.log(np.asarray(path.K)[:, 0, 0] / geometry.K_at(path.width, path.height)[frames, 0, 0])
    size = np.linalg.norm(np.concatenate([turns, ways], axis=1), axis=1)
    far = int(np.argmax(size))
    if size[far] < STILL:
        return "static"
    turn, way = turns[far], ways[far]
    sideways, upwards = np.array([turn[1], way[0]]), np.array([turn[0], way[1]])
    if abs(way[2]) > max(np.linalg.norm(sideways), np.linalg.norm(upwards)):
        kind = "dolly zoom" if zoom[far] * way[2] < 0 and abs(zoom[far]) > abs(way[2]) / 2 else "dolly"
        return f"{kind} {'in' if way[2] > 0 else 'out'}"
    if np.linalg.norm(sideways) >= np.linalg.norm(upwards):
        return _nearest(sideways, SIDEWAYS, "left", "right")
    return _nearest(upwards, UPWARDS, "up", "down")


def _nearest(motion: np.ndarray, moves: dict[str, tuple[float, float]], way: str, back: str) -> str:
    likeness = {name: float(motion @ np.array(move)) for name, move in moves.items()}
    name = max(likeness, key=lambda one: abs(likeness[one]))
    return f"{name} {way if likeness[name] > 0 else back}"
