# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts the clip's origin where three picked points lie on the world's floor."""

from __future__ import annotations

import numpy as np
from bpy.types import Object, Scene
from mathutils import Matrix

from .. import state
from ..core.errors import UserError
from ..core.floor import world_on_floor
from . import background


def check(scene: Scene) -> Object:
    """The clip's origin. Raises UserError if there is none, or it cannot be placed."""
    state.check_editable(scene)
    shot = state.of(scene)
    origin = state.alive(scene, shot.origin)
    if origin is None or state.alive(scene, shot.cloud) is None:
        raise UserError("There is no point cloud to pick from.", advice="Import a clip first.")
    animation = origin.animation_data
    is_driven = animation is not None and (animation.action is not None or len(animation.drivers) > 0)
    if origin.library is not None or len(origin.constraints) > 0 or is_driven:
        raise UserError(
            f"{origin.name!r} is animated, constrained or linked, so it cannot be placed.",
            advice="Clear that, or hang it on an empty that you place.",
        )
    return origin


def set_floor(scene: Scene, points: np.ndarray, along: str, length: float) -> list[str]:
    """Move the clip's origin with all that hangs on it. Returns notes about what does not go along.

    points: 3 x 3, in Blender's world as it is now. along, length: as in `world_on_floor`; the first camera is above.
    """
    origin = check(scene)
    before = origin.matrix_world.copy()
    moved = world_on_floor(points, np.array(before.translation), along=along, length=length)
    origin.matrix_world = Matrix(moved.tolist()) @ before
    scale = float(np.cbrt(np.linalg.det(moved[:3, :3])))
    below = [item for item in origin.children_recursive if item.type == "CAMERA"]
    for data in {item.data for item in below if item.data.library is None}:
        # Blender draws and clips cameras in the world's unit, whatever their scale.
        data.display_size *= scale
        data.clip_end *= max(1.0, scale)
        data.clip_start *= min(1.0, scale)
    for layer in scene.view_layers:
        layer.update()
    background.fit_plane(scene)
    return _left_behind(scene, below)


def _left_behind(scene: Scene, below: list[Object]) -> list[str]:
    names = [
        repr(item.name)
        for item in scene.objects
        if item.type == "CAMERA" and item not in below and state.is_ticked(scene, item)
    ]
    return [f"{', '.join(names)} stayed: what does not hang on the clip's origin is not moved."] if names else []
