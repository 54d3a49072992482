# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the starting images of a job, one row per camera, with what the artist can do with them."""

from __future__ import annotations

from pathlib import Path

from bpy.types import Context, UILayout

from .. import readiness, state
from ..exchange import presence, start_files
from ..scene import starting
from ..state import paths
from ..translations import tr
from . import _preview_icons
from ._layout import paragraph, problem

SCALE = 5.0


def draw(layout: UILayout, context: Context, job: state.ReangleJob) -> None:
    """The starting images of a job; nothing for a job that has none. Accept and its kind only while it waits."""
    rows = [row for row in job.cameras if row.start]
    asks = job.waits or job.until == "starts"
    for row in rows:
        _draw_row(layout.box().column(), context, job, row, asks=asks)
    if job.waits:
        done = sum(row.accepted for row in rows)
        text = tr("Accept All ({done} of {rows} accepted)", done=done, rows=len(rows)) if done else tr("Accept All")
        layout.operator("reangle.accept_starts", text=text, icon="CHECKMARK").job = job.name


def waiting_line(job: state.ReangleJob) -> str:
    """How far the approval of a job is; "" for others."""
    if not (job.waits and job.until == "starts"):
        return ""
    rows = [row for row in job.cameras if row.start]
    return tr("{value} of {rows} accepted", value=sum(row.accepted for row in rows), rows=len(rows))


def _draw_row(box: UILayout, context: Context, job: state.ReangleJob, row: state.ReangleCamera, *, asks: bool) -> None:
    box.context_pointer_set("reangle_start", row)
    head = box.row(align=True)
    camera = state.alive(context.scene, row.camera)
    head.label(text=camera.name if camera is not None else row.name, icon="OUTLINER_OB_CAMERA")
    if asks and row.accepted:
        head.label(text="Accepted", icon="CHECKMARK")
    elif asks:
        _button(head, job, row, "accept_start", "Accept", "CHECKMARK")
    icon = _preview_icons.icon_of(_existing(paths.absolute(row.start) / start_files.IMAGE))
    if icon:
        box.template_icon(icon_value=icon, scale=SCALE)
    for line in row.about_start.splitlines():
        paragraph(box, context, line, "DOT")
    _draw_own(box, context, job, row)
    if asks and row.fallen:
        problem(box, context, row.fallen, "", "INFO")
    flow = box.grid_flow(row_major=True, columns=2, even_columns=True, align=True)
    for name, text, icon_name in (
        ("redo_start", "Redo", "FILE_REFRESH"),
        ("paint_start", "Paint", "BRUSH_DATA"),
        ("replace_start", "Replace", "FILE_IMAGE"),
        ("edit_start", "Edit", "GREASEPENCIL"),
        ("anchor_start", "Anchor", "DECORATE_KEYFRAME"),
        ("revert_start", "Revert", "LOOP_BACK"),
    ):
        _button(flow, job, row, name, text, icon_name)
    error = readiness.missing(lambda scene: readiness.check_start(scene, row), context.scene)
    if error is not None:
        problem(box, context, error.message, error.advice, "INFO")


def _draw_own(box: UILayout, context: Context, job: state.ReangleJob, row: state.ReangleCamera) -> None:
    """What of the starting image is the artist's."""
    if row.camera is None:
        return
    start = row.camera.reangle.start
    if start.source.path:
        file = paths.absolute(start.source.path).name
        paragraph(box, context, f"Your image {file}" if start.image.path else f"{file} is ready to paint", "FILE_IMAGE")
        _button(box, job, row, "take_start", "Take Back", "IMPORT")
        if starting.is_changed(row.camera, presence.digest_of):
            paragraph(box, context, f"{file} holds something new. Press Take Back to use it.", "INFO")
    if start.edit_target:
        paragraph(box, context, f"Edited: {start.edit_target}", "GREASEPENCIL")
    if len(start.anchors):
        first = state.of(context.scene).first_frame
        frames = ", ".join(str(frame) for frame in sorted(anchor.frame + first for anchor in start.anchors))
        paragraph(box, context, f"Anchors at scene frames {frames}", "DECORATE_KEYFRAME")


def _button(layout: UILayout, job: state.ReangleJob, row: state.ReangleCamera, name: str, text: str, icon: str) -> None:
    action = layout.operator(f"reangle.{name}", text=text, icon=icon)
    action.job, action.camera = job.name, row.name


def _existing(file: Path) -> str:
    return "" if presence.is_missing(file) else str(file)
