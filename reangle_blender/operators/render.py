# SPDX-License-Identifier: GPL-3.0-or-later
"""The Render panel: render, cancel, remove, and read errors."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty
from bpy.types import Context, Operator, Scene

from .. import readiness, state
from ..core.errors import UserError
from ..exchange import removing, sending, watching
from ..scene import camera_status, cameras
from ..translations import tr
from ._report import is_ready, report_error, reports_errors


def named_job(scene: Scene, name: str) -> state.ReangleJob:
    """The job of this id. Raises UserError if the scene has none."""
    job = state.of(scene).jobs.get(name)
    if job is None:
        about = f"The scene {scene.name} has no job {name!r}." if name else "No job is named."
        raise UserError(about, advice="Give the id of a job of this scene.")
    return job


def _job_with_details(scene: Scene, name: str) -> state.ReangleJob:
    job = named_job(scene, name)
    if not job.traceback:
        raise UserError(f"There are no details of {job.title}.", advice="Only an error has them.")
    return job


class REANGLE_OT_render(Operator):
    bl_idname = "reangle.render"
    bl_label = "Render Cameras"
    bl_description = "Render the clip from the ticked cameras, in the backend"

    which: EnumProperty(
        name="Cameras",
        description="Which of the ticked cameras are rendered",
        items=(
            ("TICKED", "Ticked", "Render all ticked cameras"),
            ("OUTDATED", "Outdated", "Render the ticked cameras that are new or have changed since their last result"),
        ),
        options={"SKIP_SAVE"},
    )

    @classmethod
    def description(cls, _context: Context, properties: bpy.types.OperatorProperties) -> str:
        if properties.which == "OUTDATED":
            return tr("Render the ticked cameras that are new or have changed since their last result; the others stay")
        return tr(cls.bl_description)

    @classmethod
    def poll(cls, context: Context) -> bool:
        return is_ready(cls, readiness.check_render, context.scene)

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        scene = context.scene
        readiness.check_render(scene)
        chosen, use_markers = readiness.cameras_to_render(scene)
        if self.which == "OUTDATED":
            chosen, use_markers = camera_status.outdated(scene, chosen, read=True), False
            if not chosen:
                raise UserError("No ticked camera has changed since its last result.", advice="Render all with Render.")
        paths = cameras.export_paths(scene, chosen, use_markers=use_markers)
        sending.render(scene, paths, [*chosen, None] if use_markers else list(chosen))
        return {"FINISHED"}


class REANGLE_OT_cancel_job(Operator):
    bl_idname = "reangle.cancel_job"
    bl_label = "Cancel"
    bl_description = "Cancel this job in the backend"

    job: StringProperty(name="Job", description="Id of the job; empty is the only one that runs", options={"HIDDEN"})

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        job = self._chosen(context.scene)
        if job.is_final:
            self.report({"INFO"}, tr("{title} has ended already.", title=job.title))
        else:
            watching.cancel(job.name)
        return {"FINISHED"}

    def _chosen(self, scene: Scene) -> state.ReangleJob:
        if self.job:
            return named_job(scene, self.job)
        running = [job for job in state.of(scene).jobs if not job.is_final]
        if not running:
            raise UserError("No job of this scene is running.", advice="There is nothing to cancel.")
        if len(running) > 1:
            titles = ", ".join(job.title for job in running)
            raise UserError(f"Several jobs are running: {titles}.", advice="Say which one by its id.")
        return running[0]


class REANGLE_OT_remove_job(Operator):
    bl_idname = "reangle.remove_job"
    bl_label = "Remove"
    bl_description = "Remove this job from the list; its files stay unless you choose otherwise"

    job: StringProperty(name="Job", options={"HIDDEN", "SKIP_SAVE"})
    delete_files: BoolProperty(
        name="Delete Its Files",
        description="Delete the folder with the files of this job, too. This cannot be undone",
        options={"SKIP_SAVE"},
    )

    def invoke(self, context: Context, _event: bpy.types.Event) -> set[str]:
        job = state.of(context.scene).jobs.get(self.job)
        if job is None or not job.loaded:
            return self.execute(context)
        title = tr("Remove {job}", job=job.title)
        return context.window_manager.invoke_props_dialog(self, title=title, confirm_text="Remove")

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        removing.remove(context.scene, named_job(context.scene, self.job), delete_files=self.delete_files)
        return {"FINISHED"}


class REANGLE_OT_show_traceback(Operator):
    bl_idname = "reangle.show_traceback"
    bl_label = "Show Details"
    bl_description = "Show the whole error in a window"

    job: StringProperty(name="Job", options={"HIDDEN"})

    def invoke(self, context: Context, _event: bpy.types.Event) -> set[str]:
        try:
            _job_with_details(context.scene, self.job)
        except UserError as error:
            return report_error(self, error)
        return context.window_manager.invoke_popup(self, width=900)

    def draw(self, context: Context) -> None:
        column = self.layout.column(align=True)
        column.scale_y = 0.7
        job = state.of(context.scene).jobs.get(self.job)
        for line in job.traceback.splitlines()[-60:] if job is not None else ():
            column.label(text=line.replace("\t", "    "))

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        print(_job_with_details(context.scene, self.job).traceback)
        return {"FINISHED"}


class REANGLE_OT_copy_traceback(Operator):
    bl_idname = "reangle.copy_traceback"
    bl_label = "Copy Details"
    bl_description = "Copy the whole error to the clipboard"

    job: StringProperty(name="Job", options={"HIDDEN"})

    @classmethod
    def poll(cls, _context: Context) -> bool:
        if bpy.app.background:
            cls.poll_message_set(tr("There is no clipboard without a window; Show Details prints the error"))
        return not bpy.app.background

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        job = _job_with_details(context.scene, self.job)
        context.window_manager.clipboard = f"{job.message} {job.advice}\n\n{job.traceback}"
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory(
    (
        REANGLE_OT_render,
        REANGLE_OT_cancel_job,
        REANGLE_OT_remove_job,
        REANGLE_OT_show_traceback,
        REANGLE_OT_copy_traceback,
    )
)
