# SPDX-License-Identifier: GPL-3.0-or-later
"""What Reangle knows of a camera, among the camera's own properties."""

from __future__ import annotations

import bpy
from bpy.types import Context, Object, Panel

from .. import readiness, state
from ..scene import camera_status, cameras, coverage
from ..state import ticks
from ..translations import tr
from ._layout import paragraph, reason, settings_column


def _camera(context: Context) -> Object | None:
    """The new camera whose properties are shown; None for other objects, and for the clip's own camera."""
    item = getattr(context, "object", None)
    return item if item is not None and item in cameras.artist_cameras(context.scene) else None


class REANGLE_PT_camera_data(Panel):
    bl_label = "Reangle"
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "data"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        return bool(state.of(context.scene).shot_frames) and _camera(context) is not None

    def draw(self, context: Context) -> None:
        layout, scene = self.layout, context.scene
        camera = _camera(context)
        if camera is None:
            return
        status = camera_status.statuses(scene).get(camera.session_uid)
        if status is not None:
            paragraph(layout, context, f"{tr(status.help)}.", "INFO")
        if (found := coverage.summary(scene, camera)) is not None:
            text = f"The clip shows {found.known:.0%} of its pictures, {found.worst:.0%} at frame {found.worst_frame}."
            paragraph(layout, context, text, "VIS_SEL_11")
        column = settings_column(layout)
        column.enabled = not ticks.is_from_library(camera)
        column.prop(camera.reangle, "render")
        column.prop(camera.reangle, "color")
        column.prop(camera.reangle, "is_frozen")
        if camera.reangle.is_frozen:
            column.prop(camera.reangle, "freeze_frame")
        layout.operator("reangle.look_through", icon="VIEW_CAMERA").camera = camera.name
        layout.operator("reangle.render", icon="RENDER_ANIMATION")
        reason(layout, context, readiness.check_render)


register, unregister = bpy.utils.register_classes_factory((REANGLE_PT_camera_data,))
