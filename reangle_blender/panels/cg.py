# SPDX-License-Identifier: GPL-3.0-or-later
"""Part of the Results panel: CG in the shot."""

from __future__ import annotations

import bpy
from bpy.types import Context, Panel

from .. import compat, state
from ..scene import depth_frames, depth_mesh
from ._layout import SidebarPanel, paragraph, reason, settings_column


class REANGLE_PT_cg(SidebarPanel, Panel):
    bl_label = "CG in the Shot"
    bl_parent_id = "REANGLE_PT_results"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        return bool(state.of(context.scene).shot_frames)

    def draw(self, context: Context) -> None:
        layout, scene = self.layout, context.scene
        shot = state.of(scene)
        points = layout.column()
        points.enabled = not shot.is_newer and state.alive(scene, shot.cloud) is not None
        points.prop(shot.cg, "points")
        if shot.cg.points:
            settings_column(points).prop(shot.cg, "point_scale")
        item = state.alive(scene, shot.cg.mesh)
        if item is None:
            layout.operator("reangle.add_depth_mesh", icon="MESH_GRID")
            reason(layout, context, depth_mesh.check)
            return
        row = layout.row(align=True)
        row.label(text=item.name, icon="MESH_GRID")
        row.prop(
            shot.cg, "in_viewport", text="", icon="RESTRICT_VIEW_OFF" if shot.cg.in_viewport else "RESTRICT_VIEW_ON"
        )
        row.prop(item, "hide_render", text="")
        row.operator("reangle.remove_depth_mesh", text="", icon="X")
        column = settings_column(layout)
        column.enabled = not shot.is_newer and item.library is None
        for name in ("use", "depth_of", "every", "fill_holes"):
            column.prop(shot.cg, name)
        note = depth_frames.note_of(scene)
        if note:
            paragraph(layout, context, note, "INFO")
        if scene.render.engine in compat.EEVEE and shot.cg.use == "SHADOWS":
            paragraph(
                layout, context, "EEVEE has no shadow catcher: the mesh hides CG, and Cycles adds its shadows.", "INFO"
            )
        film = settings_column(layout)
        film.prop(scene.render, "film_transparent", text="Transparent Film")
        if not scene.render.use_lock_interface:
            film.prop(scene.render, "use_lock_interface")


register, unregister = bpy.utils.register_classes_factory((REANGLE_PT_cg,))
