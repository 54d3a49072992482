# SPDX-License-Identifier: GPL-3.0-or-later
"""The Cameras panel: the list of cameras, and new cameras with their moves."""

from __future__ import annotations

from typing import Any

import bpy
from bl_ui.utils import PresetPanel
from bpy.types import Context, Menu, Object, Panel, Scene, UILayout, UIList

from .. import readiness, state
from ..core.contract.moves import KINDS
from ..scene import camera_list, camera_status
from ..scene.cameras import artist_cameras
from ..state import ticks
from ..translations import tr
from . import _job
from ._layout import SidebarPanel, paragraph, reason, settings_column

ROWS = 4
WIDE = 380
"""Pixels of the sidebar from which statuses are in words."""

_ICONS: dict[camera_status.Kind, str] = {
    "new": "DOT",
    "running": "PLAY",
    "waiting": "QUESTION",
    "failed": "ERROR",
    "outdated": "FILE_REFRESH",
    "done": "CHECKMARK",
}

_BY_SIGN: tuple[camera_status.Kind, ...] = ("waiting", "failed", "outdated")

_now: dict[int, camera_status.Status] = {}
"""The statuses that the list shows, by the session's number of the camera; set before each drawing."""


class REANGLE_UL_cameras(UIList):
    """Of the scene's own list of objects, the clip's camera and then the other cameras by name."""

    def draw_item(
        self,
        context: Context,
        layout: UILayout,
        _data: Any,
        item: Any,
        _icon: int,
        _active: Any,
        _property: str,
        *_: Any,
    ) -> None:
        draw_row(layout, context, item, _now.get(item.session_uid))

    def filter_items(self, context: Context, _data: Any, _property: str) -> tuple[list[int], list[int]]:
        scene = context.scene
        wanted = self.filter_name.casefold()
        places = {camera.session_uid: place for place, camera in enumerate(camera_list.ordered(scene))}
        flags, order, behind = [], [], len(places)
        for item in scene.objects:
            place = places.get(item.session_uid) if item.type == "CAMERA" else None
            is_shown = place is not None and wanted in item.name.casefold()
            flags.append(self.bitflag_filter_item if is_shown else 0)
            if place is None:
                place, behind = behind, behind + 1
            order.append(place)
        return flags, order


def draw_row(layout: UILayout, context: Context, camera: Object, status: camera_status.Status | None) -> None:
    """One camera: colour, name, status, and its buttons. status: None for the clip's own camera."""
    scene = context.scene
    is_source = camera == state.of(scene).source
    is_fixed = ticks.is_from_library(camera)
    whole = layout.row(align=True)
    whole.context_pointer_set("reangle_camera", camera)
    row = whole.row(align=True)
    if is_source:
        row.label(text="", icon="FILE_MOVIE")
    else:
        swatch = row.row()
        swatch.ui_units_x = 0.6
        swatch.enabled = not is_fixed
        swatch.prop(camera.reangle, "color", text="")
    if is_fixed:
        row.label(text=camera.name, icon="LINKED")
    else:
        row.prop(camera, "name", text="", emboss=False)
    row = whole.row(align=True)
    row.alignment = "RIGHT"  # no wider than needed: the name has the rest
    if status is not None:
        _draw_status(row, context, camera, status)
    row.operator(
        "reangle.hide_camera", text="", icon="HIDE_ON" if camera.hide_get() else "HIDE_OFF", emboss=False
    ).camera = camera.name
    row.operator("reangle.look_through", text="", icon="VIEW_CAMERA", emboss=False).camera = camera.name
    if is_source:
        row.label(text="", icon="BLANK1")
    elif is_fixed:
        on = state.is_ticked(scene, camera)
        icon = "CHECKBOX_HLT" if on else "CHECKBOX_DEHLT"
        row.operator("reangle.tick_camera", text="", icon=icon, emboss=False).camera = camera.name
    else:
        icon = "CHECKBOX_HLT" if camera.reangle.render else "CHECKBOX_DEHLT"
        row.prop(camera.reangle, "render", text="", icon=icon, emboss=False)


def _draw_status(row: UILayout, context: Context, camera: Object, status: camera_status.Status) -> None:
    """In words where there is room for them, else a sign: the line below the list has the words."""
    for job, index in _job.warnings_of(context, camera)[:1]:
        action = row.operator("reangle.show_warning", text="", icon="ERROR", emboss=False)
        action.job, action.index = job.name, index
    is_wide = context.region is not None and context.region.width > WIDE * context.preferences.system.ui_scale
    coverage = camera_status.coverage_of(camera)
    seen = f" {coverage:.0%}" if coverage is not None and status.kind == "done" and is_wide else ""
    icon = _ICONS[status.kind]
    if is_wide:
        row.label(text=f"{tr(status.text)}{seen}", icon=icon)
    elif status.kind in _BY_SIGN:
        row.label(text="", icon=icon)
    else:
        row.label(text=tr(status.text))


class REANGLE_MT_camera_list(Menu):
    bl_label = "Cameras"

    def draw(self, context: Context) -> None:
        layout = self.layout
        layout.operator_enum("reangle.tick_cameras", "which")
        layout.separator()
        layout.operator("reangle.follow_clip_camera", icon="CON_FOLLOWPATH")
        layout.operator("reangle.track_focus", icon="CON_TRACKTO")
        layout.separator()
        layout.prop(state.of(context.scene), "show_paths")


class REANGLE_PT_cameras(SidebarPanel, Panel):
    bl_label = "Cameras"

    @classmethod
    def poll(cls, context: Context) -> bool:
        return bool(state.of(context.scene).shot_frames)

    def draw(self, context: Context) -> None:
        layout = self.layout
        shot = state.of(context.scene)
        reason(layout, context, readiness.check_new_cameras)
        if not shot.shot_frames:
            return
        _draw_list(layout, context)
        if any(marker.camera for marker in context.scene.timeline_markers):
            layout.prop(shot, "use_markers")
        _draw_active(layout, context)


