# SPDX-License-Identifier: GPL-3.0-or-later
"""Camera moves of `core.contract.moves` over a whole clip, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .contract import moves
from .contract.moves import Move, Vector
from .errors import UserError

CV_UP = moves.LEVEL_UP
"""Up in the geometry's world if its first camera is level."""


@dataclass(frozen=True, eq=False)
class MovedCamera:
    """world_from_camera: n x 4 x 4 float64, rigid. lens_factor: n, multiplies the source's lens (and K's fx and fy).
    shift: n, in focal lengths, added to the x of the principal point."""

    world_from_camera: np.ndarray
    lens_factor: np.ndarray
    shift: np.ndarray

    def intrinsics(self, K: np.ndarray) -> np.ndarray:
        """The moved camera's K, n x 3 x 3, from the source's."""
        moved = K.copy()
        moved[:, (0, 1), (0, 1)] *= self.lens_factor[:, None]
        moved[:, 0, 2] += self.shift * moved[:, 0, 0]
        return moved


def move_camera(
    move: Move,
    times: Sequence[float] | np.ndarray,
    world_from_source: np.ndarray,
    focus_depth: float,
    up: Vector = CV_UP,
) -> MovedCamera:
    """The moved camera at each time.

    times: n in 0..1. world_from_source: 4 x 4, or n x 4 x 4 for a moving source. focus_depth: along the source's axis,
    in the geometry's unit, above 0. up: vertical direction in the geometry's world, for arc and crane.
    Raises UserError for a focus depth that is not above 0, and for arc and crane that look straight along `up`.
    """
    source = np.broadcast_to(np.asarray(world_from_source, np.float64), (len(times), 4, 4))
    ups = np.asarray(up, np.float64) @ source[:, :3, :3]
    moved = [
        moves.move_camera(move, float(time), focus_depth, (x, y, z))
        for time, (x, y, z) in zip(times, ups.tolist(), strict=True)
    ]
    steps = np.array([camera.source_from_camera for camera in moved])
    factors, shifts = (np.array(values) for values in zip(*(camera[1:] for camera in moved), strict=True))
    return MovedCamera(source @ steps, factors, shifts)


def move_about(
    move: Move,
    times: Sequence[float] | np.ndarray,
    world_from_source: np.ndarray,
    point: np.ndarray,
    up: Vector = CV_UP,
) -> MovedCamera:
    """The moved camera at each time, with the focus at a point of the world.

    Moves that go around the focus or towards it (orbit, arc, crane, dolly) take the point itself, wherever it is in the
    picture; it stays there. A dolly zoom takes its depth along the source's axis at each time, and all others that at
    the first.

    point: 3, in the geometry's world. The rest as in `move_camera`. Raises UserError for a point that is not in front
    of the source at every time, and as `move_camera` does.
    """
    count = len(times)
    source = np.broadcast_to(np.asarray(world_from_source, np.float64), (count, 4, 4))
    offset = np.asarray(point, np.float64) - source[:, :3, 3]
    seen = np.einsum("nji,nj->ni", source[:, :3, :3], offset)
    if not seen[:, 2].min() > 0:
        raise UserError("The focus is not in front of the clip's camera all the time.", advice="Choose another focus.")
    turn = np.tile(np.eye(4), (count, 1, 1))
    depth = seen[:, 2] if move.kind.startswith("dolly-zoom") else np.full(count, seen[0, 2])
    if move.kind.startswith(_ABOUT_A_POINT):
        depth = np.linalg.norm(seen, axis=1)
        turn[:, :3, :3] = [_turn_to(axis) for axis in seen / depth[:, None]]
    steps: list[np.ndarray] = []
    factors: list[float] = []
    shifts: list[float] = []
    for time, base, at, near in zip(times, source @ turn, turn, depth, strict=True):
        x, y, z = (np.asarray(up, np.float64) @ base[:3, :3]).tolist()
        camera = moves.move_camera(move, float(time), float(near), (x, y, z))
        steps.append(at @ np.array(camera.source_from_camera) @ at.T)
        factors.append(camera.lens_factor)
        shifts.append(camera.shift)
    return MovedCamera(source @ np.array(steps), np.array(factors), np.array(shifts))


_ABOUT_A_POINT = ("orbit", "arc", "crane", "dolly-in", "dolly-out")


def _turn_to(axis: np.ndarray) -> np.ndarray:
    """3 x 3: the least rotation that takes z to this unit vector, which has z above 0."""
    x, y, z = axis
    a, b, c = x / (1 + z), y / (1 + z), x * y / (1 + z)
    return np.array([[1 - a * x, -c, x], [-c, 1 - b * y, y], [-x, -y, z]])
