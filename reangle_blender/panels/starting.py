# SPDX-License-Identifier: GPL-3.0-or-later
"""The Render panel: how starting images are made, and whether the artist approves them first."""

from __future__ import annotations

import bpy
from bpy.types import Context, Panel

from .. import choices, state
from ..exchange import connection
from ..state import engines
from ..translations import tr
from ._chosen import chosen
from ._layout import SidebarPanel, settings_column


class REANGLE_PT_starting(SidebarPanel, Panel):
    bl_label = "Starting Images"
    bl_parent_id = "REANGLE_PT_render"

    @classmethod
    def poll(cls, context: Context) -> bool:
        return "starting" in engines.groups(state.of(context.scene).engine)

    def draw(self, context: Context) -> None:
        shot = state.of(context.scene)
        starting = shot.starting
        self.layout.prop(starting, "approve")
        column = settings_column(self.layout)
        offered: set[str] = set()
        for kind in ("painter", "judge"):
            column.prop(starting, kind)
            auto = _auto_painter(shot) if kind == "painter" else ""
            chosen(column, context, kind, getattr(starting, kind), offered=offered, auto=auto)
        for name in engines.STARTING_MAIN:
            self.layout.prop(starting, name)
        self.layout.prop(starting, "use_own")
        if starting.use_own:
            advanced = settings_column(self.layout)
            for name in engines.STARTING_ADVANCED:
                advanced.prop(starting, name)


def _auto_painter(shot: state.ReangleScene) -> str:
    """What makes starting images where the painter is "auto", which depends on engine and weights; "" for the backend's
    own words."""
    suite = choices.find("suite", shot.learning.suite, shot.engine)
    reported = connection.now.capabilities
    info = reported.suite(suite.stands_for or suite.name) if reported is not None and suite is not None else None
    images = [part for part in info.parts if part.role == "image"] if info is not None else []
    if images and all(part.page and part.installed for part in images):
        return tr("Painted by {label}", label=images[0].label)
    return "" if engines.always_learns(shot.engine) else tr("The video model fills the first frame with the others")


register, unregister = bpy.utils.register_classes_factory((REANGLE_PT_starting,))
