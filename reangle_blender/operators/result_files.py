# SPDX-License-Identifier: GPL-3.0-or-later
"""The Results panel: the files of a job, and the frames that it warns of."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, IntProperty, StringProperty
from bpy.types import Context, Operator, Scene

from .. import compat, state
from ..core.errors import UserError
from ..exchange import clouds, fetching, homes
from ..state import paths
from ..translations import tr
from ._report import reports_errors
from .results import chosen_job


def _needed_job(scene: Scene, name: str) -> state.ReangleJob:
    """As `chosen_job`. Raises UserError if there is none."""
    job = chosen_job(scene, name)
    if job is None:
        raise UserError("No job is chosen.", advice="Choose one in the list of jobs.")
    return job


class REANGLE_OT_fetch_results(Operator):
    bl_idname = "reangle.fetch_results"
    bl_label = "Fetch Results"
    bl_description = "Fetch the results of the selected job from the backend"

    job: StringProperty(name="Job", options={"HIDDEN"})

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        fetching.fetch_again(context.scene, _needed_job(context.scene, self.job).name)
        return {"FINISHED"}


class REANGLE_OT_show_warning(Operator):
    bl_idname = "reangle.show_warning"
    bl_label = "Show Frame"
    bl_options = {"UNDO", "INTERNAL"}

    job: StringProperty(name="Job", options={"HIDDEN"})
    index: IntProperty(name="Warning", description="Number of the warning in the job", options={"HIDDEN"}, min=0)

    @classmethod
    def description(cls, context: Context, properties: bpy.types.OperatorProperties) -> str:
        job = state.of(context.scene).jobs.get(properties.job)
        is_there = job is not None and properties.index < len(job.warnings)
        return job.warnings[properties.index].message if is_there else "Go to the frame of the warning"

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        job = _needed_job(context.scene, self.job)
        frame = job.scene_frame(job.warnings[self.index]) if self.index < len(job.warnings) else None
        if frame is None:
            raise UserError("The job has no such warning.", advice="Choose one in the list of the Results panel.")
        context.scene.frame_set(frame)
        return {"FINISHED"}


class REANGLE_OT_open_results(Operator):
    bl_idname = "reangle.open_results"
    bl_label = "Open Folder"
    bl_description = "Show the files of the selected job in the system's file browser"

    job: StringProperty(name="Job", options={"HIDDEN"})

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        job = chosen_job(context.scene, self.job)
        folder = paths.absolute(job.folder) if job is not None and job.folder else None
        if folder is None or not folder.is_dir():
            if job is not None and job.loaded:
                homes.set_missing(context.scene, job, True)
                raise UserError(f"The folder of {job.title} is not there.", advice="Find it, or fetch it again.")
            raise UserError("This job has no folder yet.", advice="Fetch its results first.")
        if bpy.app.background:
            self.report({"INFO"}, tr("The files of {title} are in {folder}.", title=job.title, folder=folder))
        else:
            bpy.ops.wm.path_open(filepath=str(folder))
        return {"FINISHED"}


class REANGLE_OT_locate_results(Operator):
    bl_idname = "reangle.locate_results"
    bl_label = "Find Folder"
    bl_description = "Choose where the files of this job are now; other jobs beside them are found, too"

    job: StringProperty(name="Job", options={"HIDDEN"})
    directory: StringProperty(subtype="DIR_PATH", options={"HIDDEN", *compat.PATH_OPTIONS})
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})

    def invoke(self, context: Context, _event: bpy.types.Event) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        homes.locate(_needed_job(context.scene, self.job), paths.absolute(self.directory))
        clouds.read_all()
        return {"FINISHED"}


_CLASSES = (
    REANGLE_OT_fetch_results,
    REANGLE_OT_locate_results,
    REANGLE_OT_open_results,
    REANGLE_OT_show_warning,
)
register, unregister = bpy.utils.register_classes_factory(_CLASSES)