def _draw_list(layout: UILayout, context: Context) -> None:
    scene = context.scene
    shot = state.of(scene)
    _now.clear()
    _now.update(camera_status.statuses(scene))
    row = layout.row()
    rows = max(ROWS, min(12, 1 + len(_now)))
    row.template_list("REANGLE_UL_cameras", "", scene, "objects", shot, "camera_index", rows=rows)
    side = row.column(align=True)
    side.menu("REANGLE_MT_add_camera", text="", icon="ADD")
    side.operator("reangle.delete_camera", text="", icon="REMOVE")
    side.separator()
    side.menu("REANGLE_MT_camera_list", text="", icon="DOWNARROW_HLT")
    side.separator()
    side.prop(shot, "show_paths", text="", icon="CURVE_PATH")
    if not artist_cameras(scene):
        paragraph(layout, context, "There is no new camera yet.")


def _draw_active(layout: UILayout, context: Context) -> None:
    """What is known of the active camera, and whether it shows one instant of the clip."""
    camera = camera_list.active_camera(context.scene)
    if camera is None or camera == state.of(context.scene).source:
        return
    box = layout.box().column()
    status = _now.get(camera.session_uid)
    if status is not None:
        coverage = camera_status.coverage_of(camera)
        said = tr(status.help)
        said = (
            tr("{said}, the clip shows {coverage} of it", said=said, coverage=f"{coverage:.0%}")
            if coverage is not None
            else said
        )
        paragraph(box, context, f"{camera.name}: {said}.", _ICONS[status.kind])
    if camera.reangle.start.is_own:
        box.context_pointer_set("reangle_camera", camera)
        box.operator("reangle.clear_start", icon="FILE_IMAGE")
    row = box.row(align=True)
    row.prop(camera.reangle, "is_frozen", text="Freeze at Frame")
    if camera.reangle.is_frozen:
        row.prop(camera.reangle, "freeze_frame", text="")


class REANGLE_MT_move_presets(Menu):
    bl_label = "Move Presets"
    preset_subdir = "reangle/moves"
    preset_operator = "script.execute_preset"

    def draw(self, context: Context) -> None:
        Menu.draw_preset(self, context)


class REANGLE_PT_move_presets(PresetPanel, Panel):
    bl_label = "Move Presets"
    preset_subdir = "reangle/moves"
    preset_operator = "script.execute_preset"
    preset_add_operator = "reangle.add_move_preset"


class REANGLE_PT_new_camera(SidebarPanel, Panel):
    bl_label = "New Camera"
    bl_parent_id = "REANGLE_PT_cameras"

    @classmethod
    def poll(cls, context: Context) -> bool:
        return bool(state.of(context.scene).shot_frames)

    def draw_header_preset(self, _context: Context) -> None:
        REANGLE_PT_move_presets.draw_panel_header(self.layout)

    def draw(self, context: Context) -> None:
        layout = self.layout
        shot = state.of(context.scene)
        column = settings_column(layout)
        for name in ("move", shot.shown_amount):
            column.prop(shot, name)
        row = layout.row(align=True)
        for new, text, icon in ((True, "Add Moving", "ADD"), (False, "Move Active", "FCURVE")):
            action = row.operator("reangle.apply_move", text=text, icon=icon)
            action.new, action.move, action.amount = new, shot.move, shot.move_amount
            action.easing, action.hold, action.follow = shot.easing, shot.hold, shot.follow
            action.freeze = new and shot.bullet_time
        row = layout.row(align=True)
        row.operator("reangle.add_camera", text="Add Still", icon="OUTLINER_OB_CAMERA").follow = False
        row.operator("reangle.add_camera", text="Match Clip", icon="CON_TRANSLIKE").follow = True
        row = layout.row(align=True)
        for angles, text in (("THREE", "3 Angles"), ("FIVE", "5 Angles"), ("TEN", "10 Angles")):
            row.operator("reangle.add_angles", text=text).angles = angles


class REANGLE_PT_motion(SidebarPanel, Panel):
    bl_label = "Motion and Focus"
    bl_parent_id = "REANGLE_PT_new_camera"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Context) -> None:
        shot = state.of(context.scene)
        column = settings_column(self.layout)
        kind = KINDS.get(shot.move)
        timing = () if kind is not None and kind.always_held else ("easing", "hold")
        following = () if shot.bullet_time else ("follow",)
        for name in (*timing, "bullet_time", *following):
            column.prop(shot, name)
        _draw_focus(column, context.scene)


def _draw_focus(column: UILayout, scene: Scene) -> None:
    shot = state.of(scene)
    column.prop(shot, "focus_object", text="Focus")
    if state.alive(scene, shot.focus_object) is None:
        column.prop(shot, "focus", text="Distance")
    row = column.row(align=True)
    row.operator("reangle.pick_focus", text="Pick", icon="RESTRICT_SELECT_OFF")
    row.operator("reangle.set_focus", text="Cursor", icon="PIVOT_CURSOR").at = "CURSOR"
    row.operator("reangle.set_focus", text="Active", icon="OBJECT_ORIGIN").at = "ACTIVE"


register, unregister = bpy.utils.register_classes_factory(
    (
        REANGLE_UL_cameras,
        REANGLE_MT_camera_list,
        REANGLE_MT_move_presets,
        REANGLE_PT_move_presets,
        REANGLE_PT_cameras,
        REANGLE_PT_new_camera,
        REANGLE_PT_motion,
    )
)
