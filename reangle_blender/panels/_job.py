# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws one job: its progress, its error, its notes, and the starting images that wait for approval."""

from __future__ import annotations

import bpy
from bpy.types import Context, UILayout

from .. import state
from ..core.contract import Estimate
from ..translations import tr
from . import _preview_icons, _starts
from ._layout import duration, paragraph, problem

STATE_ICONS = {
    "sending": "EXPORT",
    "queued": "TIME",
    "running": "PLAY",
    "fetching": "IMPORT",
    "done": "CHECKMARK",
    "failed": "ERROR",
    "canceled": "CANCEL",
}

STATE_WORDS = {
    "sending": "Sending",
    "queued": "Queued",
    "running": "Running",
    "fetching": "Fetching",
    "done": "Done",
    "failed": "Failed",
    "canceled": "Canceled",
}

_STAGES = (
    "Decode",
    "Glance",
    "Camera",
    "Geometry",
    "Warp",
    "Fill",
    "Start",
    "Learn",
    "Generate",
    "Finish",
    "Deliver",
)
"""First words of the backend's stages."""

PREVIEW_SCALE = 9.0


def state_word(state: str) -> str:
    return tr(STATE_WORDS.get(state, state.capitalize()))


def stage_words(stage: str) -> str:
    """A stage in the artist's language: what it does, and the camera's name."""
    kind, _, camera = stage.partition(" ")
    return f"{tr(kind)} {camera}".rstrip() if kind in _STAGES else stage


def queue_words(job: state.ReangleJob | state.ReangleListedJob) -> str:
    """Why a queued job waits, in one line; "" for others."""
    if not job.position:
        return ""
    place = tr("Next") if job.position == 1 else _ordinal(job.position)
    text = tr("{place}, behind {behind}", place=place, behind=job.behind) if job.behind else place
    return (
        tr("{text}; about {wait_s}", text=text, wait_s=duration(job.wait_s)) if job.behind and job.wait_s >= 0 else text
    )


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{tr(ending)}"


def estimate_line(estimate: Estimate) -> str:
    """How long a job would take if it were sent now."""
    is_new = estimate.seconds >= 0.5
    takes = duration(estimate.seconds)
    text = tr("Takes about {takes}", takes=takes) if is_new else tr("Takes a moment: all of it was made before")
    if estimate.wait_s is not None and estimate.wait_s >= 1:
        text = tr("{text}, after {wait_s} for the jobs before it", text=text, wait_s=duration(estimate.wait_s))
    return text


def headline(job: state.ReangleJob) -> str:
    """State, stage and time left in one line."""
    if waiting := _starts.waiting_line(job):
        return waiting
    if job.state == "queued" and (words := queue_words(job)):
        return words
    if job.state == "done":
        return tr("Done" if job.loaded else "Done, not fetched")
    text = stage_words(job.stage) if job.state == "running" and job.stage else state_word(job.state)
    if job.state == "running" and job.eta_s >= 0:
        text = tr("{text}, {eta_s} left", text=text, eta_s=duration(job.eta_s))
    return text


def draw_missing(layout: UILayout, context: Context, job: state.ReangleJob) -> None:
    """What to do about a job whose folder is not there; nothing for others."""
    if job.missing:
        box = layout.box().column()
        problem(box, context, f"The folder of {job.title} is not there: {bpy.path.abspath(job.folder)}", "", "ERROR")
        row = box.row(align=True)
        row.operator("reangle.locate_results", icon="FILE_FOLDER").job = job.name
        row.operator("reangle.fetch_results", text="Fetch Again", icon="IMPORT").job = job.name


def draw_remove(row: UILayout, job: state.ReangleJob) -> None:
    """The button that takes an ended job out of the list."""
    row.operator("reangle.remove_job", text="", icon="X", emboss=False).job = job.name


def draw(layout: UILayout, context: Context, job: state.ReangleJob) -> None:
    box = layout.box().column()
    if job.is_final:
        row = box.row(align=True)
        row.label(text=f"{job.title}: {headline(job)}", icon=STATE_ICONS.get(job.state, "NONE"))
        if job.state != "done" or job.waits:
            draw_remove(row, job)
    else:
        row = box.row(align=True)
        waits = queue_words(job) if job.state == "queued" else ""
        row.progress(factor=job.progress, text=job.title if waits else f"{headline(job)}  {job.progress:.0%}")
        row.operator("reangle.cancel_job", text="", icon="CANCEL").job = job.name
        paragraph(box, context, waits, "TIME")
    if job.state == "running":
        if job.learning:
            paragraph(box, context, job.learning, "IPO_EASE_OUT")
        if icon := _preview_icons.icon_of(bpy.path.abspath(job.picture)):
            box.template_icon(icon_value=icon, scale=PREVIEW_SCALE)
    problem(box, context, job.message, job.advice, "ERROR" if job.state == "failed" else "INFO")
    if job.traceback:
        row = box.row(align=True)
        row.operator("reangle.show_traceback", icon="TEXT").job = job.name
        row.operator("reangle.copy_traceback", text="", icon="COPYDOWN").job = job.name
    draw_notes(box, context, job)
    draw_warnings(box, context, job)
    if job.until == "starts" or job.waits:
        _starts.draw(box, context, job)


def draw_notes(layout: UILayout, context: Context, job: state.ReangleJob) -> None:
    """What the backend says of a job: folded to one line until the artist opens it, nothing once it is dismissed."""
    notes = job.notes.splitlines()
    if not notes or job.notes_dismissed:
        return
    row = layout.row(align=True)
    icon = "DOWNARROW_HLT" if job.notes_open else "RIGHTARROW"
    row.prop(
        job,
        "notes_open",
        text=(tr("{notes} Notes", notes=len(notes)) if len(notes) > 1 else tr("1 Note")),
        icon=icon,
        emboss=False,
    )
    row.prop(job, "notes_dismissed", text="", icon="X", emboss=False)
    for note in notes if job.notes_open else ():
        paragraph(layout, context, note, "DOT")


def draw_warnings(layout: UILayout, context: Context, job: state.ReangleJob) -> None:
    """Frames that are likely to come out wrong, each with a button that shows the worst one; the same advice once."""
    parts = [warning.message.partition(". ") for warning in job.warnings]
    for index, (warning, (what, stop, _)) in enumerate(zip(job.warnings, parts, strict=True)):
        paragraph(layout, context, what + stop.rstrip(), "ERROR")
        frame = job.scene_frame(warning)
        if frame is not None:
            action = layout.operator("reangle.show_warning", text=tr("Show Frame {frame}", frame=frame), icon="TIME")
            action.job, action.index = job.name, index
    for advice in dict.fromkeys(advice for _, _, advice in parts):
        paragraph(layout, context, advice, "LIGHT")


def warnings_of(context: Context, camera: bpy.types.Object) -> list[tuple[state.ReangleJob, int]]:
    """What the latest render of this camera was warned of: the job, and the warning's number in it."""
    for job in reversed(state.of(context.scene).jobs):
        for sent in job.cameras if job.kind == "RENDER" else ():
            if sent.camera == camera:
                return [(job, index) for index, one in enumerate(job.warnings) if one.name == sent.name]
    return []
