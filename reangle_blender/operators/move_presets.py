# SPDX-License-Identifier: GPL-3.0-or-later
"""Saves the settings of the Cameras panel's move as a preset, as Blender saves presets."""

from __future__ import annotations

import bpy
from bl_operators.presets import AddPresetBase
from bpy.types import Context, Operator

from .. import state


class REANGLE_OT_add_move_preset(AddPresetBase, Operator):
    bl_idname = "reangle.add_move_preset"
    bl_label = "Add Move Preset"
    bl_description = "Save move, amount, easing and the choices below them under a name, or remove a saved one"
    preset_menu = "REANGLE_MT_move_presets"
    preset_subdir = "reangle/moves"
    preset_defines = ("shot = bpy.context.scene.reangle",)
    preset_values = (
        *("shot.move_name", "shot.move_degrees", "shot.move_fraction", "shot.easing_name"),
        *("shot.hold", "shot.follow", "shot.bullet_time"),
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        return not state.of(context.scene).is_newer


register, unregister = bpy.utils.register_classes_factory((REANGLE_OT_add_move_preset,))
