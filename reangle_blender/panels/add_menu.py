# SPDX-License-Identifier: GPL-3.0-or-later
"""New cameras in Add > Camera, in the search, and in a pie menu."""

from __future__ import annotations

import bpy
from bpy.types import Context, KeyMap, KeyMapItem, Menu, UILayout

from ..core.contract.moves import KINDS
from ..translations import tr

PIE = ("orbit-left", "orbit-right", "orbit-down", "orbit-up", "dolly-in", "dolly-out", "truck-left", "truck-right")
"""Moves in the order of a pie's slots: west, east, south, north, north-west, north-east, south-west, south-east."""

_ICONS = {
    "orbit-left": "LOOP_BACK",
    "orbit-right": "LOOP_FORWARDS",
    "orbit-up": "TRIA_UP",
    "orbit-down": "TRIA_DOWN",
    "dolly-in": "ZOOM_IN",
    "dolly-out": "ZOOM_OUT",
    "truck-left": "BACK",
    "truck-right": "FORWARD",
}

_keys: list[tuple[KeyMap, KeyMapItem]] = []


class REANGLE_MT_add_camera(Menu):
    bl_label = "Reangle Camera"
    bl_options = {"SEARCH_ON_KEY_PRESS"}

    def draw(self, _context: Context) -> None:
        layout = self.layout
        layout.operator_context = "EXEC_REGION_WIN"  # the redo panel has the settings
        group = ""
        for move in KINDS:
            before, group = group, move.rpartition("-")[0] or move
            if before and group != before and not {before, group} <= {"dolly", "dolly-zoom"}:
                layout.separator()
            _draw_move(layout, move)
        layout.separator()
        layout.operator("reangle.add_camera", text="Match Clip Camera", icon="CON_TRANSLIKE").follow = True
        layout.operator("reangle.add_camera", text="Still at This Frame", icon="OUTLINER_OB_CAMERA").follow = False
        action = layout.operator("reangle.apply_move", text="Bullet Time at This Frame", icon="FREEZE")
        action.move, action.new, action.freeze = "orbit-left", True, True
        layout.separator()
        for angles, text in (("THREE", "Three Angles"), ("FIVE", "Five Angles"), ("TEN", "Ten Angles")):
            layout.operator("reangle.add_angles", text=text, icon="CAMERA_DATA").angles = angles


class REANGLE_MT_moves_pie(Menu):
    bl_label = "Reangle Camera"

    def draw(self, _context: Context) -> None:
        pie = self.layout.menu_pie()
        pie.operator_context = "EXEC_REGION_WIN"
        for move in PIE:
            _draw_move(pie, move)


def _draw_move(layout: UILayout, move: str) -> None:
    action = layout.operator("reangle.apply_move", text=tr(KINDS[move].label), icon=_ICONS.get(move, "NONE"))
    action.move, action.new = move, True


def draw_keymap(layout: UILayout, context: Context) -> None:
    """The shortcut of the pie menu as the artist can change it, for the add-on's preferences."""
    import rna_keymap_ui

    artist = context.window_manager.keyconfigs.user
    keymap = artist.keymaps.get("3D View") if artist is not None else None
    for item in keymap.keymap_items if keymap is not None else ():
        if item.idname == "wm.call_menu_pie" and item.properties.name == REANGLE_MT_moves_pie.__name__:
            layout.context_pointer_set("keymap", keymap)
            rna_keymap_ui.draw_kmi(["ADDON", "USER", "DEFAULT"], artist, keymap, item, layout, 0)


def _draw_in_add(self: Menu, _context: Context) -> None:
    self.layout.menu("REANGLE_MT_add_camera", text="Reangle", icon="VIEW_CAMERA")


_register, _unregister = bpy.utils.register_classes_factory((REANGLE_MT_add_camera, REANGLE_MT_moves_pie))


def register() -> None:
    _register()
    bpy.types.VIEW3D_MT_camera_add.append(_draw_in_add)
    configuration = bpy.context.window_manager.keyconfigs.addon
    if configuration is not None:  # there is none in background mode
        keymap = configuration.keymaps.new("3D View", space_type="VIEW_3D")
        item = keymap.keymap_items.new("wm.call_menu_pie", "C", "PRESS", shift=True, alt=True)
        item.properties.name = REANGLE_MT_moves_pie.__name__
        _keys.append((keymap, item))


def unregister() -> None:
    for keymap, item in _keys:
        keymap.keymap_items.remove(item)
    _keys.clear()
    bpy.types.VIEW3D_MT_camera_add.remove(_draw_in_add)
    _unregister()
