# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 2: new cameras and their moves."""

from __future__ import annotations

import bpy
from bpy.types import Context, Panel, UILayout

from .. import readiness, state
from ..core.contract.moves import KINDS
from ._layout import SidebarPanel, reason, settings_column


class REANGLE_PT_cameras(SidebarPanel, Panel):
    bl_label = "2  Cameras"

    def draw(self, context: Context) -> None:
        layout = self.layout
        shot = state.of(context.scene)
        reason(layout, context, readiness.check_new_cameras)
        layout.operator("reangle.add_camera", icon="OUTLINER_OB_CAMERA").follow = shot.follow
        column = settings_column(layout)
        kind = KINDS.get(shot.move)
        timing = () if kind is not None and kind.always_held else ("easing", "hold")
        following = () if shot.bullet_time else ("follow",)
        for name in ("move", shot.amount_property, *timing, "bullet_time", *following, "focus"):
            column.prop(shot, name)
        row = layout.row(align=True)
        for new, text, icon in ((True, "Add Moving", "ADD"), (False, "Move Active", "FCURVE")):
            action = row.operator("reangle.apply_move", text=text, icon=icon)
            action.new, action.move, action.amount = new, shot.move, shot.move_amount
            action.easing, action.hold, action.follow = shot.easing, shot.hold, shot.follow
            action.freeze = new and shot.bullet_time
        _draw_frozen(layout, context)
        if state.alive(context.scene, shot.cloud) is not None:
            column.prop(shot, "point_size")
            column.prop(shot, "playing_share")


def _draw_frozen(layout: UILayout, context: Context) -> None:
    """Whether the active camera shows one instant of the clip."""
    camera = getattr(context, "active_object", None)
    if camera is None or camera.type != "CAMERA" or camera == state.of(context.scene).source:
        return
    box = layout.box().column()
    box.label(text=camera.name, icon="OUTLINER_OB_CAMERA")
    row = box.row(align=True)
    row.prop(camera.reangle, "is_frozen", text="Freeze at Frame")
    if camera.reangle.is_frozen:
        row.prop(camera.reangle, "freeze_frame", text="")


register, unregister = bpy.utils.register_classes_factory((REANGLE_PT_cameras,))
