# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 2: the new cameras."""

from __future__ import annotations

import bpy
from bpy.types import Context, Panel

from .. import state
from ._text import paragraph


class REANGLE_PT_cameras(Panel):
    bl_label = "2  Cameras"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Reangle"

    def draw(self, context: Context) -> None:
        layout = self.layout
        shot = state.of(context.scene)
        if state.alive(context.scene, shot.origin) is None:
            paragraph(layout, context, "Import a clip first: new cameras start where its camera stands.")
        layout.operator("reangle.add_camera", icon="OUTLINER_OB_CAMERA").follow = shot.follow
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(shot, "move")
        column.prop(shot, state.amount_property(shot.move))
        column.prop(shot, "easing")
        column.prop(shot, "hold")
        column.prop(shot, "follow")
        column.prop(shot, "focus")
        row = layout.row(align=True)
        for new, text, icon in ((True, "Add Moving", "ADD"), (False, "Move Active", "FCURVE")):
            action = row.operator("reangle.apply_move", text=text, icon=icon)
            action.new, action.move, action.amount = new, shot.move, state.move_amount(shot)
            action.easing, action.hold, action.follow = shot.easing, shot.hold, shot.follow
        if state.alive(context.scene, shot.cloud) is not None:
            column.prop(shot, "point_size")


register, unregister = bpy.utils.register_classes_factory((REANGLE_PT_cameras,))
