# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare clip, cloud, warp, preview, result and truth in a camera's view, with a line to drag between two of them."""

from __future__ import annotations

import bpy
from bpy.types import Context, Event, Operator

from .. import state
from ..core.errors import UserError
from ..scene import comparison, wipe_drawing
from ..translations import tr
from ._report import is_ready, report_error

DIGITS = ("ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX")
HINT = "Compare:  drag the line  |  X swap  |  1 to 6 left side, with Shift right side: {sides}  |  Esc end"
REDRAW_S = 0.03


class REANGLE_OT_compare(Operator):
    bl_idname = "reangle.compare"
    bl_label = "Compare"
    bl_description = (
        "Compare two of clip, cloud, warp, preview, result and truth in the view of the scene's camera, with a line to "
        "drag between them. X swaps the sides, 1 to 6 choose the left one, with Shift the right one, Esc ends"
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        if context.area is None or context.area.type != "VIEW_3D":
            cls.poll_message_set(tr("Compare works in a 3D view"))
            return False
        if wipe_drawing.camera_of(context.scene, context.space_data) is None:
            cls.poll_message_set(tr("The scene has no camera to look through"))
            return False
        return is_ready(cls, state.check_local, context.scene)

    def invoke(self, context: Context, _event: Event) -> set[str]:
        camera = wipe_drawing.camera_of(context.scene, context.space_data)
        if not comparison.sources(context.scene, camera):
            nothing = "There is nothing to compare yet: no clip is imported and no result fetched."
            return report_error(self, UserError(nothing, advice="Import a clip in the Clip panel first."))
        self._region = next(region for region in context.area.regions if region.type == "WINDOW")
        self._area = context.area
        self._is_dragged, self._seen = False, -1
        context.space_data.region_3d.view_perspective = "CAMERA"
        wipe_drawing.start(context.scene, context.space_data, camera)
        self._timer = context.window_manager.event_timer_add(REDRAW_S, window=context.window)
        context.window_manager.modal_handler_add(self)
        numbered = ", ".join(f"{n} {tr(label)}" for n, label in enumerate(wipe_drawing.LABELS.values(), start=1))
        context.area.header_text_set(tr(HINT, sides=numbered))
        context.area.tag_redraw()
        return {"RUNNING_MODAL"}

    def modal(self, context: Context, event: Event) -> set[str]:
        wipe = wipe_drawing.shown
        if wipe is None or (event.type == "ESC" and event.value == "PRESS"):
            return self._end(context)
        if event.type == "TIMER":
            if wipe.pictures.read != self._seen:
                self._seen = wipe.pictures.read
                self._area.tag_redraw()
            return {"PASS_THROUGH"}
        if event.type == "MOUSEMOVE" and self._is_dragged:
            self._drag_to(wipe, event)
            return {"RUNNING_MODAL"}
        if event.type == "LEFTMOUSE":
            if event.value == "PRESS" and self._is_on_line(wipe, event):
                self._is_dragged = True
                return {"RUNNING_MODAL"}
            if event.value == "RELEASE" and self._is_dragged:
                self._is_dragged = False
                return {"RUNNING_MODAL"}
        if event.value == "PRESS" and self._is_inside(event) and self._key(wipe, event):
            self._area.tag_redraw()
            return {"RUNNING_MODAL"}
        return {"PASS_THROUGH"}

    def cancel(self, context: Context) -> None:
        self._end(context)

    def _end(self, context: Context) -> set[str]:
        context.window_manager.event_timer_remove(self._timer)
        wipe_drawing.stop()
        try:
            self._area.header_text_set(None)
            self._area.tag_redraw()
        except ReferenceError:  # the artist closed it
            pass
        return {"FINISHED"}

    def _key(self, wipe: wipe_drawing.Wipe, event: Event) -> bool:
        """Do what a key says. Returns whether it says anything."""
        if event.type == "X":
            wipe.swap()
        elif event.type in DIGITS:
            kind = comparison.KINDS[DIGITS.index(event.type)]
            if event.shift:
                wipe.right = kind
            else:
                wipe.left = kind
        else:
            return False
        return True

    def _is_inside(self, event: Event) -> bool:
        x, y = event.mouse_x - self._region.x, event.mouse_y - self._region.y
        return 0 <= x < self._region.width and 0 <= y < self._region.height

    def _is_on_line(self, wipe: wipe_drawing.Wipe, event: Event) -> bool:
        if wipe.rectangle is None or not self._is_inside(event):
            return False
        left, bottom, right, top = wipe.rectangle
        x, y = event.mouse_x - self._region.x, event.mouse_y - self._region.y
        line = left + wipe.split * (right - left)
        grip = wipe_drawing.GRIP_PX * context_scale()
        return abs(x - line) <= grip and bottom <= y <= top

    def _drag_to(self, wipe: wipe_drawing.Wipe, event: Event) -> None:
        if wipe.rectangle is not None:
            left, _, right, _ = wipe.rectangle
            wipe.split = min(1.0, max(0.0, (event.mouse_x - self._region.x - left) / (right - left)))
            self._area.tag_redraw()


def context_scale() -> float:
    """The size of the interface."""
    return bpy.context.preferences.system.ui_scale


register, _unregister = bpy.utils.register_classes_factory((REANGLE_OT_compare,))


def unregister() -> None:
    wipe_drawing.stop()
    _unregister()
