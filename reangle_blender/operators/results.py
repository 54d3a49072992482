# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 4: results to the sequencer, the camera backgrounds and the compositor."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty
from bpy.types import Context, Operator, Scene

from .. import compat, state
from ..core.errors import UserError
from ..exchange import clouds, fetching, homes
from ..exchange.fetched_shot import clip_frames
from ..scene import background, compositor, sequencer
from ..state import paths
from ._report import reports_errors


def chosen_job(scene: Scene, name: str) -> state.ReangleJob | None:
    """The job of this id; "" is the selected one in the panel."""
    shot = state.of(scene)
    if name:
        return shot.jobs.get(name)
    return shot.jobs[shot.job_index] if 0 <= shot.job_index < len(shot.jobs) else None


def _needed_job(scene: Scene, name: str) -> state.ReangleJob:
    """As `chosen_job`. Raises UserError if there is none."""
    job = chosen_job(scene, name)
    if job is None:
        raise UserError("No job is chosen.", advice="Choose one in the list of jobs.")
    return job


class _ResultOperator(Operator):
    """Base of operators that act on each camera of a fetched job."""

    bl_options = {"REGISTER", "UNDO"}

    job: StringProperty(name="Job", description="Id of the job; empty is the selected one", options={"HIDDEN"})

    @classmethod
    def poll(cls, context: Context) -> bool:
        if any(job.kind == "RENDER" and job.loaded for job in state.of(context.scene).jobs):
            return True
        cls.poll_message_set("No results have been fetched yet")
        return False

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        job = chosen_job(context.scene, self.job)
        if job is None or job.kind != "RENDER" or not job.loaded:
            raise UserError(
                "The results of this job have not been fetched.",
                advice="Choose a finished render and fetch its results.",
            )
        if not paths.absolute(job.folder).is_dir():
            homes.set_missing(context.scene, job, True)
        for camera in job.cameras:
            self.show(context, camera, paths.absolute(camera.folder))
        return {"FINISHED"}

    def show(self, context: Context, camera: state.ReangleCamera, folder: Path) -> None:
        raise NotImplementedError


class REANGLE_OT_results_to_sequencer(_ResultOperator):
    bl_idname = "reangle.results_to_sequencer"
    bl_label = "To Sequencer"
    bl_description = "Add one strip per camera, each on its own channel"

    timing: EnumProperty(
        name="Timing",
        description="How to play the clip where the scene has another frame rate",
        items=(
            ("SPEED", "Real Speed", "Repeat or drop frames so that the clip plays at its own speed", "NONE", 0),
            ("FRAMES", "Frame by Frame", "One frame of the clip per frame of the scene", "NONE", 1),
        ),
    )
    with_clip: BoolProperty(name="With the Clip", description="Also add a strip of the original clip below them")

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        scene = compat.sequencer_scene(context)
        shot = state.of(context.scene)
        if self.with_clip and shot.shot_folder:
            frames = clip_frames(paths.absolute(shot.shot_folder))
            self._add(scene, frames, "Clip", shot.shot_fps, shot.first_frame)
        compat.show_in_sequencer(context, scene)
        if scene.view_settings.view_transform != compat.VIDEO_VIEW_TRANSFORM:
            transform = scene.view_settings.view_transform
            self.report({"WARNING"}, f"The view transform {transform} changes the colours of video; Standard does not.")
        return super().execute(context)

    def show(self, context: Context, camera: state.ReangleCamera, folder: Path) -> None:
        scene = compat.sequencer_scene(context)
        self._add(scene, folder / "frames", camera.name, camera.fps, camera.first_frame)

    def _add(self, scene: Scene, frames: Path, name: str, fps: float, first_frame: int) -> None:
        real_speed = self.timing == "SPEED"
        _, note = sequencer.add_strip(scene, frames, name, fps, first_frame, real_speed=real_speed)
        if note:
            self.report({"INFO"}, note)


class REANGLE_OT_results_to_backgrounds(_ResultOperator):
    bl_idname = "reangle.results_to_backgrounds"
    bl_label = "To Camera Backgrounds"
    bl_description = "Show each result behind the camera that it was rendered from"

    def show(self, context: Context, camera: state.ReangleCamera, folder: Path) -> None:
        item = state.alive(context.scene, camera.camera)
        if item is None:
            self.report({"WARNING"}, f"The camera {camera.name!r} is no longer in the scene; its result is left out.")
            return
        background.show_behind(item, folder / "frames", f"{camera.name} result", camera.first_frame)


class REANGLE_OT_results_to_compositor(_ResultOperator):
    bl_idname = "reangle.results_to_compositor"
    bl_label = "To Compositor"
    bl_description = "Add image nodes for the frames, the mask of areas that the clip shows, and depth"

    def show(self, context: Context, camera: state.ReangleCamera, folder: Path) -> None:
        compositor.add_nodes(context.scene, folder, camera.name, camera.first_frame)


class REANGLE_OT_fetch_results(Operator):
    bl_idname = "reangle.fetch_results"
    bl_label = "Fetch Results"
    bl_description = "Fetch the results of the selected job from the backend"

    job: StringProperty(name="Job", options={"HIDDEN"})

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        fetching.fetch_again(context.scene, _needed_job(context.scene, self.job).name)
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
    REANGLE_OT_results_to_sequencer,
    REANGLE_OT_results_to_backgrounds,
    REANGLE_OT_results_to_compositor,
    REANGLE_OT_fetch_results,
    REANGLE_OT_locate_results,
    REANGLE_OT_open_results,
)
register, unregister = bpy.utils.register_classes_factory(_CLASSES)
