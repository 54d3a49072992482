# SPDX-License-Identifier: GPL-3.0-or-later
"""Go from clip to clip of a file, and make room for another."""

from __future__ import annotations

import bpy
from bpy.props import StringProperty
from bpy.types import Context, Operator

from ..core.errors import UserError
from ..scene import clip_list
from ..translations import tr
from ._report import reports_errors


class REANGLE_OT_show_clip(Operator):
    bl_idname = "reangle.show_clip"
    bl_label = "Show Clip"
    bl_description = "Show the scene of this clip"
    bl_options = {"UNDO"}

    scene: StringProperty(name="Scene", description="Name of the clip's scene")

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        scene = next((scene for scene in clip_list.scenes_with_clips() if scene.name == self.scene), None)
        if scene is None:
            raise UserError(f"No scene {self.scene!r} has a clip.", advice="Choose one that has.")
        if context.window is not None:
            context.window.scene = scene
        return {"FINISHED"}


class REANGLE_OT_new_clip(Operator):
    bl_idname = "reangle.new_clip"
    bl_label = "Another Clip"
    bl_description = "Add a scene for another clip; this one stays as it is"
    bl_options = {"UNDO"}

    def execute(self, context: Context) -> set[str]:
        scene = clip_list.new_scene(context.window, context.scene)
        self.report({"INFO"}, tr("The scene {name} is for the new clip.", name=scene.name))
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory((REANGLE_OT_show_clip, REANGLE_OT_new_clip))
