# SPDX-License-Identifier: GPL-3.0-or-later
"""CG in the shot: the depth mesh. The renderable points are a switch, without an operator."""

from __future__ import annotations

import bpy
from bpy.types import Context, Operator

from .. import state
from ..scene import depth_frames, depth_mesh
from ..translations import tr
from ._report import is_ready, reports_errors


class REANGLE_OT_add_depth_mesh(Operator):
    bl_idname = "reangle.add_depth_mesh"
    bl_label = "Add Depth Mesh"
    bl_description = (
        "Add a mesh of the depth that the rendered camera sees, which follows the frame. With a transparent film it "
        "hides CG behind the clip's things and catches its shadows"
    )
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        return is_ready(cls, depth_mesh.check, context.scene)

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        scene = context.scene
        depth_mesh.check(scene)
        state.prepare(scene)
        depth_mesh.add(scene)
        depth_frames.refresh(scene)
        if not scene.render.film_transparent:
            self.report(
                {"INFO"},
                tr("Switch on Film > Transparent in the render settings before you render CG to put over a result."),
            )
        return {"FINISHED"}


class REANGLE_OT_remove_depth_mesh(Operator):
    bl_idname = "reangle.remove_depth_mesh"
    bl_label = "Remove Depth Mesh"
    bl_description = "Take the depth mesh and its materials out of the file"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        if state.of(context.scene).cg.mesh is None:
            cls.poll_message_set(tr("There is no depth mesh"))
            return False
        return is_ready(cls, state.check_editable, context.scene)

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        state.check_editable(context.scene)
        depth_mesh.remove(context.scene)
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory((REANGLE_OT_add_depth_mesh, REANGLE_OT_remove_depth_mesh))
