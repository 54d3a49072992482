# SPDX-License-Identifier: GPL-3.0-or-later
"""The Results panel: the results."""

from __future__ import annotations

import bpy
from bpy.types import Context, Panel, UILayout, UIList

from .. import state
from ..scene import edit_scene
from . import _job, _starts
from ._layout import SidebarPanel, settings_column


class REANGLE_UL_jobs(UIList):
    def draw_item(
        self,
        _context: Context | None,
        layout: UILayout,
        _data: object,
        item: state.ReangleJob,
        _icon: int | None,
        _active_data: object,
        _active_property: str | None,
        _index: int | None = 0,
        _flag: int | None = 0,
    ) -> None:
        row = layout.row()
        row.label(text=item.title, icon=_job.STATE_ICONS.get(item.state, "NONE"))
        state_and_button = row.row(align=True)
        state_and_button.alignment = "RIGHT"  # no wider than needed: titles differ at their end
        state_and_button.label(text=_job.headline(item))
        if item.is_final:
            _job.draw_remove(state_and_button, item)

    def filter_items(
        self, _context: Context | None, data: state.ReangleScene, _property: str
    ) -> tuple[list[int], list]:
        return [self.bitflag_filter_item if job.kind == "RENDER" else 0 for job in data.jobs], []


class REANGLE_PT_results(SidebarPanel, Panel):
    bl_label = "Results"

    @classmethod
    def poll(cls, context: Context) -> bool:
        return any(job.kind == "RENDER" for job in state.of(context.scene).jobs)

    def draw(self, context: Context) -> None:
        layout = self.layout
        shot = state.of(context.scene)
        layout.template_list("REANGLE_UL_jobs", "", shot, "jobs", shot, "job_index", rows=3)
        job = shot.jobs[shot.job_index] if 0 <= shot.job_index < len(shot.jobs) else None
        if job is None or job.kind != "RENDER":
            return
        _job.draw_missing(layout, context, job)
        if job != shot.jobs[-1]:  # the Render panel shows all of the latest job
            _job.draw_warnings(layout, context, job)
        if job.has_results:
            column = layout.column(align=True)
            row = column.row(align=True)
            row.operator("reangle.results_to_sequencer", icon="SEQUENCE")
            row.operator("reangle.results_to_sequencer", text="", icon="DUPLICATE").versions = "STACK"
            column.operator("reangle.results_to_backgrounds", icon="CAMERA_DATA")
            row = column.row(align=True)
            row.operator("reangle.results_to_compositor", icon="NODE_COMPOSITING")
            row.operator("reangle.use_in_compositing", text="", icon="OUTPUT")
            column.prop(shot, "cloud_over_result")
            column = settings_column(layout)
            column.prop(shot, "truth")
            layout.operator("reangle.compare", icon="MOD_MIRROR")
            for item, icon in ((edit_scene.find(context.scene), "SCENE_DATA"), (shot.result_nodes, "NODETREE")):
                if item is not None:
                    layout.label(text=item.name, icon=icon)
            layout.operator("reangle.open_results", icon="FILE_FOLDER")
            _starts.draw(layout, context, job)
        elif job.state == "done" and not job.waits:
            layout.operator("reangle.fetch_results", icon="IMPORT")


register, unregister = bpy.utils.register_classes_factory((REANGLE_UL_jobs, REANGLE_PT_results))
