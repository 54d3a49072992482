# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 3: how starting images are made, and whether the artist approves them first."""

from __future__ import annotations

import bpy
from bpy.types import Context, Panel

from .. import state
from ..state import engines
from ._chosen import chosen
from ._layout import SidebarPanel, settings_column


class REANGLE_PT_starting(SidebarPanel, Panel):
    bl_label = "Starting Images"
    bl_parent_id = "REANGLE_PT_render"

    @classmethod
    def poll(cls, context: Context) -> bool:
        return "starting" in engines.groups(state.of(context.scene).engine)

    def draw(self, context: Context) -> None:
        starting = state.of(context.scene).starting
        self.layout.prop(starting, "approve")
        column = settings_column(self.layout)
        offered: set[str] = set()
        for kind in ("painter", "judge"):
            column.prop(starting, kind)
            chosen(column, context, kind, getattr(starting, kind), offered=offered)
        for name in engines.STARTING_MAIN:
            self.layout.prop(starting, name)
        self.layout.prop(starting, "use_own")
        if starting.use_own:
            advanced = settings_column(self.layout)
            for name in engines.STARTING_ADVANCED:
                advanced.prop(starting, name)


register, unregister = bpy.utils.register_classes_factory((REANGLE_PT_starting,))
