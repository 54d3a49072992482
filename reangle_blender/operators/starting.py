# SPDX-License-Identifier: GPL-3.0-or-later
"""The Render and Results panels: starting images, which the artist accepts, paints, replaces, edits and anchors."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import BoolProperty, FloatProperty, IntProperty, StringProperty
from bpy.types import Context, Object, Operator, Scene

from .. import compat, readiness, state
from ..core.contract import PromptEdit
from ..core.errors import UserError
from ..exchange import approval, start_files
from ..scene import starting
from ..state import paths
from ..translations import CONTEXT, tr
from ._report import is_ready, report_error, reports_errors
from .cameras import CAMERA_NAME, named_camera
from .render import named_job


def _job_of(scene: Scene, name: str) -> state.ReangleJob:
    """The job of this id; "" is the only one that waits for approval. Raises UserError if there is none."""
    if name:
        return named_job(scene, name)
    waiting = [job for job in state.of(scene).jobs if job.waits]
    if len(waiting) != 1:
        titles = ", ".join(job.title for job in waiting)
        about = f"Several renders wait for approval: {titles}." if waiting else "No starting image waits for approval."
        raise UserError(about, advice="Say which render by the id of its job.")
    return waiting[0]


def _row_of(job: state.ReangleJob, name: str) -> state.ReangleCamera:
    """A camera of the job that has a starting image. Raises UserError if it has none."""
    row = job.cameras.get(name)
    if row is None or not row.start:
        about = f"Camera {name!r} of {job.title} has no starting image." if name else "No camera is named."
        raise UserError(about, advice="Name a camera of this render that does not begin at the clip's camera.")
    return row


class _StartOperator(Operator):
    """Base of operators that act on the starting image of one camera of a job."""

    bl_translation_context = CONTEXT

    job: StringProperty(name="Job", description="Id of the job; empty is the one that waits", options={"HIDDEN"})
    camera: StringProperty(name="Camera", description="Name of its path in the job", options={"HIDDEN"})

    @classmethod
    def poll(cls, context: Context) -> bool:
        row = getattr(context, "reangle_start", None)
        return is_ready(cls, lambda scene: cls.needs(scene, row), context.scene)

    @classmethod
    def needs(cls, scene: Scene, row: state.ReangleCamera | None) -> None:
        """Raises UserError if the button cannot be used. row: None while no camera is chosen."""
        readiness.check_start(scene, row)

    def chosen(self, scene: Scene) -> tuple[state.ReangleJob, state.ReangleCamera, Object]:
        """Job, its row, and the camera. Raises UserError as the button's reason says."""
        job = _job_of(scene, self.job)
        row = _row_of(job, self.camera)
        self.needs(scene, row)
        return job, row, starting.check_own(row.camera, row.name)


class REANGLE_OT_accept_start(_StartOperator):
    bl_idname = "reangle.accept_start"
    bl_label = "Accept"
    bl_description = "Begin the camera with this image. When all are accepted, the render goes on"

    @classmethod
    def needs(cls, scene: Scene, row: state.ReangleCamera | None) -> None:
        state.check_editable(scene)
        readiness.check_backend(scene)

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        scene = context.scene
        job = _job_of(scene, self.job)
        row = _row_of(job, self.camera)
        self.needs(scene, row)
        readiness.check_taken(row)
        approval.accept(scene, job, [row.name])
        return {"FINISHED"}


class REANGLE_OT_accept_starts(Operator):
    bl_idname = "reangle.accept_starts"
    bl_label = "Accept All"
    bl_description = "Accept all starting images of this render, which then goes on"

    job: StringProperty(name="Job", description="Id of the job; empty is the one that waits", options={"HIDDEN"})

    @classmethod
    def poll(cls, context: Context) -> bool:
        return is_ready(cls, lambda scene: REANGLE_OT_accept_start.needs(scene, None), context.scene)

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        scene = context.scene
        job = _job_of(scene, self.job)
        REANGLE_OT_accept_start.needs(scene, None)
        for row in job.cameras:
            readiness.check_taken(row)
        approval.accept(scene, job, [row.name for row in job.cameras])
        return {"FINISHED"}


