# SPDX-License-Identifier: GPL-3.0-or-later
"""Which point of a cloud lies under the mouse."""

from __future__ import annotations

import numpy as np

REACH = 24.0
"""Pixels from the mouse within which the nearest point is taken where none is drawn under it."""


def point_under(
    points: np.ndarray,
    clip_from_points: np.ndarray,
    size: tuple[float, float],
    mouse: tuple[float, float],
    *,
    drawn: float = 1.0,
    reach: float = REACH,
) -> int | None:
    """The index of the point that the artist sees under the mouse; None if there is none within reach.

    Of the points that are drawn over the mouse it is the foremost one, which hides the others; without any, the one
    nearest to the mouse on the screen.

    points: n x 3. clip_from_points: 4 x 4, from the points' space to OpenGL's clip space, as Blender's
    `RegionView3D.perspective_matrix` times the object's matrix; perspective or orthographic. size: of the region in
    pixels. mouse: in its pixels, from its lower left corner. drawn: the side in pixels of the square that a point is
    drawn as.
    """
    if not len(points):
        return None
    matrix = np.asarray(clip_from_points, np.float64)
    half = np.asarray(size, np.float64) / 2
    x, y = np.asarray(mouse, np.float64) / half - 1
    # Rows that are zero at the mouse: a point's offset from it in pixels, times w.
    rows = np.stack([half[0] * (matrix[0] - x * matrix[3]), half[1] * (matrix[1] - y * matrix[3]), matrix[3]])
    across, up, w = (points @ row[:3].astype(np.float32) + np.float32(row[3]) for row in rows)
    limit = w * np.float32(max(reach, drawn / 2))
    near = np.flatnonzero((w > 0) & (np.abs(across) <= limit) & (np.abs(up) <= limit))
    depth = _depth(points[near], matrix)
    near, depth = near[np.abs(depth) <= 1], depth[np.abs(depth) <= 1]
    if not len(near):
        return None
    offset = np.abs(np.stack([across[near], up[near]])) / w[near]
    is_over = offset.max(axis=0) <= drawn / 2
    if is_over.any():
        near, depth, offset = near[is_over], depth[is_over], offset[:, is_over]
        return int(near[np.lexsort((np.hypot(*offset), depth))[0]])
    distance = np.hypot(*offset)
    return int(near[distance.argmin()]) if distance.min() <= reach else None


def _depth(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """n: -1 at the near end of the view, 1 at the far end."""
    inside = points @ matrix[2:, :3].T + matrix[2:, 3]
    return inside[:, 0] / inside[:, 1]
