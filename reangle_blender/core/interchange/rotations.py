# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations as quaternions and as angles about the axes."""

from __future__ import annotations

from typing import Literal

import numpy as np

RotationOrder = Literal["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"]
"""Which axis is turned about first, second and third, all of them fixed axes of the world."""


def quaternions_of(rotations: np.ndarray) -> np.ndarray:
    """N x 4 unit quaternions w x y z, w at least 0, of N x 3 x 3 rotations."""
    r = np.asarray(rotations, np.float64)
    xx, yy, zz = r[:, 0, 0], r[:, 1, 1], r[:, 2, 2]
    form = np.empty((len(r), 4, 4))
    form[:, 0, 0] = xx + yy + zz
    for axis, other in ((0, (1, 2)), (1, (2, 0)), (2, (0, 1))):
        form[:, 0, axis + 1] = form[:, axis + 1, 0] = r[:, other[1], other[0]] - r[:, other[0], other[1]]
        form[:, axis + 1, axis + 1] = r[:, axis, axis] - r[:, other[0], other[0]] - r[:, other[1], other[1]]
        form[:, other[0] + 1, other[1] + 1] = form[:, other[1] + 1, other[0] + 1] = (
            r[:, other[0], other[1]] + r[:, other[1], other[0]]
        )
    # The quaternion is the eigenvector of the largest eigenvalue, which is well apart for every rotation.
    quaternions = np.linalg.eigh(form)[1][:, :, -1]
    return np.where(quaternions[:, :1] < 0, -quaternions, quaternions)


def rotations_of(quaternions: np.ndarray) -> np.ndarray:
    """N x 3 x 3 of N x 4 quaternions w x y z of any length. Raises ValueError for zeros."""
    given = np.asarray(quaternions, np.float64)
    lengths = np.linalg.norm(given, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise ValueError("a rotation is zero or not finite")
    w, x, y, z = (given / lengths).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)


def from_quaternions(quaternions: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """N x 4 x 4 of N x 4 quaternions w x y z and N x 3 positions. Raises ValueError for zeros."""
    matrices = np.tile(np.eye(4), (len(positions), 1, 1))
    matrices[:, :3, :3], matrices[:, :3, 3] = rotations_of(quaternions), positions
    return matrices


def about(axis: int, radians: np.ndarray) -> np.ndarray:
    """N x 3 x 3: turns about x (0), y (1) or z (2)."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    turn = np.tile(np.eye(3), (len(radians), 1, 1))
    turn[:, first, first] = turn[:, second, second] = np.cos(radians)
    turn[:, second, first] = np.sin(radians)
    turn[:, first, second] = -turn[:, second, first]
    return turn


def from_angles(degrees: np.ndarray, order: RotationOrder) -> np.ndarray:
    """N x 3 x 3 of N x 3 angles about x, y and z, which turn in this order."""
    first, second, third = ("XYZ".index(one) for one in order)
    radians = np.radians(degrees)
    return about(third, radians[:, third]) @ about(second, radians[:, second]) @ about(first, radians[:, first])


def angles_of(rotations: np.ndarray, order: RotationOrder) -> np.ndarray:
    """N x 3 angles in degrees about x, y and z, without jumps of whole turns between frames. See `from_angles`."""
    first, second, third = ("XYZ".index(one) for one in order)
    sign = 1 if (second - first) % 3 == 1 else -1
    r = np.asarray(rotations, np.float64)
    result = np.empty((len(r), 3))
    level = np.hypot(r[:, first, first], r[:, second, first])
    result[:, second] = np.arctan2(-sign * r[:, third, first], level)
    locked = level < 1e-9
    result[:, first] = np.arctan2(sign * r[:, third, second], r[:, third, third])
    result[:, third] = np.arctan2(sign * r[:, second, first], r[:, first, first])
    # Looking straight along the third axis, the first and the third turn do the same: the third does it all.
    result[locked, first] = 0
    result[locked, third] = np.arctan2(-sign * r[locked, first, second], r[locked, second, second])
    return np.degrees(np.unwrap(result, axis=0))