class REANGLE_OT_redo_start(_StartOperator):
    bl_idname = "reangle.redo_start"
    bl_label = "Redo"
    bl_description = "Make this starting image again: with another seed, or along the new path if the camera has moved"
    bl_options = {"UNDO"}

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        job, row, camera = self.chosen(context.scene)
        has_moved = row.moved or row.wish != starting.wish_of(camera).text()
        camera.reangle.start.forget_image()
        if not has_moved:
            starting.new_seed(camera)
            if row.about_start.startswith(start_files.FILLED):
                self.report({"INFO"}, tr("The preview's fill is the same each time; choose an image model for others."))
        approval.make_again(context.scene, job)
        return {"FINISHED"}


class REANGLE_OT_paint_start(_StartOperator):
    bl_idname = "reangle.paint_start"
    bl_label = "Paint"
    bl_description = "Open a copy of this image in Blender's image editor to paint on. Other programs can edit it, too"
    bl_options = {"UNDO"}

    @classmethod
    def needs(cls, scene: Scene, row: state.ReangleCamera | None) -> None:
        readiness.check_own_start(scene, row)

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        _, row, camera = self.chosen(context.scene)
        image = starting.begin_painting(camera, paths.absolute(row.start) / start_files.IMAGE)
        where = starting.show_in_editor(context, image)
        file = paths.absolute(camera.reangle.start.source.path)
        self.report(
            {"INFO"},
            tr(
                "{name} is a copy in {file}; {where}, then press Take Back.",
                name=repr(image.name),
                file=file,
                where=where,
            ),
        )
        return {"FINISHED"}


class REANGLE_OT_take_start(_StartOperator):
    bl_idname = "reangle.take_start"
    bl_label = "Take Back"
    bl_description = "Save what was painted, here or in another program, and begin the camera with it"
    bl_options = {"UNDO"}

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        job, row, camera = self.chosen(context.scene)
        starting.take_back(camera, (row.width, row.height), paths.absolute(row.start))
        approval.make_again(context.scene, job)
        return {"FINISHED"}


class _ChooseImage(_StartOperator):
    """Base of operators that ask for an image file."""

    filepath: StringProperty(subtype="FILE_PATH", options={"HIDDEN", "SKIP_SAVE", *compat.PATH_OPTIONS})
    filter_image: BoolProperty(default=True, options={"HIDDEN"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})

    def invoke(self, context: Context, _event: bpy.types.Event) -> set[str]:
        try:
            self.chosen(context.scene)
        except UserError as error:
            return report_error(self, error)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def file(self) -> Path:
        if not self.filepath:
            raise UserError("No image is chosen.", advice="Choose an image file.")
        return paths.absolute(self.filepath)


class REANGLE_OT_replace_start(_ChooseImage):
    bl_idname = "reangle.replace_start"
    bl_label = "Replace"
    bl_description = "Begin the camera with an image of your own, taken as it is"
    bl_options = {"UNDO"}

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        job, row, camera = self.chosen(context.scene)
        starting.take(camera, self.file(), (row.width, row.height), paths.absolute(row.start))
        camera.reangle.start.is_painting = False
        approval.make_again(context.scene, job)
        return {"FINISHED"}


