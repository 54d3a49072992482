# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves of `core.moves` as keyframes on Blender cameras."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from bpy.types import Object, Scene

from .. import state
from ..core import moves
from ..core.contract import CameraPath
from ..core.contract.moves import Move, move_times
from ..core.errors import UserError
from ..core.keys import CameraKeys, fit_keys
from . import cameras, focus, keyframes, point_cloud

POSITION_TOLERANCE = 2e-4
"""Relative to the focus depth; keeps an arc visibly round."""


def focus_depth(scene: Scene, *, measured: bool = False) -> float:
    """The artist's focus distance, or the depth in the middle of the clip's first frame, in the geometry's unit.

    measured: the latter in any case.
    """
    shot = state.of(scene)
    if shot.focus > 0 and not measured:
        return shot.focus / shot.unit
    cloud = point_cloud.cloud_of(scene)
    if cloud is None:
        if not shot.shot:
            raise UserError("The clip has no depth yet.", advice="Wait for its first depth, or set the focus distance.")
        raise UserError(
            "The point cloud is not loaded.",
            advice="If the Clip panel says that its folder is not there, find or fetch it, or set the focus distance.",
        )
    return cloud.focus_depth(0)


def apply(
    scene: Scene, camera: Object, base: CameraPath, move: Move, kind: focus.Kind = "SCENE", active: Object | None = None
) -> CameraKeys:
    """Key `base` with the move added onto the camera, a child of the origin. Returns the keys with their errors.

    kind: where the focus is; active: the object for ACTIVE. The camera keeps the focus point.
    Raises UserError for a focus that is not in front, and for moves that this base does not allow, such as an arc of a
    camera that looks straight down.
    """
    point = focus.point_of(scene, kind, active)
    times, sources = move_times(len(base.frames)), np.asarray(base.world_from_camera)
    if point is None:
        depth = focus_depth(scene, measured=kind == "CLOUD")
        moved = moves.move_camera(move, times, sources, depth)
        point = sources[0, :3, 3] + depth * sources[0, :3, 2]
    else:
        moved = moves.move_about(move, times, sources, point)
        depth = float(np.linalg.norm(point - sources[0, :3, 3]))
    camera.reangle.focus, camera.reangle.has_focus = focus.in_origin(scene, point), True
    unit = state.of(scene).unit
    K = moved.intrinsics(np.asarray(base.K, np.float64))
    values = cameras.channel_values(camera, replace(base, K=K.tolist()), unit)
    placed = moved.world_from_camera.copy()
    placed[:, :3, 3] *= unit
    keys = fit_keys(placed, values[:, 6], position_tolerance=POSITION_TOLERANCE * depth * unit)
    cameras.make_own(camera)
    cameras.set_values(camera, values[0])
    keyframes.write_keys(camera, keys, state.of(scene).first_frame)
    cameras.key_shifts(camera, values[:, 7:], state.of(scene).first_frame)
    return keys


def still(path: CameraPath, index: int) -> CameraPath:
    """A path that keeps the camera of row `index`."""
    count = len(path.frames)
    return replace(
        path,
        world_from_camera=path.world_from_camera[index : index + 1] * count,
        K=path.K[index : index + 1] * count,
    )


def source_path(scene: Scene, *, follow: bool) -> CameraPath:
    """The scene's camera of the clip. follow: with its motion; otherwise it keeps its pose of the current frame."""
    source = state.alive(scene, state.of(scene).source)
    if source is None:
        raise UserError("The clip's camera is not in the scene.", advice="Import the clip first.")
    path = cameras.export_paths(scene, [source])[0]
    return path if follow else still(path, point_cloud.clip_frame(scene))


def shown_frame(scene: Scene) -> int:
    """Scene frame of the clip's frame that is shown now."""
    return state.of(scene).first_frame + point_cloud.clip_frame(scene)


def check_movable(scene: Scene, camera: Object) -> None:
    """Raises UserError if keys on the camera's own transform would not be its pose in the geometry's world."""
    name, origin = f"Camera {camera.name!r}", state.alive(scene, state.of(scene).origin)
    by_hand = "or key the move by hand: any camera of the scene can be rendered."
    if camera.library is not None:
        raise UserError(f"{name} is linked from {camera.library.name}.", advice="Make a library override of it first.")
    if camera.constraints:
        raise UserError(f"{name} has constraints of its own.", advice=f"Clear them, {by_hand}")
    if camera.parent is None:
        raise UserError(
            f"{name} is not a child of the clip's origin.",
            advice=f"Make the origin its parent, {by_hand}",
        )
    if camera.parent != origin:
        raise UserError(f"{name} has a parent of its own.", advice=f"Make the clip's origin its parent, {by_hand}")
    if not np.allclose(np.array(camera.matrix_parent_inverse), np.eye(4), atol=1e-6):
        raise UserError(f"{name} keeps an offset to its parent.", advice=f"Clear the parent inverse, {by_hand}")
    animated = [block.animation_data for block in (camera, camera.data) if block.animation_data is not None]
    if any(animation.drivers for animation in animated):
        raise UserError(f"{name} is driven.", advice=f"Remove its drivers, {by_hand}")
    if any(animation.action_influence != 1 or animation.action_blend_type != "REPLACE" for animation in animated):
        raise UserError(
            f"{name} has an action that is blended.", advice=f"Set it to Replace with influence 1, {by_hand}"
        )
    if any(track.strips for animation in animated for track in animation.nla_tracks):
        raise UserError(f"{name} has strips in the nonlinear animation.", advice=f"Bake them to keys, {by_hand}")
