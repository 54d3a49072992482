# SPDX-License-Identifier: GPL-3.0-or-later
"""Floor, origin and scale of the clip from three points that are picked on its cloud."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from bpy.props import EnumProperty, FloatProperty, FloatVectorProperty
from bpy.types import Context, Event, Operator

from ..core.errors import UserError
from ..scene import floor, picking
from ..scene.framing import Framing
from ..translations import CONTEXT, tr
from ._report import is_ready, report_error, reports_errors

_ASKED = (
    "Click the point that becomes the world's origin",
    "Click a second point on the floor, in the direction of the axis",
    "Click a third point on the floor, beside the line of the others",
)
_KEYS = "   |   Backspace: last point again   |   Esc: cancel"
_NAMES = ("first", "second", "third")


def _point(name: str, description: str) -> Any:
    return FloatVectorProperty(
        name=name,
        description=description,
        translation_context=CONTEXT,
        subtype="TRANSLATION",
        precision=4,
        options={"SKIP_SAVE"},
    )


class REANGLE_OT_set_floor(Operator):
    bl_idname = "reangle.set_floor"
    bl_label = "Set Floor"
    bl_description = "Pick three points of the cloud: they become the floor, the first one the world's origin"
    bl_options = {"REGISTER", "UNDO"}

    first: _point("First", "Becomes the world's origin")
    second: _point("Second", "Lies on the axis")
    third: _point("Third", "Lies on the floor, too")
    along: EnumProperty(
        name="Axis",
        description="The world's axis from the first point to the second",
        items=(("X", "X", "", "NONE", 0), ("Y", "Y", "", "NONE", 1)),
    )
    length: FloatProperty(
        name="Length",
        description="From the first point to the second; 0 keeps the scale",
        subtype="DISTANCE",
        min=0,
        soft_max=100,
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        return is_ready(cls, floor.check, context.scene)

    def invoke(self, context: Context, event: Event) -> set[str]:
        if all(self.properties.is_property_set(name) for name in _NAMES):
            return self.execute(context)
        if context.area is None or context.area.type != "VIEW_3D":
            return report_error(self, UserError("Points are picked in a 3D view.", advice="Start this there."))
        self._area = context.area
        self._picks = picking.Picks(context.area.as_pointer())
        self._handler = picking.show(self._picks)
        context.window_manager.modal_handler_add(self)
        context.window.cursor_modal_set("CROSSHAIR")
        self._say(context)
        return {"RUNNING_MODAL"}

    def modal(self, context: Context, event: Event) -> set[str]:
        picks = self._picks
        if event.type in ("ESC", "RIGHTMOUSE") and event.value == "PRESS":
            self._end(context)
            return {"CANCELLED"}
        if event.type == "BACK_SPACE" and event.value == "PRESS" and picks.points:
            picks.points.pop()
            self._say(context)
            return {"RUNNING_MODAL"}
        if event.type not in ("MOUSEMOVE", "LEFTMOUSE") or event.alt:
            return {"PASS_THROUGH"}
        under = picking.view_under(self._area, event)
        picks.hovered = None
        if under is not None:
            region, view = under
            mouse = event.mouse_x - region.x, event.mouse_y - region.y
            picks.hovered = picking.point_at(context.scene, region, view, mouse)
        self._area.tag_redraw()
        if event.type == "MOUSEMOVE" or under is None:
            return {"PASS_THROUGH"}
        if event.value != "PRESS":
            return {"RUNNING_MODAL"}
        if picks.hovered is None:
            self.report({"INFO"}, tr("There is no point near; click on the cloud"))
            return {"RUNNING_MODAL"}
        picks.points.append(picks.hovered)
        if len(picks.points) < len(_ASKED):
            self._say(context)
            return {"RUNNING_MODAL"}
        for name, point in zip(_NAMES, picks.points, strict=True):
            setattr(self, name, point)
        self._end(context)
        return self.execute(context)

    def cancel(self, context: Context) -> None:
        self._end(context)

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        framing = Framing(context)
        points = np.array([self.first, self.second, self.third], np.float64)
        for note in floor.set_floor(context.scene, points, self.along, self.length):
            self.report({"WARNING"}, tr(note))
        framing.show(context.scene)
        return {"FINISHED"}

    def _say(self, context: Context) -> None:
        done = len(self._picks.points)
        context.workspace.status_text_set(
            tr("{value} of {_ASKED}: {_ASKED2}", value=done + 1, _ASKED=len(_ASKED), _ASKED2=tr(_ASKED[done]))
            + tr(_KEYS)
        )
        self._area.tag_redraw()

    def _end(self, context: Context) -> None:
        picking.hide(self._handler)
        context.workspace.status_text_set(None)
        context.window.cursor_modal_restore()
        self._area.tag_redraw()


_register, _unregister = bpy.utils.register_classes_factory((REANGLE_OT_set_floor,))


def register() -> None:
    _register()


def unregister() -> None:
    picking.hide_all()
    _unregister()
