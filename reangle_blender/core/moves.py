# SPDX-License-Identifier: GPL-3.0-or-later
"""Camera moves of `core.contract.moves` over a whole clip, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .contract import moves
from .contract.moves import Move, Vector

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
