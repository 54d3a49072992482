# SPDX-License-Identifier: GPL-3.0-or-later
"""Several cameras in one click, and cameras that go with the clip's camera."""

from __future__ import annotations

from dataclasses import replace

import bpy
import numpy as np
from bpy.props import BoolProperty, EnumProperty, FloatProperty
from bpy.types import Context, Object, Operator, Scene

from .. import choices, readiness, state
from ..core.contract.moves import KINDS, Move
from ..core.errors import UserError
from ..scene import camera_list, cameras, focus, moves
from ..translations import tr
from ._report import is_ready, reports_errors
from .cameras import new_camera

_ALL: tuple[tuple[str, float], ...] = (
    *(("orbit-left", 15), ("orbit-right", 15), ("dolly-in", 25)),
    *(("orbit-up", 10), ("orbit-down", 10)),
    *(("orbit-left", 30), ("orbit-right", 30), ("dolly-out", 25), ("crane-up", 20), ("truck-left", 15)),
)
SETS = {"THREE": _ALL[:3], "FIVE": _ALL[:5], "TEN": _ALL}
"""Moves and amounts of each set of angles."""


class REANGLE_OT_add_angles(Operator):
    bl_idname = "reangle.add_angles"
    bl_label = "Add Angles"
    bl_description = "Add several cameras around the clip's camera at once, each with a move or at a place of its own"
    bl_options = {"REGISTER", "UNDO"}

    angles: EnumProperty(
        name="Angles",
        description="How many cameras, and where they are",
        items=(
            ("THREE", "Three", "From the left, from the right, and closer", 0),
            ("FIVE", "Five", "Also from above and from below", 1),
            ("TEN", "Ten", "Also from further left and right, further back, from a crane, and from the side", 2),
        ),
    )
    held: BoolProperty(
        name="Still", description="Stay at the end of the move for the whole clip; otherwise move there", default=True
    )
    strength: FloatProperty(
        name="Strength", description="Multiplies how far the angles are apart", default=1, min=0.1, max=3, step=10
    )
    follow: BoolProperty(name="Follow Clip Camera", description="Add the angles to its motion", default=True)
    focus: EnumProperty(name="Focus", description="The point that all angles look at", items=focus.KINDS)

    @classmethod
    def poll(cls, context: Context) -> bool:
        return is_ready(cls, readiness.check_new_cameras, context.scene)

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        scene = context.scene
        readiness.check_new_cameras(scene)
        on = context.active_object if self.focus == "ACTIVE" else None
        focus.object_of(scene, self.focus, on)
        base = moves.source_path(scene, follow=self.follow)
        made: list[Object] = []
        for kind, amount in SETS[self.angles]:
            move = Move(kind, min(amount * self.strength, KINDS[kind].maximum), held=self.held)
            camera = new_camera(scene, f"{choices.label_of('move', kind)} {move.amount:g}", base)
            moves.apply(scene, camera, base, move, self.focus, on)
            made.append(camera)
        camera_list.select_only(context.view_layer, made[0])
        self.report({"INFO"}, tr("Added {made} cameras.", made=len(made)))
        return {"FINISHED"}

    def draw(self, _context: Context) -> None:
        column = self.layout.column()
        column.use_property_split = True
        for name in ("angles", "strength", "focus", "held", "follow"):
            column.prop(self, name)


class REANGLE_OT_follow_clip_camera(Operator):
    bl_idname = "reangle.follow_clip_camera"
    bl_label = "Follow with Offset"
    bl_description = (
        "Key the active camera so that it keeps its present offset to the clip's camera over the whole clip"
    )
    bl_options = {"REGISTER", "UNDO"}

    lens: BoolProperty(
        name="Follow Lens", description="Zoom as the clip's camera does; otherwise keep the present lens", default=True
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        return is_ready(cls, _check_follow, context.scene)

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        scene = context.scene
        _check_follow(scene)
        camera = camera_list.active_camera(scene)
        here = moves.shown_frame(scene) - state.of(scene).first_frame
        source, own = cameras.export_paths(scene, [state.of(scene).source, camera])
        sources = np.asarray(source.world_from_camera)
        offset = np.linalg.inv(sources[here]) @ np.asarray(own.world_from_camera[here])
        K = np.tile(np.asarray(own.K[here]), (len(own.K), 1, 1))
        if self.lens:
            zoom = np.asarray(source.K)[:, 0, 0] / source.K[here][0][0]
            K[:, (0, 1), (0, 1)] *= zoom[:, None]
        path = replace(own, world_from_camera=(sources @ offset).tolist(), K=K.tolist())
        cameras.key_path(camera, path, state.of(scene).first_frame, state.of(scene).unit)
        return {"FINISHED"}


def _check_follow(scene: Scene) -> None:
    """Raises UserError if the active camera cannot follow the clip's."""
    readiness.check_new_cameras(scene)
    moves.check_movable(scene, movable_camera(scene))
    if state.alive(scene, state.of(scene).source) is None:
        raise UserError("The clip's camera is not in the scene.", advice="Import the clip first.")


def movable_camera(scene: Scene) -> Object:
    """The active camera. Raises UserError if there is none, or it is the clip's own."""
    camera = camera_list.active_camera(scene)
    if camera is None:
        raise UserError(
            "The active object is not a camera.", advice="Select a camera in the list of the Cameras panel."
        )
    if camera == state.of(scene).source:
        raise UserError("This is the clip's own camera.", advice="Add a new camera and change that.")
    return camera


register, unregister = bpy.utils.register_classes_factory((REANGLE_OT_add_angles, REANGLE_OT_follow_clip_camera))
