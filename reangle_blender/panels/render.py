# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 3: which cameras, and how far they are."""

from __future__ import annotations

import bpy
from bpy.types import Context, Panel

from .. import state
from ..scene.cameras import artist_cameras
from . import _job
from ._text import paragraph


class REANGLE_PT_render(Panel):
    bl_label = "3  Render"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Reangle"

    def draw(self, context: Context) -> None:
        layout = self.layout
        shot = state.of(context.scene)
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(shot, "engine")
        column.prop(shot, "method")
        column.prop(shot, "use_memory")
        if shot.engine == "reangle":
            column.prop(shot.learning, "suite")
            column.prop(shot.learning, "caption")
            column.prop(shot.learning, "exact")
        cameras = artist_cameras(context.scene)
        box = layout.box().column(align=True)
        for camera in cameras:
            row = box.row(align=True)
            row.prop(camera.reangle, "render", text="")
            row.label(text=camera.name, icon="OUTLINER_OB_CAMERA")
            row.operator("reangle.look_through", text="", icon="VIEW_CAMERA").camera = camera.name
        if not cameras:
            paragraph(box, context, "There is no new camera yet.")
        if any(marker.camera for marker in context.scene.timeline_markers):
            box.prop(shot, "use_markers")
        render = context.scene.render
        width = render.resolution_x * render.resolution_percentage // 100
        height = render.resolution_y * render.resolution_percentage // 100
        layout.label(text=f"{width} x {height} pixels, {shot.shot_frames} frames")
        layout.operator("reangle.render", icon="RENDER_ANIMATION")
        for job in reversed(shot.jobs):
            if job.kind == "RENDER" and (not job.is_final or job == shot.jobs[-1]):
                _job.draw(layout, context, job)


class REANGLE_PT_learning(Panel):
    bl_label = ""
    bl_parent_id = "REANGLE_PT_render"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        return state.of(context.scene).engine == "reangle"

    def draw_header(self, context: Context) -> None:
        self.layout.prop(state.of(context.scene).learning, "use_own")

    def draw(self, context: Context) -> None:
        chosen = state.of(context.scene).learning
        column = self.layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.active = chosen.use_own
        for name in ("shared_steps", "path_steps", "rank", "alpha", "rate"):
            column.prop(chosen, name)
        column.separator()
        for name in ("sampling_steps", "guidance", "dynamic_guidance", "warp_guidance", "fill_share"):
            column.prop(chosen, name)


register, unregister = bpy.utils.register_classes_factory((REANGLE_PT_render, REANGLE_PT_learning))
