# SPDX-License-Identifier: GPL-3.0-or-later
"""The Results panel: results to the sequencer, the camera backgrounds and the compositor."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty
from bpy.types import Context, Operator, Scene

from .. import compat, state
from ..core.errors import UserError
from ..exchange import homes, sending, transfer
from ..exchange.fetched_shot import clip_frames
from ..scene import background, compositor, edit_scene, multicam, sequencer, sound
from ..scene.result_marks import Result
from ..state import paths
from ..translations import tr
from ._report import is_ready, reports_errors


def chosen_job(scene: Scene, name: str) -> state.ReangleJob | None:
    """The job of this id; "" is the selected one in the panel."""
    shot = state.of(scene)
    if name:
        return shot.jobs.get(name)
    return shot.jobs[shot.job_index] if 0 <= shot.job_index < len(shot.jobs) else None


class _ResultOperator(Operator):
    """Base of operators that act on the cameras of a fetched job."""

    bl_options = {"REGISTER", "UNDO"}

    job: StringProperty(name="Job", description="Id of the job; empty is the selected one", options={"HIDDEN"})

    @classmethod
    def poll(cls, context: Context) -> bool:
        if any(job.kind == "RENDER" and job.has_results for job in state.of(context.scene).jobs):
            return is_ready(cls, state.check_editable, context.scene)
        cls.poll_message_set(tr("No results have been fetched yet"))
        return False

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        job = chosen_job(context.scene, self.job)
        if job is None or job.kind != "RENDER" or not job.has_results:
            raise UserError(
                "The results of this job have not been fetched.",
                advice="Choose a finished render and fetch its results.",
            )
        state.check_editable(context.scene)
        if not paths.absolute(job.folder).is_dir():
            homes.set_missing(context.scene, job, True)
        self.show(context, job)
        return {"FINISHED"}

    def show(self, context: Context, job: state.ReangleJob) -> None:
        raise NotImplementedError


def _result(job: state.ReangleJob, camera: state.ReangleCamera) -> Result:
    return Result(job.clip, camera.camera, camera.name)


def _layers(job: state.ReangleJob, camera: state.ReangleCamera) -> compositor.Layers:
    size = camera.width, camera.height
    return compositor.Layers(_result(job, camera), paths.absolute(camera.folder), camera.first_frame, size)


class REANGLE_OT_results_to_sequencer(_ResultOperator):
    bl_idname = "reangle.results_to_sequencer"
    bl_label = "To Sequencer"
    bl_description = (
        "Show each camera's result as a strip of the scene's edit, which is a scene of its own, so that this one still "
        "renders its cameras. A selector above them switches between the cameras"
    )

    versions: EnumProperty(
        name="Earlier Results",
        description="What becomes of the strips of earlier results of the same cameras",
        items=(
            ("REPLACE", "Replace", "Their strips show the new results and stay where they are", "NONE", 0),
            ("STACK", "Stack as Version", "Keep them, muted, below a strip with the new version", "NONE", 1),
        ),
    )

    timing: EnumProperty(
        name="Timing",
        description="How to play the clip where the scene has another frame rate",
        items=(
            ("SPEED", "Real Speed", "Repeat or drop frames so that the clip plays at its own speed", "NONE", 0),
            ("FRAMES", "Frame by Frame", "One frame of the clip per frame of the scene", "NONE", 1),
        ),
    )
    with_clip: BoolProperty(name="With the Clip", description="Also add a strip of the original clip below them")
    with_sound: BoolProperty(name="Clip's Sound", description="Also add the sound of the clip, in sync", default=True)
    with_selector: BoolProperty(
        name="Multicam Selector",
        description="Add a selector above two or more cameras; cut it with the keys 1 to 9 to switch between them",
        default=True,
    )
    colours: EnumProperty(
        name="View Transform",
        description="How the edit shows colours. Video comes with its own, which AgX and Filmic wash out",
        items=(
            ("KEEP", "As It Is", "Keep the edit's view transform; a new edit gets Standard", "NONE", 0),
            ("STANDARD", "Standard", "Show the colours of video as they are", "NONE", 1),
        ),
        options={"SKIP_SAVE"},
    )

    @classmethod
    def description(cls, _context: Context, properties: bpy.types.OperatorProperties) -> str:
        if properties.versions != "STACK":
            return tr(cls.bl_description)
        return tr("Show the results as new versions above the strips of earlier ones, which stay, muted")

    def invoke(self, context: Context, _event: bpy.types.Event) -> set[str]:
        edit = edit_scene.find(context.scene)
        if edit is None or edit.view_settings.view_transform == compat.VIDEO_VIEW_TRANSFORM:
            return self.execute(context)
        self.colours = "STANDARD"
        return context.window_manager.invoke_props_dialog(self)

    def show(self, context: Context, job: state.ReangleJob) -> None:
        scene = context.scene
        state.separate_copies()
        shot = state.of(scene)
        sequences = [
            sequencer.frames_in(
                paths.absolute(camera.folder) / "frames",
                _result(job, camera),
                camera.fps,
                camera.first_frame,
                (camera.width, camera.height),
            )
            for camera in job.cameras
        ]
        if self.with_clip and shot.shot_folder:
            frames, size = clip_frames(paths.absolute(shot.shot_folder)), (shot.shot_width, shot.shot_height)
            digest = transfer.clip_digest(transfer.read_material(shot.shot_request).clip) if shot.shot_request else ""
            clip = Result(digest)
            sequences.insert(0, sequencer.frames_in(frames, clip, shot.shot_fps, shot.first_frame, size))
        edit, notes = sequencer.show(
            scene, sequences, real_speed=self.timing == "SPEED", stack=self.versions == "STACK"
        )
        if self.with_sound:
            notes.append(self._show_sound(scene, edit))
        if self.with_selector:
            notes.append(multicam.show(edit, job.clip))
        edit_scene.fit_range(edit)
        if self.colours == "STANDARD":
            edit_scene.use_standard(edit)
        transform = edit.view_settings.view_transform
        if transform != compat.VIDEO_VIEW_TRANSFORM:
            self.report(
                {"WARNING"},
                tr(
                    "The view transform {transform} changes the colours of video; Standard does not.",
                    transform=transform,
                ),
            )
        for note in filter(None, notes):
            self.report({"INFO"}, tr(note))
        is_shown = compat.show_in_sequencer(context, edit)
        where = "the sequencer shows it" if is_shown else f"choose it {compat.SEQUENCER_CHOICE}"
        self.report(
            {"INFO"},
            tr(
                "The strips are in scene {name}; {where}. {name2} renders as before.",
                name=repr(edit.name),
                where=where,
                name2=repr(scene.name),
            ),
        )

    def _show_sound(self, scene: Scene, edit: Scene) -> str:
        """Add the sound if the clip is a movie that is still there. Returns a note, or ""."""
        shot = state.of(scene)
        material = sending.imported(scene) if shot.shot_request else None
        if material is None or not transfer.is_movie(material.clip.files[0].name):
            return ""
        digest = material.clip.files[0].sha256
        file = next((place.file for place in material.places if place.sha256 == digest), Path(shot.clip.path))
        if not file.is_file() and shot.clip.path and paths.absolute(shot.clip.path).name == file.name:
            file = paths.absolute(shot.clip.path)
        if not file.is_file():
            return f"The clip's sound is left out: {file.name} is no longer in {file.parent}."
        rate = sequencer.scene_rate(edit)
        if self.timing == "FRAMES" and abs(rate / shot.shot_fps - 1) > 1e-3:
            return (
                f"The clip's sound is left out: frame by frame, {shot.shot_fps:g} frames per second play at {rate:g}. "
                "Choose Real Speed to have it in sync."
            )
        clip = material.clip
        about = sound.Sound(
            file, transfer.clip_digest(clip), clip.start, shot.shot_frames, shot.shot_fps, shot.first_frame
        )
        return sound.show(edit, about, rate)


class REANGLE_OT_results_to_backgrounds(_ResultOperator):
    bl_idname = "reangle.results_to_backgrounds"
    bl_label = "To Camera Backgrounds"
    bl_description = "Show each result behind the camera that it was rendered from"

    def show(self, context: Context, job: state.ReangleJob) -> None:
        for camera in job.cameras:
            item = state.alive(context.scene, camera.camera)
            if item is None:
                self.report(
                    {"WARNING"},
                    tr("The camera {name} is no longer in the scene; its result is left out.", name=repr(camera.name)),
                )
                continue
            if item.library is not None:
                file = bpy.path.basename(item.library.filepath)
                self.report(
                    {"WARNING"},
                    tr(
                        "The camera {name} is linked from {file}, and what is set on it here would be lost; its result "
                        "is left out. Make a library override of it first.",
                        name=repr(item.name),
                        file=file,
                    ),
                )
                continue
            frames = paths.absolute(camera.folder) / "frames"
            background.show_behind(item, frames, f"{item.name} frames", camera.first_frame)
        if background.uncover_results(context.scene):
            self.report({"INFO"}, tr("The clip's plane is hidden, because it would cover the results."))


class REANGLE_OT_results_to_compositor(_ResultOperator):
    bl_idname = "reangle.results_to_compositor"
    bl_label = "To Compositor"
    bl_description = (
        "Show frames, warp, masks and depth in a node group, with the clip's exact pixels over the result, and the "
        "result with CG by depth. The scene's compositing gets it, linked to nothing: the scene renders as before"
    )

    def show(self, context: Context, job: state.ReangleJob) -> None:
        state.separate_copies()
        group, is_in_use = compositor.show(
            context.scene,
            [_layers(job, camera) for camera in job.cameras],
        )
        how = "link it to use it" if is_in_use else "add it to a compositing tree with Add > Group"
        self.report(
            {"INFO"},
            tr(
                "The results are in node group {name}; {how}. The scene renders as before.",
                name=repr(group.name),
                how=how,
            ),
        )


class REANGLE_OT_use_in_compositing(_ResultOperator):
    bl_idname = "reangle.use_in_compositing"
    bl_label = "Use in This Scene"
    bl_description = (
        "Let this scene render the result of one camera with your objects before and behind it, by depth. Changes the "
        "scene's compositing, camera, Z pass and transparent film; Undo takes it back"
    )

    camera: StringProperty(name="Camera", description="Whose result; empty is the scene's camera, else the job's first")

    def show(self, context: Context, job: state.ReangleJob) -> None:
        scene = context.scene
        state.separate_copies()
        chosen = [sent for sent in job.cameras if self.camera in (sent.name, sent.camera and sent.camera.name)]
        if self.camera and not chosen:
            raise UserError(
                f"{job.title} has no result of camera {self.camera!r}.",
                advice=f"Choose {' or '.join(sent.name for sent in job.cameras)}.",
            )
        chosen += [sent for sent in job.cameras if sent.camera is not None and sent.camera == scene.camera]
        sent = (chosen or list(job.cameras))[0]
        compositor.show(scene, [_layers(job, sent)])
        for note in compositor.use(scene, _layers(job, sent)):
            self.report({"INFO"}, tr(note))
        self.report(
            {"INFO"},
            tr("{name} renders the result of {name2} with your objects in it.", name=repr(scene.name), name2=sent.name),
        )


_CLASSES = (
    REANGLE_OT_results_to_sequencer,
    REANGLE_OT_results_to_backgrounds,
    REANGLE_OT_results_to_compositor,
    REANGLE_OT_use_in_compositing,
)
register, unregister = bpy.utils.register_classes_factory(_CLASSES)