class REANGLE_OT_anchor_start(_ChooseImage):
    bl_idname = "reangle.anchor_start"
    bl_label = "Anchor"
    bl_description = "Give an image for the current frame of the scene, where the video model allows it"
    bl_options = {"UNDO"}

    frame: IntProperty(
        name="Frame",
        description="Frame of the clip, counted from 0; -1 is the current frame of the scene",
        default=-1,
        min=-1,
    )

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        scene = context.scene
        job, row, camera = self.chosen(scene)
        frame = starting.scene_frame_of(scene) if self.frame < 0 else self.frame
        if not 1 <= frame < row.frames:
            first = state.of(scene).first_frame
            raise UserError(
                f"Scene frame {frame + first} is not a later frame of camera {row.name!r}.",
                advice=f"Go to a frame from {first + 1} to {first + row.frames - 1}.",
            )
        starting.anchor(camera, frame, self.file(), (row.width, row.height), paths.absolute(row.start))
        approval.make_again(scene, job)
        return {"FINISHED"}


class REANGLE_OT_edit_start(_StartOperator):
    bl_idname = "reangle.edit_start"
    bl_label = "Edit"
    bl_description = "Change this starting image by words"
    bl_options = {"UNDO"}

    source: StringProperty(name="It Shows", description="What the image shows, in a few words", maxlen=2000)
    target: StringProperty(name="It Should Show", description="What it should show instead", maxlen=2000)
    strength: FloatProperty(
        name="Strength",
        description="How much of the making of the image is repeated; more changes more",
        default=PromptEdit.strength,
        min=0.01,
        max=1,
        subtype="FACTOR",
    )

    def invoke(self, context: Context, _event: bpy.types.Event) -> set[str]:
        try:
            _, _, camera = self.chosen(context.scene)
        except UserError as error:
            return report_error(self, error)
        start = camera.reangle.start
        caption = state.of(context.scene).learning.caption
        self.source, self.target = start.edit_source or caption, start.edit_target or caption
        self.strength = start.edit_strength
        return context.window_manager.invoke_props_dialog(
            self, width=420, title=tr("Edit the Start of {camera}", camera=camera.name), confirm_text="Edit"
        )

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        job, _, camera = self.chosen(context.scene)
        if not (self.source.strip() and self.target.strip()):
            raise UserError("An edit needs both texts.", advice="Say what the image shows, and what it should show.")
        start = camera.reangle.start
        start.edit_source, start.edit_target = self.source.strip(), self.target.strip()
        start.edit_strength = self.strength
        approval.make_again(context.scene, job)
        return {"FINISHED"}


class REANGLE_OT_revert_start(_StartOperator):
    bl_idname = "reangle.revert_start"
    bl_label = "Revert"
    bl_description = "Drop your image, words and anchors, and begin with the image that the backend paints"
    bl_options = {"UNDO"}

    @classmethod
    def needs(cls, scene: Scene, row: state.ReangleCamera | None) -> None:
        readiness.check_start(scene, row)
        if row is not None and row.camera is not None and not row.camera.reangle.start.is_own:
            raise UserError("Nothing of this image is yours.", advice="There is nothing to revert.")

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        job, _, camera = self.chosen(context.scene)
        camera.reangle.start.forget_own()
        approval.make_again(context.scene, job)
        return {"FINISHED"}


class REANGLE_OT_clear_start(Operator):
    bl_idname = "reangle.clear_start"
    bl_label = "Clear Start"
    bl_description = "This camera begins with your own image, words or anchors. Drop them"
    bl_options = {"UNDO", "INTERNAL"}

    camera: StringProperty(description=CAMERA_NAME, options={"HIDDEN", "SKIP_SAVE"})

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        camera = named_camera(context, self.camera)
        starting.check_own(camera, camera.name).reangle.start.forget_own()
        return {"FINISHED"}


_CLASSES = (
    REANGLE_OT_accept_start,
    REANGLE_OT_accept_starts,
    REANGLE_OT_redo_start,
    REANGLE_OT_paint_start,
    REANGLE_OT_take_start,
    REANGLE_OT_replace_start,
    REANGLE_OT_edit_start,
    REANGLE_OT_anchor_start,
    REANGLE_OT_revert_start,
    REANGLE_OT_clear_start,
)
register, unregister = bpy.utils.register_classes_factory(_CLASSES)
