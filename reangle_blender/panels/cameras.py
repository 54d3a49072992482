# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 2: new cameras and their moves."""

from __future__ import annotations

import bpy
from bpy.types import Context, Panel

from .. import readiness, state
from ._layout import SidebarPanel, reason, settings_column


class REANGLE_PT_cameras(SidebarPanel, Panel):
    bl_label = "2  Cameras"

    def draw(self, context: Context) -> None:
        layout = self.layout
        shot = state.of(context.scene)
        reason(layout, context, readiness.check_new_cameras)
        layout.operator("reangle.add_camera", icon="OUTLINER_OB_CAMERA").follow = shot.follow
        column = settings_column(layout)
        for name in ("move", shot.amount_property, "easing", "hold", "follow", "focus"):
            column.prop(shot, name)
        row = layout.row(align=True)
        for new, text, icon in ((True, "Add Moving", "ADD"), (False, "Move Active", "FCURVE")):
            action = row.operator("reangle.apply_move", text=text, icon=icon)
            action.new, action.move, action.amount = new, shot.move, shot.move_amount
            action.easing, action.hold, action.follow = shot.easing, shot.hold, shot.follow
        if state.alive(context.scene, shot.cloud) is not None:
            column.prop(shot, "point_size")


register, unregister = bpy.utils.register_classes_factory((REANGLE_PT_cameras,))
