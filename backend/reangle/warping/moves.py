# SPDX-License-Identifier: Apache-2.0
"""Named camera moves for jobs that come without Blender.

A move is added to the source camera's own pose at each frame, about a focus point on its axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from reangle.contract import CameraPath
from reangle.errors import UserError
from reangle.geometry.video_geometry import VideoGeometry

# kind -> (largest amount, unit)
KINDS: dict[str, tuple[float, Literal["degrees", "percent"]]] = {
    "orbit-left": (180, "degrees"),
    "orbit-right": (180, "degrees"),
    "orbit-up": (90, "degrees"),
    "orbit-down": (90, "degrees"),
    "dolly-in": (95, "percent"),
    "dolly-out": (400, "percent"),
    "dolly-zoom-in": (95, "percent"),
    "dolly-zoom-out": (400, "percent"),
}
_CENTRE = 0.2


@dataclass(frozen=True)
class Move:
    """amount: degrees round the focus for orbits, percent of the focus depth for dollies.

    held: a view that stands at the whole amount all the time; otherwise the camera travels there over the clip.
    """

    kind: str
    amount: float
    held: bool

    @property
    def name(self) -> str:
        """A name for the camera, such as orbit-left-8 or view-orbit-left-8."""
        return f"{'view-' if self.held else ''}{self.kind}-{self.amount:g}"


def parse_move(text: str, *, held: bool) -> Move:
    """ "orbit-left:8" to a Move. Raises UserError for unknown kinds and amounts out of range."""
    kind, _, number = text.partition(":")
    if kind not in KINDS:
        raise UserError(
            f"There is no camera move {kind!r}.", advice=f"Use one of {', '.join(KINDS)}, such as orbit-left:8."
        )
    largest, unit = KINDS[kind]
    try:
        amount = float(number)
    except ValueError:
        amount = float("nan")
    if not 0 < amount <= largest:
        raise UserError(
            f"{text!r} does not say how far: {kind} takes a number above 0 and up to {largest:g} ({unit}).",
            advice=f"Write for example {kind}:8.",
        )
    return Move(kind, amount, held)


def move_path(
    move: Move, geometry: VideoGeometry, width: int, height: int, fps: float, focus_depth: float | None = None
) -> CameraPath:
    """The move as a camera over all frames of the geometry, seen at width x height pixels.

    focus_depth: in the geometry's unit, along the source camera's axis; None takes `focus_depth_of`.
    """
    depth = focus_depth or focus_depth_of(geometry)
    count = geometry.frame_count
    progress = np.ones(count) if move.held or count == 1 else np.linspace(0, 1, count)
    K = geometry.K_at(width, height)
    steps = np.tile(np.eye(4), (count, 1, 1))
    shape, _, direction = move.kind.rpartition("-")
    if shape == "orbit":
        # Right-handed about y (down), a positive angle takes a camera that looks at the focus left; about x, down.
        sign = 1 if direction in ("left", "down") else -1
        angles = np.radians(sign * move.amount * progress)
        axis = 1 if direction in ("left", "right") else 0
        first, second = (2, 0) if axis == 1 else (1, 2)
        steps[:, first, first] = steps[:, second, second] = np.cos(angles)
        steps[:, second, first], steps[:, first, second] = np.sin(angles), -np.sin(angles)
        focus = np.array([0, 0, depth])
        steps[:, :3, 3] = focus - steps[:, :3, :3] @ focus
    else:
        travel = (1 if direction == "in" else -1) * move.amount / 100 * progress
        steps[:, 2, 3] = travel * depth
        if shape == "dolly-zoom":
            K[:, 0, 0] *= 1 - travel
            K[:, 1, 1] *= 1 - travel
    return CameraPath(
        name=move.name,
        fps=fps,
        width=width,
        height=height,
        frames=tuple(range(count)),
        world_from_camera=(geometry.world_from_camera @ steps).tolist(),
        K=K.tolist(),
    )


def focus_depth_of(geometry: VideoGeometry) -> float:
    """Median valid depth in the middle fifth of the first frame that has any there, else of the whole clip."""
    rows = slice(*(round(geometry.height * part) for part in (0.5 - _CENTRE / 2, 0.5 + _CENTRE / 2)))
    columns = slice(*(round(geometry.width * part) for part in (0.5 - _CENTRE / 2, 0.5 + _CENTRE / 2)))
    for depth, valid in zip(geometry.depth[:, rows, columns], geometry.valid[:, rows, columns], strict=True):
        if valid.any():
            return float(np.median(depth[valid]))
    if not geometry.valid.any():
        raise UserError("The geometry has no depth at all.", advice="Check the depth maps.")
    return float(np.median(geometry.depth[geometry.valid]))
