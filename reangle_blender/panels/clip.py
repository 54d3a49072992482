# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 1: the backend and the clip."""

from __future__ import annotations

import bpy
from bpy.types import Context, Panel, UILayout

from .. import readiness, state
from ..exchange import auto_start, connection, estimates
from ..exchange.transfer import is_movie
from ..state.clip import EVERY_SETTING, reads
from ..state.from_contract import switch_of
from . import _job
from ._chosen import chosen
from ._layout import SidebarPanel, paragraph, problem, reason, settings_column


class REANGLE_PT_clip(SidebarPanel, Panel):
    bl_label = "1  Clip"

    def draw(self, context: Context) -> None:
        layout = self.layout
        shot = state.of(context.scene)
        if shot.is_newer:
            reason(layout, context, state.check_editable)
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
        _draw_sources(column, context, shot)
        column.prop(clip, "match_scene")
        if not shot.shot_frames:
            column.prop(clip, "make_active")
        if not shot.shot_frames:
            column.prop(shot, "at_scene_start")
        if shot.shot_frames or not shot.at_scene_start:
            column.prop(shot, "first_frame")
        row = layout.row(align=True)
        row.operator("reangle.import_clip", icon="IMPORT")
        row.operator("reangle.import_footage", text="", icon="FILEBROWSER")
        if connection.now.failure is None:  # else that stands above
            reason(layout, context, readiness.check_import)
        source = state.alive(context.scene, shot.source)
        if source is not None:
            row = layout.row()
            row.context_pointer_set("reangle_camera", source)
            row.operator("reangle.look_through", text="Look Through Clip's Camera", icon="VIEW_CAMERA")
            if state.alive(context.scene, shot.cloud) is not None:
                layout.operator("reangle.set_floor", icon="EMPTY_ARROWS")
        if (imported := shot.jobs.get(shot.shot)) is not None:
            _job.draw_missing(layout, context, imported)
        latest = next((job for job in reversed(shot.jobs) if job.kind == "IMPORT"), None)
        if (latest is None or latest.is_final) and (estimate := estimates.of_import(context.scene)) is not None:
            paragraph(layout, context, _job.estimate_line(estimate), "TIME")
        if latest is not None and not (latest.loaded and latest.name == shot.shot and shot.about):
            _job.draw(layout, context, latest)


class REANGLE_PT_geometry(SidebarPanel, Panel):
    bl_label = "Camera and Depth"
    bl_parent_id = "REANGLE_PT_clip"

    @classmethod
    def poll(cls, context: Context) -> bool:
        return bool(state.of(context.scene).about)

    def draw(self, context: Context) -> None:
        for line in sorted(_known(state.of(context.scene)), key=_subject):
            paragraph(self.layout, context, line, list(_ICONS.values())[_subject(line)])


def _known(shot: state.ReangleScene) -> list[str]:
    """What is known of the imported clip's camera and depth."""
    job = shot.jobs.get(shot.shot)
    notes = job.notes.splitlines() if job is not None and job.loaded else []
    return list(dict.fromkeys([*shot.about.splitlines(), *notes]))


_ICONS = {
    "Camera: ": "OUTLINER_OB_CAMERA",
    "Lens: ": "CAMERA_DATA",
    "Depth: ": "MOD_DISPLACE",
    "Unit: ": "EMPTY_AXIS",
    "": "DOT",
}
"""Starts of the lines about camera and depth, in the order in which they are shown."""


def _subject(line: str) -> int:
    return next(number for number, start in enumerate(_ICONS) if line.startswith(start))


def _draw_sources(column: UILayout, context: Context, shot: state.ReangleScene) -> None:
    """The sources of camera and depth, each with its settings; one that both read is drawn once."""
    clip, known = shot.clip, _known(shot)
    drawn: set[str] = set()
    offered: set[str] = set()
    for kind, name in (("camera", clip.camera), ("depth", clip.depth)):
        column.prop(clip, kind)
        for setting in EVERY_SETTING:
            if setting not in drawn and reads(kind, name, setting):
                _draw_geometry_setting(column, clip, setting)
                drawn.add(setting)
        named = clip.checkpoint if reads(kind, name, "checkpoint") else ""
        chosen(column, context, kind, name, said=known, named=named, offered=offered)


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
            layout.operator("reangle.open_preferences", icon="PREFERENCES")
        auto_start.needed()


def _draw_geometry_setting(layout: UILayout, clip: state.ReangleClip, name: str) -> None:
    """A setting of geometry; an optional number with its switch before it."""
    if name in ("files", "given"):
        layout.prop(clip, "geometry_folder" if name == "files" else "given_camera")
    elif switch_of(name) in clip.bl_rna.properties:
        row = layout.row(heading=clip.bl_rna.properties[name].name)
        row.prop(clip, switch_of(name), text="")
        field = row.row()
        field.active = getattr(clip, switch_of(name))
        field.prop(clip, name, text="")
    else:
        layout.prop(clip, name)


register, unregister = bpy.utils.register_classes_factory((REANGLE_PT_clip, REANGLE_PT_geometry))
