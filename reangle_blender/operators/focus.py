# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the focus of moves is: on an object, at the 3D cursor, or at a point picked on the cloud."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from bpy.props import EnumProperty
from bpy.types import Context, Event, Operator, Scene
from mathutils import Vector

from .. import readiness, state
from ..core import picking
from ..core.errors import UserError
from ..scene import focus, moves, point_cloud
from ..translations import CONTEXT, tr
from ._report import is_ready, report_error, reports_errors
from .angles import movable_camera


class REANGLE_OT_set_focus(Operator):
    bl_idname = "reangle.set_focus"
    bl_label = "Set Focus"
    bl_description = "Choose the point that new moves go around and keep in view"
    bl_options = {"REGISTER", "UNDO"}

    at: EnumProperty(
        name="At",
        description="What the focus is set to",
        translation_context=CONTEXT,
        items=(
            ("ACTIVE", "Active Object", "The active object, also when it is moved later", "OBJECT_ORIGIN", 0),
            ("CURSOR", "3D Cursor", "An empty at the 3D cursor", "PIVOT_CURSOR", 1),
            ("CLOUD", "Middle of the Cloud", "The depth in the middle of the clip's first frame", "POINTCLOUD_DATA", 2),
        ),
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        return is_ready(cls, readiness.check_new_cameras, context.scene)

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        scene = context.scene
        readiness.check_new_cameras(scene)
        shot = state.of(scene)
        if self.at == "CURSOR":
            focus.put_at(scene, scene.cursor.location)
        elif self.at == "ACTIVE":
            shot.focus_object = focus.object_of(scene, "ACTIVE", context.active_object)
        else:
            shot.focus_object, shot.focus = None, 0
        return {"FINISHED"}


def _check_pick(scene: Scene) -> None:
    """Raises UserError if no point can be picked."""
    readiness.check_new_cameras(scene)
    if bpy.app.background:
        raise UserError("Points are picked in a window.", advice="Set the focus to an object or to the 3D cursor.")
    if point_cloud.cloud_of(scene) is None or state.alive(scene, state.of(scene).cloud) is None:
        raise UserError(
            "There is no point cloud to pick from.", advice="Wait for the clip's depth, or use the 3D cursor."
        )


class REANGLE_OT_pick_focus(Operator):
    bl_idname = "reangle.pick_focus"
    bl_label = "Pick Focus"
    bl_description = "Click a point of the cloud: new moves go around it and keep it in view"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        return is_ready(cls, _check_pick, context.scene)

    def invoke(self, context: Context, _event: Event) -> set[str]:
        if context.area is None or context.area.type != "VIEW_3D":
            return report_error(
                self, UserError("Points are picked in a 3D view.", advice="Start this from its sidebar.")
            )
        context.window.cursor_modal_set("EYEDROPPER")
        context.workspace.status_text_set(tr("Click a point of the cloud    Esc or right click: cancel"))
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: Context, event: Event) -> set[str]:
        if event.type in {"ESC", "RIGHTMOUSE"}:
            self._end(context)
            return {"CANCELLED"}
        if event.type != "LEFTMOUSE" or event.value != "PRESS":
            # The view can still be turned and zoomed.
            return (
                {"PASS_THROUGH"}
                if event.type.startswith(("MIDDLE", "WHEEL", "NUMPAD", "TRACKPAD"))
                else {"RUNNING_MODAL"}
            )
        self._end(context)
        try:
            place = picked(context, event.mouse_x, event.mouse_y)
        except UserError as error:
            return report_error(self, error)
        focus.put_at(context.scene, place)
        return {"FINISHED"}

    def _end(self, context: Context) -> None:
        context.window.cursor_modal_restore()
        context.workspace.status_text_set(None)


def picked(context: Context, x: int, y: int) -> Vector:
    """The point of the cloud, in Blender's world, that is seen at a place of the window.

    Raises UserError if there is no view or no point.
    """
    scene = context.scene
    _check_pick(scene)
    region = next(
        (
            part
            for area in context.screen.areas
            if area.type == "VIEW_3D"
            for part in area.regions
            if part.type == "WINDOW" and 0 <= x - part.x < part.width and 0 <= y - part.y < part.height
        ),
        None,
    )
    view: Any = region.data if region is not None else None
    if view is None:
        raise UserError("There is no 3D view under the mouse.", advice="Click a point of the cloud in a 3D view.")
    item, cloud = state.of(scene).cloud, point_cloud.cloud_of(scene)
    shown = cloud.frame(cloud.nearest(point_cloud.clip_frame(scene)), filters=point_cloud.filters_of(scene)).co
    index = picking.point_under(
        shown,
        np.array(view.perspective_matrix @ item.matrix_world, np.float64),
        (region.width, region.height),
        (x - region.x, y - region.y),
        drawn=state.of(scene).point_size,
    )
    if index is None:
        raise UserError("There is no point of the cloud under the mouse.", advice="Click on the cloud.")
    return item.matrix_world @ Vector(shown[index].tolist())


class REANGLE_OT_track_focus(Operator):
    bl_idname = "reangle.track_focus"
    bl_label = "Track Focus"
    bl_description = "Let the active camera look at the focus all the time, by a Track To constraint"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        return is_ready(cls, _check_track, context.scene)

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        scene = context.scene
        _check_track(scene)
        camera = movable_camera(scene)
        target = state.alive(scene, state.of(scene).focus_object)
        if target is None:
            if camera.reangle.has_focus:
                place = camera.reangle.focus
            else:
                source = np.asarray(moves.source_path(scene, follow=True).world_from_camera[0])
                place = focus.in_origin(scene, source[:3, 3] + moves.focus_depth(scene) * source[:3, 2])
            target = focus.add_empty(scene, place, f"{camera.name} Focus")
        focus.track(camera, target)
        return {"FINISHED"}


def _check_track(scene: Scene) -> None:
    """Raises UserError if the active camera cannot get a constraint."""
    readiness.check_new_cameras(scene)
    camera = movable_camera(scene)
    if camera.library is not None:
        raise UserError(f"{camera.name} is from a library.", advice="Make a library override of it first.")


register, unregister = bpy.utils.register_classes_factory(
    (REANGLE_OT_set_focus, REANGLE_OT_pick_focus, REANGLE_OT_track_focus)
)
