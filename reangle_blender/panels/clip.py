# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 1: the clip."""

from __future__ import annotations

import bpy
from bpy.types import Context, Panel, UILayout

from .. import state
from ..exchange import connection
from ..exchange.transfer import is_movie
from . import _job
from ._text import paragraph


class REANGLE_PT_clip(Panel):
    bl_label = "1  Clip"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Reangle"

    def draw(self, context: Context) -> None:
        layout = self.layout
        shot = state.of(context.scene)
        if shot.is_newer:
            paragraph(layout, context, "This file was saved by a newer Reangle. Update the add-on to use it.", "ERROR")
            return
        _draw_backend(layout, context)
        clip = shot.clip
        layout.prop(clip, "path", text="")
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(clip, "start")
        column.prop(clip, "frames")
        column.prop(clip, "use_own_size")
        if not clip.use_own_size:
            size = column.column(align=True)
            size.prop(clip, "width")
            size.prop(clip, "height")
        if clip.path and not is_movie(clip.path):
            column.prop(clip, "sequence_fps")
        column.prop(clip, "provider")
        _draw_provider(column, context, clip)
        column.prop(clip, "match_scene")
        column.prop(shot, "first_frame")
        layout.operator("reangle.import_clip", icon="IMPORT")
        latest = next((job for job in reversed(shot.jobs) if job.kind == "IMPORT"), None)
        if latest is not None:
            _job.draw(layout, context, latest)


def _draw_backend(layout: UILayout, context: Context) -> None:
    now = connection.now
    if now.state == "on":
        row = layout.row(align=True)
        row.label(text=f"Backend {now.version} is running", icon="LINKED")
        row.operator("reangle.stop_backend", text="", icon="QUIT")
    elif now.state == "starting":
        layout.label(text="The backend is starting", icon="TIME")
    else:
        layout.operator("reangle.start_backend", icon="PLAY")
        if now.failure is not None:
            paragraph(layout, context, now.failure.message, "ERROR")
            if now.failure.advice:
                paragraph(layout, context, now.failure.advice, "LIGHT")


def _draw_provider(layout: UILayout, context: Context, clip: state.ReangleClip) -> None:
    if clip.provider == "files":
        layout.prop(clip, "geometry_folder")
        layout.prop(clip, "depth_scale")
    if clip.provider in state.WITH_CHECKPOINT:
        layout.prop(clip, "checkpoint")
    row = layout.row(heading="Field of View")
    row.prop(clip, "use_fov", text="")
    field = row.row()
    field.active = clip.use_fov
    field.prop(clip, "fov_deg", text="")
    known = connection.now.provider(clip.provider)
    if known is None:
        return
    if known.licence:
        paragraph(layout, context, f"Licence: {known.licence}", "COPY_ID")
    if not known.available:
        paragraph(layout, context, known.message, "ERROR")
        if known.advice:
            paragraph(layout, context, known.advice, "LIGHT")


register, unregister = bpy.utils.register_classes_factory((REANGLE_PT_clip,))
