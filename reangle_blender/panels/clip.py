# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 1: the backend and the clip."""

from __future__ import annotations

import bpy
from bpy.types import Context, Panel, UILayout

from .. import state
from ..exchange import connection
from ..exchange.transfer import is_movie
from ..state.clip import geometry_settings
from ..state.from_contract import switch_of
from . import _job
from ._layout import SidebarPanel, chosen, paragraph, problem, settings_column


class REANGLE_PT_clip(SidebarPanel, Panel):
    bl_label = "1  Clip"

    def draw(self, context: Context) -> None:
        layout = self.layout
        shot = state.of(context.scene)
        if shot.is_newer:
            paragraph(layout, context, "This file was saved by a newer Reangle. Update the add-on to use it.", "ERROR")
            return
        _draw_backend(layout, context)
        clip = shot.clip
        layout.prop(clip, "path", text="")
        column = settings_column(layout)
        for name in ("start", "frames", "use_own_size"):
            column.prop(clip, name)
        if not clip.use_own_size:
            size = column.column(align=True)
            size.prop(clip, "width")
            size.prop(clip, "height")
        if clip.path and not is_movie(clip.path):
            column.prop(clip, "sequence_fps")
        column.prop(clip, "provider")
        for name in geometry_settings(clip.provider):
            _draw_geometry_setting(column, clip, name)
        chosen(column, context, "provider", clip.provider)
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
            problem(layout, context, now.failure.message, now.failure.advice)


def _draw_geometry_setting(layout: UILayout, clip: state.ReangleClip, name: str) -> None:
    """A setting of geometry; an optional number with its switch before it."""
    if name == "files":
        layout.prop(clip, "geometry_folder")
    elif switch_of(name) in clip.bl_rna.properties:
        row = layout.row(heading=clip.bl_rna.properties[name].name)
        row.prop(clip, switch_of(name), text="")
        field = row.row()
        field.active = getattr(clip, switch_of(name))
        field.prop(clip, name, text="")
    else:
        layout.prop(clip, name)


register, unregister = bpy.utils.register_classes_factory((REANGLE_PT_clip,))
