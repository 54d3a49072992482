# SPDX-License-Identifier: Apache-2.0
"""Camera moves of `contract.moves` as camera paths, for jobs that come without Blender."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reangle.contract import CameraPath
from reangle.contract.moves import COMMAND_LINE_EASING, KINDS, Move, move_camera, move_times
from reangle.errors import UserError
from reangle.geometry.video_geometry import VideoGeometry

_CENTRE = 0.2


def parse_move(text: str, *, held: bool) -> Move:
    """A Move from NAME[:AMOUNT[:EASING]], such as "orbit-left:8".

    held: a static view at the whole amount. Raises UserError for unknown names and amounts out of range.
    """
    name, *parts = text.split(":")
    amount, easing = (*parts, "", "")[:2]
    if name not in KINDS:
        raise UserError(
            f"There is no camera move {name!r}.", advice=f"Use one of {', '.join(KINDS)}, such as orbit-left:8."
        )
    kind = KINDS[name]
    try:
        number = float(amount) if amount else kind.default
    except ValueError:
        number = float("nan")
    if len(parts) > 2 or not 0 < number <= kind.maximum:
        raise UserError(
            f"{text!r} is not a move: {name} takes an amount above 0 and up to {kind.maximum:g} ({kind.unit}).",
            advice=f"Write for example {name}:{kind.default:g}.",
        )
    return Move(name, number, easing=easing or COMMAND_LINE_EASING, held=held)


@dataclass(frozen=True)
class BulletTime:
    """A move around one instant of the clip. frame: of the used frames, from 0."""

    move: Move
    frame: int


def parse_bullet_time(text: str) -> BulletTime:
    """A BulletTime from MOVE@FRAME, such as "orbit-left:20@24". Raises UserError for anything else."""
    move, at, frame = text.rpartition("@")
    if not at or not (frame.isascii() and frame.isdecimal()):
        raise UserError(
            f"{text!r} does not say which frame of the clip stands still.",
            advice="Write the move, @ and the frame, counted from 0, such as orbit-left:20@24.",
        )
    return BulletTime(parse_move(move, held=False), int(frame))


def move_name(move: Move | BulletTime) -> str:
    """A name for the move's camera, such as orbit-left-8, view-orbit-left-8 or orbit-left-8-at-24."""
    if isinstance(move, BulletTime):
        return f"{move_name(move.move)}-at-{move.frame}"
    easing = "" if move.held or move.easing == COMMAND_LINE_EASING else f"-{move.easing}"
    return f"{'view-' if move.held else ''}{move.kind}-{move.amount:g}{easing}"


def move_path(
    move: Move | BulletTime,
    geometry: VideoGeometry,
    width: int,
    height: int,
    fps: float,
    focus_depth: float | None = None,
) -> CameraPath:
    """The move as a camera over all frames of the geometry, seen at width x height pixels.

    focus_depth: in the geometry's unit, along the source camera's axis; None takes `focus_depth_of`. Raises UserError
    for a bullet time at a frame that the geometry does not have.
    """
    depth = focus_depth or focus_depth_of(geometry)
    name, frames = move_name(move), list(range(geometry.frame_count))
    if isinstance(move, BulletTime):
        if move.frame >= geometry.frame_count:
            raise UserError(
                f"Camera {name!r} needs the clip's frame {move.frame}, but the last one is {geometry.frame_count - 1}.",
                advice="Choose an earlier frame, or use more frames of the clip.",
            )
        move, frames = move.move, [move.frame] * geometry.frame_count
    world_from_source = geometry.world_from_camera[frames]
    # The geometry's world is the first source camera; its vertical is that camera's own.
    ups = -world_from_source[:, 1, :3]
    moved = [
        move_camera(move, time, depth, (x, y, z))
        for time, (x, y, z) in zip(move_times(geometry.frame_count), ups.tolist(), strict=True)
    ]
    K = geometry.K_at(width, height)[frames]
    K[:, (0, 1), (0, 1)] *= np.array([[camera.lens_factor] for camera in moved])
    K[:, 0, 2] += [camera.shift for camera in moved] * K[:, 0, 0]
    return CameraPath(
        name=name,
        fps=fps,
        width=width,
        height=height,
        frames=tuple(frames),
        world_from_camera=(world_from_source @ np.array([camera.source_from_camera for camera in moved])).tolist(),
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
