# SPDX-License-Identifier: GPL-3.0-or-later
"""Buttons of the list of cameras."""

from __future__ import annotations

import bpy
from bpy.props import StringProperty
from bpy.types import Context, Operator

from .. import readiness, state
from ..core.errors import UserError
from ..scene import camera_list
from ..state.ticks import is_from_library
from ._report import is_ready, reports_errors
from .angles import movable_camera
from .cameras import CAMERA_NAME, named_camera


class REANGLE_OT_hide_camera(Operator):
    bl_idname = "reangle.hide_camera"
    bl_label = "Hide"
    bl_description = "Hide this camera and its path in the view, or show it again. It can be rendered in any case"
    bl_options = {"UNDO", "INTERNAL"}

    camera: StringProperty(description=CAMERA_NAME, options={"HIDDEN", "SKIP_SAVE"})

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        camera = named_camera(context, self.camera)
        try:
            camera.hide_set(not camera.hide_get())
        except RuntimeError:
            raise UserError(
                f"{camera.name} is not in this view layer.", advice="Enable its collection in the outliner."
            ) from None
        return {"FINISHED"}


class REANGLE_OT_delete_camera(Operator):
    bl_idname = "reangle.delete_camera"
    bl_label = "Delete Camera"
    bl_description = "Delete the active camera; its results stay. Undo brings it back"
    bl_options = {"UNDO"}

    camera: StringProperty(description=CAMERA_NAME, options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context: Context) -> bool:
        return is_ready(cls, movable_camera, context.scene)

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        scene = context.scene
        state.check_editable(scene)
        camera = named_camera(context, self.camera) if self.camera else movable_camera(scene)
        if camera == state.of(scene).source:
            raise UserError("This is the clip's own camera.", advice="Choose another camera.")
        if is_from_library(camera):
            raise UserError(f"{camera.name} is from a library.", advice="Delete it in that file.")
        before = [item for item in camera_list.ordered(scene) if item != camera]
        place = camera_list.ordered(scene).index(camera)
        lens = camera.data
        bpy.data.objects.remove(camera)
        if not lens.users:
            bpy.data.cameras.remove(lens)
        if before:
            camera_list.select_only(context.view_layer, before[min(place, len(before) - 1)])
        return {"FINISHED"}


class REANGLE_OT_tick_cameras(Operator):
    bl_idname = "reangle.tick_cameras"
    bl_label = "Tick Cameras"
    bl_description = "Tick all cameras for rendering, none, or those without a result of their present path"
    bl_options = {"UNDO", "INTERNAL"}

    which: bpy.props.EnumProperty(
        name="Which",
        description="Which cameras are ticked",
        items=(
            ("ALL", "Tick All", "Render every camera", "CHECKBOX_HLT", 0),
            ("NONE", "Tick None", "Render no camera", "CHECKBOX_DEHLT", 1),
            (
                "OUTDATED",
                "Tick New and Outdated",
                "Render those without a result of their present path",
                "FILE_REFRESH",
                2,
            ),
        ),
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        return is_ready(cls, readiness.check_new_cameras, context.scene)

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        camera_list.tick(context.scene, self.which)
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory(
    (REANGLE_OT_hide_camera, REANGLE_OT_delete_camera, REANGLE_OT_tick_cameras)
)
