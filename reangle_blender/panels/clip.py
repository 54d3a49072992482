# SPDX-License-Identifier: GPL-3.0-or-later
"""The Clip panel: the clip. Before an import its sources, afterwards what is known of it."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.types import Context, Panel, UILayout

from .. import choices, readiness, state
from ..exchange import auto_start, connection, estimates
from ..exchange.transfer import is_movie
from ..scene import clip_list
from ..state.clip import EVERY_SETTING, reads
from ..state.from_contract import switch_of
from ..translations import tr
from . import _job, _preview_icons
from ._chosen import chosen
from ._layout import SidebarPanel, paragraph, problem, reason, settings_column

THUMBNAIL_SCALE = 3.5


class REANGLE_PT_clip(SidebarPanel, Panel):
    bl_label = "Clip"

    def draw(self, context: Context) -> None:
        layout = self.layout
        shot = state.of(context.scene)
        if shot.is_newer:
            reason(layout, context, state.check_editable)
            return
        _draw_backend(layout, context)
        _draw_clips(layout, context)
        if shot.shot_frames:
            _draw_imported(layout, context)
        else:
            layout.prop(shot.clip, "path", text="")
            column = settings_column(layout)
            _draw_sources(column, context, shot)
            _draw_import(layout, context)
        if (imported := shot.jobs.get(shot.shot)) is not None:
            _job.draw_missing(layout, context, imported)
        latest = next((job for job in reversed(shot.jobs) if job.kind == "IMPORT"), None)
        if latest is not None and not (latest.loaded and latest.name == shot.shot and shot.about):
            _job.draw(layout, context, latest)


class REANGLE_PT_import(SidebarPanel, Panel):
    bl_label = "Import Settings"
    bl_parent_id = "REANGLE_PT_clip"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        return not state.of(context.scene).is_newer

    def draw(self, context: Context) -> None:
        layout, shot = self.layout, state.of(context.scene)
        clip = shot.clip
        if shot.shot_frames:
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
        column.prop(clip, "match_scene")
        if not shot.shot_frames:
            column.prop(clip, "make_active")
            column.prop(shot, "at_scene_start")
        if shot.shot_frames or not shot.at_scene_start:
            column.prop(shot, "first_frame")
        if shot.shot_frames:
            _draw_sources(column, context, shot)
            _draw_import(layout, context)


class REANGLE_PT_geometry(SidebarPanel, Panel):
    bl_label = "Camera and Depth"
    bl_parent_id = "REANGLE_PT_clip"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        return bool(state.of(context.scene).about)

    def draw(self, context: Context) -> None:
        for line in sorted(_known(state.of(context.scene)), key=_subject):
            paragraph(self.layout, context, _in_words(line), list(_ICONS.values())[_subject(line)])


class REANGLE_PT_cloud(SidebarPanel, Panel):
    bl_label = "Point Cloud"
    bl_parent_id = "REANGLE_PT_clip"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        return state.alive(context.scene, state.of(context.scene).cloud) is not None

    def draw(self, context: Context) -> None:
        shot = state.of(context.scene)
        column = settings_column(self.layout)
        column.prop(shot, "point_size")
        column.prop(shot, "playing_share")


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


_SUBJECTS = ("Camera", "Lens", "Depth", "Unit")


def _in_words(line: str) -> str:
    """The line in the artist's language: as a whole, or the facts of a subject one by one."""
    subject, _, facts = line.partition(": ")
    if subject not in _SUBJECTS or tr(line) != line:
        return tr(line)
    return f"{tr(subject)}: {', '.join(tr(fact) for fact in facts.split(', '))}"


