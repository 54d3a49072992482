# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 1: the backend and the clip."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.types import Context, Operator, Scene

from .. import preferences, state
from ..core.errors import UserError
from ..exchange import connection, sending, transfer
from ._report import report_error


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
    bl_description = "End the backend; jobs that run go on when it is started again"

    def execute(self, context: Context) -> set[str]:
        connection.stop()
        return {"FINISHED"}


def choice_of(scene: Scene) -> transfer.ClipChoice:
    """What is set in step 1. Raises UserError for what is missing or not allowed."""
    clip = state.of(scene).clip
    if not clip.path:
        raise UserError("No clip is chosen.", advice="Choose a movie, or an image of a sequence.")
    known = connection.now.provider(clip.provider)
    if known is None and connection.now.capabilities:
        raise UserError(
            f"The backend, version {connection.now.version}, does not know the geometry {clip.provider!r}.",
            advice="Install the backend again with this add-on's version, or choose another geometry.",
        )
    if known is not None and not known.available:
        raise UserError(known.message or f"{clip.provider} is not available.", advice=known.advice)
    if known is not None and preferences.get().commercial_only and not known.commercial_ok:
        raise UserError(
            f"The geometry {known.name!r} is not for commercial work: {known.licence}.",
            advice="Choose another geometry, or allow it in the add-on's preferences.",
        )
    folder = bpy.path.abspath(clip.geometry_folder) if clip.geometry_folder else ""
    return transfer.ClipChoice(
        path=Path(bpy.path.abspath(clip.path)),
        start=clip.start,
        frames=clip.frames,
        size=None if clip.use_own_size else (clip.width, clip.height),
        sequence_fps=clip.sequence_fps,
        provider=clip.provider,
        geometry_folder=Path(folder) if folder else None,
        depth_scale=clip.depth_scale,
        checkpoint=clip.checkpoint if clip.provider in state.WITH_CHECKPOINT else "",
        use_dust3r=not preferences.get().commercial_only,
        fov_deg=clip.fov_deg if clip.use_fov else None,
    )


class REANGLE_OT_import_clip(Operator):
    bl_idname = "reangle.import_clip"
    bl_label = "Import Clip"
    bl_description = "Measure the clip's depth and camera, and bring it in as a point cloud with its camera"

    @classmethod
    def poll(cls, context: Context) -> bool:
        if connection.now.backend is None:
            cls.poll_message_set("Start the backend first")
            return False
        if any(job.kind == "IMPORT" and not job.is_final for job in state.of(context.scene).jobs):
            cls.poll_message_set("An import is under way")
            return False
        return not state.of(context.scene).is_newer

    def execute(self, context: Context) -> set[str]:
        try:
            sending.import_clip(context.scene, choice_of(context.scene))
        except UserError as error:
            return report_error(self, error)
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory(
    (REANGLE_OT_start_backend, REANGLE_OT_stop_backend, REANGLE_OT_import_clip)
)
