# SPDX-License-Identifier: GPL-3.0-or-later
"""The Clip panel: the backend and the clip."""

from __future__ import annotations

import bpy
from bpy.types import Context, Operator

from .. import readiness
from ..exchange import connection, sending
from ..scene.framing import Framing
from ._report import is_ready, reports_errors


class REANGLE_OT_start_backend(Operator):
    bl_idname = "reangle.start_backend"
    bl_label = "Start Backend"
    bl_description = "Start the Reangle backend on this computer, or use the one that runs"

    def execute(self, context: Context) -> set[str]:
        connection.start()
        return {"FINISHED"}


class REANGLE_OT_stop_backend(Operator):
    bl_idname = "reangle.stop_backend"
    bl_label = "Stop Backend"
    bl_description = "Stop the backend; running jobs resume when it starts again"

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        connection.stop()
        return {"FINISHED"}


class REANGLE_OT_import_clip(Operator):
    bl_idname = "reangle.import_clip"
    bl_label = "Import Clip"
    bl_description = "Show the clip, find its camera and depth, and add them as a camera and a point cloud"
    bl_options = {"UNDO"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        return is_ready(cls, readiness.check_import, context.scene)

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        readiness.check_import(context.scene)
        sending.import_clip(context.scene, readiness.choice_of(context.scene), Framing(context))
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory(
    (REANGLE_OT_start_backend, REANGLE_OT_stop_backend, REANGLE_OT_import_clip)
)