def _draw_clips(layout: UILayout, context: Context) -> None:
    """The clips of the file, each in a scene of its own, and a button for another."""
    others = clip_list.scenes_with_clips()
    if context.scene not in others or len(others) < 2:
        if state.of(context.scene).shot_frames:
            layout.operator("reangle.new_clip", icon="ADD")
        return
    column = layout.box().column(align=True)
    for scene in others:
        row = column.row(align=True)
        shown = row.operator(
            "reangle.show_clip",
            text=state.of(scene).shot_title or scene.name,
            icon="RADIOBUT_ON" if scene == context.scene else "RADIOBUT_OFF",
            emboss=False,
        )
        shown.scene = scene.name
    column.operator("reangle.new_clip", icon="ADD", emboss=False)


def _draw_imported(layout: UILayout, context: Context) -> None:
    """The clip in a few lines."""
    scene = context.scene
    shot = state.of(scene)
    split = layout.split(factor=0.28)
    path = bpy.path.abspath(shot.clip.path) if shot.clip.path else ""
    if icon := _preview_icons.icon_of(path, movie=bool(path) and is_movie(path)):
        split.template_icon(icon_value=icon, scale=THUMBNAIL_SCALE)
    else:
        split.label(text="", icon="FILE_MOVIE")
    lines = split.column(align=True)
    lines.scale_y = 0.8
    last = shot.first_frame + shot.shot_frames - 1
    seconds = shot.shot_frames / shot.shot_fps if shot.shot_fps else 0.0
    lines.label(text=shot.shot_title or Path(path).name)
    size = f"{shot.shot_width} x {shot.shot_height}"
    lines.label(
        text=tr("{size}, {fps} fps, {seconds} s", size=size, fps=f"{shot.shot_fps:g}", seconds=f"{seconds:.1f}")
    )
    lines.label(text=tr("Scene frames {first_frame} to {last}", first_frame=shot.first_frame, last=last))
    for start in ("Camera: ", "Depth: "):
        if line := next((line for line in shot.about.splitlines() if line.startswith(start)), ""):
            paragraph(layout, context, _in_words(line), _ICONS[start])
    _draw_licence(layout, shot)
    source = state.alive(scene, shot.source)
    if source is not None:
        row = layout.row(align=True)
        row.context_pointer_set("reangle_camera", source)
        row.operator("reangle.look_through", text="Look Through", icon="VIEW_CAMERA")
        if state.alive(scene, shot.cloud) is not None:
            row.operator("reangle.set_floor", icon="EMPTY_ARROWS")


def _draw_licence(layout: UILayout, shot: state.ReangleScene) -> None:
    """Where the clip's camera or depth may not be used commercially."""
    for kind, name in (("camera", shot.clip.camera), ("depth", shot.clip.depth)):
        choice = choices.find(kind, name)
        if choice is not None and choice.licence and not choice.commercial_ok:
            layout.label(text=tr("{label}: not for commercial work", label=choice.label), icon="LOCKED")


def _draw_import(layout: UILayout, context: Context) -> None:
    row = layout.row(align=True)
    row.operator("reangle.import_clip", icon="IMPORT")
    row.operator("reangle.import_footage", text="", icon="FILEBROWSER")
    if connection.now.failure is None:  # else that stands above
        reason(layout, context, readiness.check_import)
    running = any(job.kind == "IMPORT" and not job.is_final for job in state.of(context.scene).jobs)
    if not running and (estimate := estimates.of_import(context.scene)) is not None:
        paragraph(layout, context, _job.estimate_line(estimate), "TIME")


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
    """What keeps the backend from working; nothing while it runs."""
    now = connection.now
    if now.state == "starting":
        layout.label(text="The backend is starting", icon="TIME")
    elif now.state != "on":
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
        row = layout.row(heading=tr(clip.bl_rna.properties[name].name))
        row.prop(clip, switch_of(name), text="")
        field = row.row()
        field.active = getattr(clip, switch_of(name))
        field.prop(clip, name, text="")
    else:
        layout.prop(clip, name)


register, unregister = bpy.utils.register_classes_factory(
    (REANGLE_PT_clip, REANGLE_PT_import, REANGLE_PT_geometry, REANGLE_PT_cloud)
)
