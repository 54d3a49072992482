# SPDX-License-Identifier: GPL-3.0-or-later
"""The Cameras panel: what new cameras see of the clip, before anything is rendered."""

from __future__ import annotations

import bpy
from bpy.types import Context, Panel

from .. import readiness, state
from ..scene import camera_picture, cameras, coverage
from ..translations import tr
from ._layout import SidebarPanel, paragraph, reason


class REANGLE_PT_lookahead(SidebarPanel, Panel):
    bl_label = "Coverage"
    bl_parent_id = "REANGLE_PT_cameras"

    @classmethod
    def poll(cls, context: Context) -> bool:
        return bool(state.of(context.scene).shot_request and cameras.artist_cameras(context.scene))

    def draw(self, context: Context) -> None:
        layout, scene = self.layout, context.scene
        shown = state.of(scene).lookahead
        layout.row().prop(shown, "show_view", expand=True)
        if problem := camera_picture.problem() if shown.show_view != "NONE" else "":
            paragraph(layout, context, problem, "ERROR")
        camera = coverage.shown_camera(scene)
        if camera is not None:
            if problem := coverage.problem_of(camera):
                paragraph(layout, context, f"{camera.name}: {tr(problem)}", "ERROR")
            elif (found := coverage.summary(scene, camera)) is not None:
                more = "" if found.is_complete else " ..."
                seen = tr("{name}: {known} seen", name=camera.name, known=f"{found.known:.0%}")
                layout.label(text=f"{seen}{more}", icon="VIS_SEL_11")
                row = layout.row(align=True)
                least = tr("Least at frame {frame}: {worst}", frame=found.worst_frame, worst=f"{found.worst:.0%}")
                row.label(text=least, icon="BLANK1")
                row.operator("reangle.least_seen", text="", icon="TRIA_RIGHT").camera = camera.name
        row = layout.row(align=True)
        row.operator("reangle.measure_coverage", icon="FILE_REFRESH")
        row.prop(shown, "automatic", text="", icon="AUTO")
        row.prop(shown, "show_strip", text="", icon="TIME")
        row.prop(shown, "show_on_paths", text="", icon="CURVE_PATH")
        reason(layout, context, readiness.check_coverage)


register, unregister = bpy.utils.register_classes_factory((REANGLE_PT_lookahead,))
