# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that show where a camera goes: its path with ticks, its frame at chosen moments, and its focus."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

EVERY = 10
"""Frames between two ticks of a camera without keys."""
MOST_SAMPLES = 240
"""Points of a path that are enough to look smooth."""
STILL = 1e-5
"""A camera whose way is shorter than this part of its frame's size stands still, and has no path."""

_TICK = 0.16
_CROSS = 0.3

_FRAME_EDGES = ((0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (2, 3), (3, 4), (4, 1), (5, 6), (6, 7), (7, 5))
"""Of the points of `frame_points`."""


def sample_frames(count: int, wanted: Sequence[int] = ()) -> np.ndarray:
    """Which of a clip's frames, from 0, are enough to draw a path: rising, with the first, the last and the wanted."""
    step = max(1, -(-count // MOST_SAMPLES))
    inside = [frame for frame in wanted if 0 <= frame < count]
    return np.unique(np.array([*range(0, count, step), count - 1, *inside], np.int64))


def tick_frames(count: int, keys: Sequence[float]) -> list[int]:
    """Frames, from 0, that get a tick: each key inside the clip, or every tenth frame without several keys."""
    inside = sorted({round(key) for key in keys if 0 <= round(key) < count})
    return inside if 2 <= len(inside) <= max(2, count // 2) else list(range(0, count, EVERY))


def frame_points(K: np.ndarray, width: int, height: int, size: float) -> np.ndarray:
    """8 x 3 in a Blender camera's own axes: its centre, the corners of its picture, and a triangle that shows up.

    K: 3 x 3 in pixels of width x height. size: of the longer side of the picture; Blender's `display_size`.
    """
    fx, fy, cx, cy = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
    left, right, top, bottom = -cx / fx, (width - cx) / fx, cy / fy, (cy - height) / fy
    scale = size / max(right - left, top - bottom)
    corners = [(left, bottom), (right, bottom), (right, top), (left, top)]
    middle, rise = (left + right) / 2, 0.35 * (right - left) / 2
    triangle = [(middle - rise, top + 0.1 * rise), (middle + rise, top + 0.1 * rise), (middle, top + 1.3 * rise)]
    points = np.zeros((8, 3))
    points[1:, :2] = [*corners, *triangle]
    points[1:, 2] = -1
    return points * scale


def frame_lines(poses: np.ndarray, points: np.ndarray) -> np.ndarray:
    """22n x 3: the edges of the frames of n cameras. poses: n x 4 x 4. points: 8 x 3 or n x 8 x 3, `frame_points`."""
    placed = points @ np.swapaxes(poses[:, :3, :3], 1, 2) + poses[:, None, :3, 3]
    return placed[:, np.array(_FRAME_EDGES).ravel()].reshape(-1, 3)


def way_lines(poses: np.ndarray, size: float) -> np.ndarray:
    """2(n - 1) x 3: from each of n poses (n x 4 x 4) to the next; none for a camera that stands still."""
    places = poses[:, :3, 3]
    if len(places) < 2 or np.linalg.norm(np.diff(places, axis=0), axis=1).sum() < STILL * size:
        return np.zeros((0, 3))
    return np.repeat(places, 2, axis=0)[1:-1]


def tick_lines(poses: np.ndarray, size: float) -> np.ndarray:
    """2n x 3: a short line across the path at each of n poses (n x 4 x 4), along the camera's own height."""
    half = poses[:, :3, 1] * (_TICK * size / 2)
    return np.stack([poses[:, :3, 3] - half, poses[:, :3, 3] + half], axis=1).reshape(-1, 3)


def focus_lines(point: Sequence[float], size: float) -> np.ndarray:
    """6 x 3: a cross of three lines at the focus point."""
    half = np.eye(3) * (_CROSS * size / 2)
    centre = np.asarray(point, np.float64)
    return np.stack([centre - half, centre + half], axis=1).reshape(-1, 3)
