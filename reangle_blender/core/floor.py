# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the clip's origin has to be for three points to lie on the floor."""

from __future__ import annotations

import numpy as np

from .errors import UserError

_LEAST_SINE = 1e-3
"""Of the angle at the first point; three points on a line have no plane."""


def world_on_floor(points: np.ndarray, above: np.ndarray, *, along: str = "X", length: float = 0.0) -> np.ndarray:
    """4 x 4: moves, turns and scales the world so that three points lie on its floor, Z = 0.

    The first becomes the world's origin, the second lies on the axis `along` ("X" or "Y"), and `above` lies above the
    floor. points: 3 x 3. above: a point beside the plane, such as the camera. length: from the first point to the
    second, in the world's units; 0 keeps the scale. Raises UserError if the points are on one line.
    """
    first, second, third = np.asarray(points, np.float64)
    ahead, beside = second - first, third - first
    normal = np.cross(ahead, beside)
    size = float(np.linalg.norm(ahead))
    if not np.linalg.norm(normal) > _LEAST_SINE * size * np.linalg.norm(beside):
        raise UserError("The three points lie on one line.", advice="Pick the third one beside the line of the others.")
    normal /= np.linalg.norm(normal)
    if normal @ (np.asarray(above, np.float64) - first) < 0:
        normal = -normal
    ahead = ahead / size
    side = np.cross(normal, ahead)
    turn = np.stack([ahead, side, normal] if along == "X" else [-side, ahead, normal])
    scale = length / size if length > 0 else 1.0
    result = np.eye(4)
    result[:3, :3] = scale * turn
    result[:3, 3] = -result[:3, :3] @ first
    return result
