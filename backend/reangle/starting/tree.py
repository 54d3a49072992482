# SPDX-License-Identifier: Apache-2.0
"""The order in which starting images are painted: a tree, so that a changed camera redoes itself and its children only.

Imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from reangle.contract import CameraPath

SAME_PLACE = 1e-6
"""Largest difference, in radians and in the geometry's unit, between the source camera and one that begins at it."""


def begins_at_source(path: CameraPath) -> bool:
    """Whether a path begins at the clip's first frame where its camera stood, which is the geometry's world."""
    first = np.asarray(path.world_from_camera[0])
    return path.frames[0] == 0 and bool(np.abs(first - np.eye(4)).max() < SAME_PLACE)


def first_of(path: CameraPath) -> CameraPath:
    """The path's first frame alone."""
    return replace(path, frames=path.frames[:1], K=path.K[:1], world_from_camera=path.world_from_camera[:1])


def parents(paths: Sequence[CameraPath]) -> Mapping[str, str | None]:
    """name of each path that has a starting image -> its parent's name, parents first; None: the source camera alone.

    A view's parent is the nearest one among those that come before it: nearer to the source, and of the same moment.
    Names play no part, so renaming a camera changes nothing.
    """
    begun = [path for path in paths if not begins_at_source(path)]
    reach = max((float(np.linalg.norm(_place(path))) for path in begun), default=0.0) or 1.0
    order = sorted(begun, key=lambda path: (_apart(np.eye(4), _pose(path), reach), _pose(path).ravel().tolist()))
    found: dict[str, str | None] = {}
    for index, path in enumerate(order):
        before = [other for other in order[:index] if other.frames[0] == path.frames[0]]
        # min keeps the first of equals, which is the one nearer to the source.
        nearest = min(before, key=lambda other: _apart(_pose(other), _pose(path), reach), default=None)
        found[path.name] = None if nearest is None else nearest.name
    return found


def _pose(path: CameraPath) -> np.ndarray:
    return np.asarray(path.world_from_camera[0])


def _place(path: CameraPath) -> np.ndarray:
    return _pose(path)[:3, 3]


def _apart(one: np.ndarray, other: np.ndarray, reach: float) -> float:
    """Turn in radians, and shift as a share of the farthest camera's; rounded, so that mirrored views are as far."""
    turn = Rotation.from_matrix(one[:3, :3].T @ other[:3, :3]).magnitude()
    return round(float(turn + np.linalg.norm(one[:3, 3] - other[:3, 3]) / reach), 6)
