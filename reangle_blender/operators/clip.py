# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 1: the backend and the clip."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.types import Context, Operator, Scene

from .. import choices, state, weights
from ..core.contract import GeometrySettings
from ..core.errors import UserError
from ..exchange import connection, sending, transfer
from ..state.clip import geometry_settings, reads
from ..state.from_contract import values_of
from ._report import NEWER, has_backend, reports_errors


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

    def execute(self, context: Context) -> set[str]:
        connection.stop()
        return {"FINISHED"}


def choice_of(scene: Scene) -> transfer.ClipChoice:
    """The choices of step 1. Raises UserError for what is missing, not available or not allowed."""
    clip = state.of(scene).clip
    if not clip.path:
        raise UserError("No clip is chosen.", advice="Choose a movie, or an image of a sequence.")
    choices.check("camera", clip.camera)
    choices.check("depth", clip.depth)
    names = geometry_settings(clip)
    values = values_of(clip, GeometrySettings, (name for name in names if name not in ("files", "given")))
    if "checkpoint" in names:
        weights.check_named(clip.checkpoint)
    folder = bpy.path.abspath(clip.geometry_folder) if clip.geometry_folder else ""
    return transfer.ClipChoice(
        path=Path(bpy.path.abspath(clip.path)),
        start=clip.start,
        frames=clip.frames,
        size=None if clip.use_own_size else (clip.width, clip.height),
        sequence_fps=clip.sequence_fps,
        geometry=GeometrySettings(camera=clip.camera, depth=clip.depth, **values),
        camera_files=reads("camera", clip.camera, "files"),
        depth_files=reads("depth", clip.depth, "files"),
        geometry_folder=Path(folder) if folder else None,
    )


class REANGLE_OT_import_clip(Operator):
    bl_idname = "reangle.import_clip"
    bl_label = "Import Clip"
    bl_description = "Show the clip, find its camera and depth, and add them as a camera and a point cloud"
    bl_options = {"UNDO"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        if not has_backend(cls):
            return False
        if any(job.kind == "IMPORT" and not job.is_final for job in state.of(context.scene).jobs):
            cls.poll_message_set("An import is running")
            return False
        if state.of(context.scene).is_newer:
            cls.poll_message_set(NEWER)
            return False
        return True

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        sending.import_clip(context.scene, choice_of(context.scene))
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory(
    (REANGLE_OT_start_backend, REANGLE_OT_stop_backend, REANGLE_OT_import_clip)
)
