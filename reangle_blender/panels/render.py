# SPDX-License-Identifier: GPL-3.0-or-later
"""The Render panel: the engine, and the running jobs."""

from __future__ import annotations

import bpy
from bpy.types import Context, Panel

from .. import choices, readiness, state
from ..exchange import estimates
from ..scene import camera_status
from ..scene.cameras import artist_cameras
from ..state import engines
from ..translations import tr
from . import _job
from ._chosen import chosen
from ._layout import SidebarPanel, paragraph, reason, settings_column


class REANGLE_PT_render(SidebarPanel, Panel):
    bl_label = "Render"

    @classmethod
    def poll(cls, context: Context) -> bool:
        return bool(state.of(context.scene).shot_frames)

    def draw(self, context: Context) -> None:
        layout = self.layout
        shot = state.of(context.scene)
        column = settings_column(layout)
        column.prop(shot, "engine")
        chosen(column, context, "engine", shot.engine)
        said = ""
        if "reangle" in engines.groups(shot.engine):
            for name in engines.MAIN:
                column.prop(shot.learning, name)
                if name == "suite":
                    said = chosen(column, context, name, shot.learning.suite, engine=shot.engine)
        chosen_cameras, use_markers = readiness.cameras_to_render(context.scene)
        every = artist_cameras(context.scene)
        if every:
            text = tr(
                "{chosen_cameras} of {every} cameras ticked", chosen_cameras=len(chosen_cameras), every=len(every)
            )
            text = tr("{text}, and the scene camera", text=text) if use_markers else text
            layout.label(text=text, icon="OUTLINER_OB_CAMERA")
        render = context.scene.render
        width = render.resolution_x * render.resolution_percentage // 100
        height = render.resolution_y * render.resolution_percentage // 100
        layout.label(
            text=tr(
                "{width} x {height} pixels, {shot_frames} frames",
                width=width,
                height=height,
                shot_frames=shot.shot_frames,
            )
        )
        if (estimate := estimates.of_render(context.scene)) is not None:
            paragraph(layout, context, _job.estimate_line(estimate), "TIME")
        row = layout.row(align=True)
        row.operator("reangle.render", icon="RENDER_ANIMATION").which = "TICKED"
        changed = camera_status.outdated(context.scene, chosen_cameras)
        if changed and len(changed) < len(chosen_cameras):
            row.operator(
                "reangle.render", text=tr("Outdated ({changed})", changed=len(changed)), icon="FILE_REFRESH"
            ).which = "OUTDATED"
        reason(layout, context, readiness.check_render, said)
        for job in reversed(shot.jobs):
            if job.kind == "RENDER" and (not job.is_final or job.waits or job == shot.jobs[-1]):
                _job.draw(layout, context, job)


class REANGLE_PT_warp(SidebarPanel, Panel):
    bl_label = "Warp and Output"
    bl_parent_id = "REANGLE_PT_render"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        return "preview" in engines.groups(state.of(context.scene).engine)

    def draw(self, context: Context) -> None:
        shot = state.of(context.scene)
        column = settings_column(self.layout)
        for name in engines.PREVIEW:
            column.prop(shot.preview, name)


class REANGLE_PT_learning(SidebarPanel, Panel):
    bl_label = ""
    bl_parent_id = "REANGLE_PT_render"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        return "reangle" in engines.groups(state.of(context.scene).engine)

    def draw_header(self, context: Context) -> None:
        self.layout.prop(state.of(context.scene).learning, "use_own")

    def draw(self, context: Context) -> None:
        shot = state.of(context.scene)
        column = settings_column(self.layout)
        names = (*engines.LEARNING, *engines.GENERATING)
        if not engines.always_learns(shot.engine):
            names = (*engines.GENERATING, "use_learning", *(engines.LEARNING if shot.learning.use_learning else ()))
        if shot.learning.use_own:
            for name in names:
                column.prop(shot.learning, name)
            return
        recipe = choices.recipe(shot.learning.suite, shot.engine)
        if not recipe:
            paragraph(self.layout, context, "The values that suit the weights are used.", "INFO")
        for name in names:
            if name in recipe:
                split = column.split(factor=0.4)
                label = split.row()
                label.alignment = "RIGHT"
                label.label(text=tr(shot.learning.bl_rna.properties[name].name))
                split.label(text=_shown(recipe[name]))


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return tr("On" if value else "Off")
    return f"{value:g}" if isinstance(value, float) else str(value)


register, unregister = bpy.utils.register_classes_factory((REANGLE_PT_render, REANGLE_PT_learning, REANGLE_PT_warp))
