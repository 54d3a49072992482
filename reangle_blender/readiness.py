# SPDX-License-Identifier: GPL-3.0-or-later
"""What each step needs. The same sentences tell why a button is grey, stand below it, and answer a script."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bpy
from bpy.types import Object, Scene

from . import choices, state, weights
from .core.contract import GeometrySettings
from .core.errors import UserError
from .exchange import connection, lookahead, presence, sending, transfer
from .scene import cameras, given, starting
from .state.clip import geometry_settings, reads
from .state.from_contract import values_of

Check = Callable[[Scene], object]


def missing(check: Check, scene: Scene) -> UserError | None:
    """What a check finds missing."""
    try:
        check(scene)
    except UserError as error:
        return error
    return None


def check_backend(_scene: Scene) -> None:
    """Raises UserError while the backend cannot be asked."""
    now = connection.now
    if now.state == "starting":
        raise UserError("The backend is starting.", advice="Wait until it runs.")
    if now.failure is not None and now.backend is None:
        raise UserError(now.failure.message, advice=now.failure.advice)
    connection.client()


def choice_of(scene: Scene) -> transfer.ClipChoice:
    """The choices of the Clip panel. Raises UserError for what is missing, not available or not allowed."""
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


def check_import(scene: Scene) -> None:
    """Raises UserError if a clip cannot be imported now."""
    state.check_editable(scene)
    check_backend(scene)
    check_clip(scene)


def check_clip(scene: Scene) -> None:
    """Raises UserError if what is chosen in the Clip panel cannot be imported, whether or not the backend runs."""
    if any(job.kind == "IMPORT" and not job.is_final for job in state.of(scene).jobs):
        raise UserError("An import is running.", advice="Wait for it, or cancel it.")
    choice = choice_of(scene)
    if presence.is_missing(choice.path):
        raise UserError(f"There is no file {choice.path}.", advice="Choose the clip again.")
    if choice.camera_files or choice.depth_files:
        if choice.geometry_folder is None:
            transfer.geometry_files(None, camera=choice.camera_files, depth=choice.depth_files)
        elif presence.is_missing(choice.geometry_folder):
            advice = "Choose the folder with depth maps, a camera file, or both."
            raise UserError(f"There is no folder {choice.geometry_folder}.", advice=advice)
    if choice.geometry.camera == "given":
        given.check(scene)


def check_new_cameras(scene: Scene) -> None:
    """Raises UserError if no camera can be added or moved now."""
    state.check_editable(scene)
    shot = state.of(scene)
    if not shot.shot_frames:
        raise UserError("There is no clip yet: new cameras start at its camera.", advice="Import a clip first.")
    if state.alive(scene, shot.origin) is None:
        raise UserError(
            "The empty that holds the import was deleted.",
            advice="Undo that, or import the clip again in the Clip panel.",
        )


def check_coverage(scene: Scene) -> None:
    """Raises UserError if nothing can be said of what new cameras see."""
    check_new_cameras(scene)
    check_backend(scene)
    lookahead.check(scene)
    if not cameras.artist_cameras(scene):
        raise UserError("There is no new camera yet.", advice="Add one in the Cameras panel.")


def cameras_to_render(scene: Scene) -> tuple[list[Object], bool]:
    """The ticked cameras, and whether to render the scene's camera with its markers, too."""
    chosen = [camera for camera in cameras.artist_cameras(scene) if state.is_ticked(scene, camera)]
    return chosen, state.of(scene).use_markers and any(marker.camera for marker in scene.timeline_markers)


def check_render(scene: Scene) -> None:
    """Raises UserError if nothing can be rendered now."""
    state.check_editable(scene)
    check_backend(scene)
    sending.check_render(scene)
    check_new_cameras(scene)
    chosen, use_markers = cameras_to_render(scene)
    if not (chosen or use_markers):
        raise UserError("No camera is ticked.", advice="Add one in the Cameras panel, or tick one in the list.")


def check_own_start(scene: Scene, row: state.ReangleCamera | None) -> None:
    """Raises UserError if a camera of a job cannot keep an image of the artist's. row: None while none is chosen."""
    state.check_editable(scene)
    if row is not None:
        starting.check_own(row.camera, row.name)


def check_start(scene: Scene, row: state.ReangleCamera | None) -> None:
    """Raises UserError if the starting image of a camera of a job cannot be made again now."""
    check_own_start(scene, row)
    check_backend(scene)
    job = _job_of(row) if row is not None else None
    if job is not None and not job.is_final:
        raise UserError(f"{job.title} is being made.", advice="Wait for it, or cancel it.")


def check_taken(row: state.ReangleCamera) -> None:
    """Raises UserError if the artist works on a starting image and has not taken that back."""
    if row.start and starting.is_changed(row.camera, presence.digest_of):
        raise UserError(
            f"What you painted for {row.name!r} is not its starting image yet.",
            advice="Press Take Back to use it, or Revert to drop it.",
        )


def _job_of(row: state.ReangleCamera) -> state.ReangleJob:
    return row.id_data.path_resolve(row.path_from_id().rpartition(".")[0])
