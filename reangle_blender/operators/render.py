# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 3: render, cancel, and read errors."""

from __future__ import annotations

import bpy
from bpy.props import StringProperty
from bpy.types import Context, Operator

from .. import state
from ..core.errors import UserError
from ..exchange import sending, watching
from ..scene import cameras
from ._report import has_backend, reports_errors


class REANGLE_OT_render(Operator):
    bl_idname = "reangle.render"
    bl_label = "Render Cameras"
    bl_description = "Render the clip from the ticked cameras, in the backend"

    @classmethod
    def poll(cls, context: Context) -> bool:
        return has_backend(cls)

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        scene = context.scene
        use_markers = state.of(scene).use_markers and any(marker.camera for marker in scene.timeline_markers)
        chosen = [camera for camera in cameras.artist_cameras(scene) if state.is_ticked(scene, camera)]
        if not (chosen or use_markers):
            raise UserError("No camera is ticked.", advice="Add one in step 2, or tick one in the list.")
        paths = cameras.export_paths(scene, chosen, use_markers=use_markers)
        sending.render(scene, paths, [*chosen, None] if use_markers else list(chosen))
        return {"FINISHED"}


class REANGLE_OT_cancel_job(Operator):
    bl_idname = "reangle.cancel_job"
    bl_label = "Cancel"
    bl_description = "Cancel this job in the backend"

    job: StringProperty(name="Job", options={"HIDDEN"})

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        watching.cancel(self.job)
        return {"FINISHED"}


class REANGLE_OT_show_traceback(Operator):
    bl_idname = "reangle.show_traceback"
    bl_label = "Show Details"
    bl_description = "Show the whole error in a window"

    job: StringProperty(name="Job", options={"HIDDEN"})

    def invoke(self, context: Context, _event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_popup(self, width=900)

    def draw(self, context: Context) -> None:
        column = self.layout.column(align=True)
        column.scale_y = 0.7
        for line in self._text(context).splitlines()[-60:]:
            column.label(text=line.replace("\t", "    "))

    def execute(self, context: Context) -> set[str]:
        print(self._text(context))
        return {"FINISHED"}

    def _text(self, context: Context) -> str:
        job = state.of(context.scene).jobs.get(self.job)
        return job.traceback if job is not None else ""


class REANGLE_OT_copy_traceback(Operator):
    bl_idname = "reangle.copy_traceback"
    bl_label = "Copy Details"
    bl_description = "Copy the whole error to the clipboard"

    job: StringProperty(name="Job", options={"HIDDEN"})

    def execute(self, context: Context) -> set[str]:
        job = state.of(context.scene).jobs.get(self.job)
        if job is not None:
            context.window_manager.clipboard = f"{job.message} {job.advice}\n\n{job.traceback}"
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory(
    (REANGLE_OT_render, REANGLE_OT_cancel_job, REANGLE_OT_show_traceback, REANGLE_OT_copy_traceback)
)
