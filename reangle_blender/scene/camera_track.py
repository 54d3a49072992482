# SPDX-License-Identifier: GPL-3.0-or-later
"""The path of a simply keyed camera, read from its curves: no frame is evaluated, so it can be read at any time.

Simply keyed: keys on its own transform and lens, and on those of its parents up to the clip's origin, and at most one
Track To constraint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from bpy.types import ID, Object, Scene
from mathutils import Vector

from .. import compat, state
from ..core.camera import Lens
from . import cameras, keyed_paths


class _NotSimpleError(Exception):
    """The camera follows from more than its keys."""


@dataclass(frozen=True, eq=False)
class Track:
    """A camera at some frames. frames: n, from the clip's first. poses: n x 4 x 4, rigid, the Blender camera in the
    space of the origin. lenses: of each frame. keys: frames of its own keys, from the clip's first."""

    frames: np.ndarray
    poses: np.ndarray
    lenses: Sequence[Lens]
    keys: tuple[float, ...]


def key_frames(scene: Scene, camera: Object) -> tuple[float, ...]:
    """Frames at which the camera's place or lens is keyed, from the clip's first."""
    first = state.of(scene).first_frame
    curves = [*(compat.curves_of(camera) or ()), *(compat.curves_of(camera.data) or ())]
    found: set[float] = set()
    for curve in curves:
        if not curve.data_path.startswith(("location", "rotation", "lens")):
            continue
        places = np.empty(2 * len(curve.keyframe_points), np.float32)
        curve.keyframe_points.foreach_get("co", places)
        found.update((places[::2] - first).tolist())
    return tuple(sorted(found))


def read(scene: Scene, camera: Object, frames: np.ndarray) -> Track | None:
    """The camera at these frames, from the clip's first; None unless it is simply keyed below the clip's origin."""
    shot = state.of(scene)
    origin = state.alive(scene, shot.origin)
    if origin is None:
        return None
    at = (frames + shot.first_frame).tolist()
    try:
        poses = _in_origin(origin, camera, at)
    except _NotSimpleError:
        return None
    lenses = keyed_paths.lenses_of(camera.data, at)
    size = np.linalg.norm(poses[:, :3, :3], axis=1, keepdims=True)
    if lenses is None or not size.min() > 1e-9:
        return None
    poses[:, :3, :3] /= size
    return Track(frames, poses, lenses, key_frames(scene, camera))


def seen_now(scene: Scene, camera: Object) -> tuple[np.ndarray, Lens] | None:
    """The camera's pose in the space of the origin (4 x 4, rigid) and its lens, as Blender last evaluated them."""
    origin = state.alive(scene, state.of(scene).origin)
    if origin is None:
        return None
    pose = np.array(origin.matrix_world.inverted_safe() @ camera.matrix_world, np.float64)
    size = np.linalg.norm(pose[:3, :3], axis=0)
    if not size.min() > 1e-9:
        return None
    pose[:3, :3] /= size
    return pose, cameras.lens_of(camera.data)


def _in_origin(origin: Object, item: Object, at: Sequence[int]) -> np.ndarray:
    """n x 4 x 4: the object in the space of the origin, at scene frames."""
    if item == origin:
        return np.tile(np.eye(4), (len(at), 1, 1))
    own = _own(item, at)
    if item.parent is None:
        if origin.parent is not None or _is_animated(origin):
            raise _NotSimpleError
        placed = np.array(origin.matrix_world.inverted_safe(), np.float64) @ own
    else:
        if item.parent_type != "OBJECT":
            raise _NotSimpleError
        placed = _in_origin(origin, item.parent, at) @ np.array(item.matrix_parent_inverse, np.float64) @ own
    active = [one for one in item.constraints if not one.mute and one.influence > 0]
    return _tracked(origin, placed, active, at) if active else placed


def _tracked(origin: Object, placed: np.ndarray, constraints: Sequence[Any], at: Sequence[int]) -> np.ndarray:
    """The poses turned by a Track To constraint of a camera."""
    track = constraints[0]
    is_usual = (
        len(constraints) == 1
        and track.type == "TRACK_TO"
        and (track.track_axis, track.up_axis, track.use_target_z) == ("TRACK_NEGATIVE_Z", "UP_Y", False)
        and track.influence == 1
        and track.target is not None
        and not track.subtarget
        and (track.target_space, track.owner_space) == ("WORLD", "WORLD")
    )
    if not is_usual or origin.parent is not None or _is_animated(origin):
        raise _NotSimpleError
    targets = _in_origin(origin, track.target, at)
    up = origin.matrix_world.to_3x3().inverted_safe() @ Vector((0, 0, 1))
    up = np.array(up.normalized(), np.float64)
    result = placed.copy()
    for pose, target in zip(result, targets, strict=True):
        back = pose[:3, 3] - target[:3, 3]
        right = np.cross(up, back)
        if min(np.linalg.norm(back), np.linalg.norm(right)) < 1e-9:
            raise _NotSimpleError
        back, right = back / np.linalg.norm(back), right / np.linalg.norm(right)
        pose[:3, :3] = np.stack([right, np.cross(back, right), back], axis=1)
    return result


def _own(item: Object, at: Sequence[int]) -> np.ndarray:
    """n x 4 x 4: the object's own transform."""
    placed = keyed_paths.place_of(item, at)
    if placed is None:
        raise _NotSimpleError
    return placed


def _is_animated(item: ID) -> bool:
    animation = item.animation_data
    return animation is not None and bool(animation.action or animation.drivers or animation.nla_tracks)
