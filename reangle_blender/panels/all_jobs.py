# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs of the backend, of this file and of all others."""

from __future__ import annotations

import bpy
from bpy.types import Context, Panel, UILayout, UIList

from .. import choices, state
from ..exchange import all_jobs, connection
from ..translations import tr
from . import _job
from ._layout import SidebarPanel, duration, paragraph, problem


def _headline(job: state.ReangleListedJob) -> str:
    """State and time left in a few words."""
    if job.state == "queued":
        return _job.queue_words(job).partition(";")[0].partition(",")[0] or tr("Queued")
    if job.state == "running":
        left = f", {duration(job.eta_s)}" if job.eta_s >= 0 else ""
        return f"{job.progress:.0%}{left}"
    return _job.state_word(job.state)


class REANGLE_UL_all_jobs(UIList):
    def draw_item(
        self,
        _context: Context | None,
        layout: UILayout,
        _data: object,
        item: state.ReangleListedJob,
        _icon: int | None,
        _active_data: object,
        _active_property: str | None,
        _index: int | None = 0,
        _flag: int | None = 0,
    ) -> None:
        split = layout.split(factor=0.5)
        split.label(text=item.title or item.name[:8], icon=_job.STATE_ICONS.get(item.state, "NONE"))
        right = split.split(factor=0.65)
        right.label(text=_headline(item))
        age = right.row()
        age.alignment = "RIGHT"
        age.active = False
        age.label(text=item.age)

    def filter_items(
        self, _context: Context | None, data: bpy.types.WindowManager, name: str
    ) -> tuple[list[int], list[int]]:
        rows = getattr(data, name)
        if not self.filter_name:
            return [], []
        wanted = self.filter_name.casefold()
        shown = [wanted in f"{row.title} {row.clip} {row.state}".casefold() for row in rows]
        return [self.bitflag_filter_item if one else 0 for one in shown], []


class REANGLE_PT_all_jobs(SidebarPanel, Panel):
    bl_label = "All Jobs"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 100

    def draw(self, context: Context) -> None:
        layout = self.layout
        all_jobs.show()
        if connection.now.backend is None:
            paragraph(layout, context, "The backend is not running, so its jobs are not known.", "INFO")
            return
        if all_jobs.problem is not None:
            problem(layout, context, all_jobs.problem.message, all_jobs.problem.advice)
            return
        manager = context.window_manager
        rows, index = manager.reangle_jobs, manager.reangle_job_index
        if not rows:
            paragraph(layout, context, "The jobs of all files are listed here.")
            return
        layout.template_list(
            "REANGLE_UL_all_jobs", "", manager, "reangle_jobs", manager, "reangle_job_index", rows=4, maxrows=8
        )
        if 0 <= index < len(rows):
            _draw_job(layout, context, rows[index])


def _draw_job(layout: UILayout, context: Context, job: state.ReangleListedJob) -> None:
    if job.state == "running":
        text = f"{_job.stage_words(job.stage)}  {job.progress:.0%}"
        text = tr("{text}, {eta_s} left", text=text, eta_s=duration(job.eta_s)) if job.eta_s >= 0 else text
        layout.progress(factor=job.progress, text=text)
    column = layout.column(align=True)
    column.scale_y = 0.8
    column.label(text=_what(job), icon="FILE_MOVIE")
    if words := _job.queue_words(job):
        paragraph(layout, context, words, "TIME")
    if job.is_here:
        column.label(text="Listed in this file", icon="FILE_BLEND")
    problem(layout, context, job.message, job.advice)
    buttons = layout.column(align=True)
    row = buttons.row(align=True)
    if job.is_final:
        row.operator("reangle.retry_job", icon="FILE_REFRESH").job = job.name
    else:
        row.operator("reangle.cancel_listed_job", icon="CANCEL").job = job.name
    if job.takes_seed:
        row.operator("reangle.reseed_job", icon="RNDCURVE").job = job.name
    row = buttons.row(align=True)
    row.operator("reangle.show_log", icon="TEXT").job = job.name
    row.operator("reangle.delete_job", icon="TRASH").job = job.name


def _what(job: state.ReangleListedJob) -> str:
    """The clip, and what is done with it."""
    if not job.cameras:
        return tr("{clip}: import", clip=job.clip)
    cameras = tr("1 camera") if job.cameras == 1 else tr("{cameras} cameras", cameras=job.cameras)
    return f"{job.clip}: {cameras}, {tr(choices.label_of('engine', job.engine))}"


register, unregister = bpy.utils.register_classes_factory((REANGLE_UL_all_jobs, REANGLE_PT_all_jobs))
