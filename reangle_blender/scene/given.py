# SPDX-License-Identifier: GPL-3.0-or-later
"""The artist's own solved camera, read frame by frame as the camera that filmed the clip."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from bpy.types import Object, Scene

from .. import state
from ..core import camera as lenses
from ..core.contract import MAX_FRAMES, SourceCamera
from ..core.errors import UserError
from ..state.footage import Footage
from . import cameras, evaluation, point_cloud

SLICE_S = 0.02
"""Longest time that Blender's window waits for a slice of frames."""

MOVIE_MARGIN = 8
"""Frames read beyond a movie's end: its header may name too few, and the backend ignores those that are too many."""


def check(scene: Scene) -> Object:
    """The chosen camera. Raises UserError if it cannot be the camera that filmed the clip."""
    shot = state.of(scene)
    camera = shot.clip.given_camera
    if camera is None or state.alive(scene, camera) is None:
        raise UserError(
            "No camera of this scene is chosen as My Camera.",
            advice="Choose the camera that filmed the clip, such as one that Blender's tracker solved.",
        )
    if camera == shot.source:
        raise UserError(
            f"Camera {camera.name!r} is the clip's own, which each import makes anew.",
            advice="Choose the camera of your matchmove.",
        )
    parent = camera.parent
    while parent is not None:
        if parent == shot.origin:
            raise UserError(
                f"Camera {camera.name!r} hangs on the clip's origin, which is to be placed by it.",
                advice="Clear its parent and keep the transform, or choose another camera.",
            )
        parent = parent.parent
    if camera.data.type != "PERSP":
        kind = {"ORTHO": "orthographic", "PANO": "panoramic"}.get(camera.data.type, camera.data.type.lower())
        raise UserError(f"Camera {camera.name!r} is {kind}.", advice="Set the camera's type to Perspective.")
    return camera


def notes(scene: Scene, camera: Object) -> list[str]:
    """What the artist should know about a camera that `check` accepted."""
    solvers = (item for item in camera.constraints if item.type == "CAMERA_SOLVER")
    clips = [scene.active_clip if item.use_active_clip else item.clip for item in solvers]
    if any(clip is not None and clip.tracking.camera.k1 for clip in clips):
        return [
            f"The tracking of {camera.name!r} has lens distortion, which the clip's frames still show, so depth is off "
            "near their edges. Undistort the clip, track that, and import it."
        ]
    return []


def frames_to_read(footage: Footage, start: int, frames: int) -> int:
    """How many frames to read for the used part of a clip. frames: 0 uses all that remain.

    Raises UserError if nothing remains.
    """
    rest = footage.frames - start
    if rest < 1:
        raise UserError(
            f"The clip has {footage.frames} frames, and Start leaves out {start}.", advice="Choose a lower start."
        )
    if footage.fps:  # a movie
        rest += MOVIE_MARGIN
    return min(rest, frames or MAX_FRAMES)


def read_steps(scene: Scene, camera: Object, footage: Footage, count: int, read: list[SourceCamera]) -> Iterator[None]:
    """Append to `read` the camera over `count` scene frames from the clip's first on, in Blender's world.

    The camera is read after its parents, constraints and drivers. Its lens is that of the clip's whole picture, in the
    pixel aspect of the scene. Each step takes about SLICE_S and leaves the scene at the artist's frame. Raises
    UserError naming camera and frame if the camera cannot be exported, or is deleted meanwhile.
    """
    uid, name, number = state.prepare(scene).uid, camera.name, camera.session_uid
    first = state.of(scene).first_frame
    samples: list[lenses.CameraSample] = []
    while len(samples) < count:
        found = state.find_scene(uid)
        item = state.alive(found, state.find_object(number)) if found is not None else None  # undo replaces objects
        if found is None or item is None:
            raise UserError(f"Camera {name!r} was deleted while it was read.", advice="Import the clip again.")
        _read_slice(found, item, first, count, samples)
        yield
    render = scene_pixels(state.find_scene(uid) or scene, footage)
    read.append(lenses.export_source(name, render, samples))


def _read_slice(scene: Scene, camera: Object, first: int, count: int, samples: list[lenses.CameraSample]) -> None:
    current, subframe = scene.frame_current, scene.frame_subframe
    deadline = time.perf_counter() + SLICE_S
    with point_cloud.paused(), evaluation.evaluated(scene, [camera]):
        try:
            while len(samples) < count and time.perf_counter() < deadline:
                scene.frame_set(first + len(samples))
                samples.append(cameras.sample(camera, np.eye(4), evaluation.depsgraph_of(scene)))
        finally:
            scene.frame_set(current, subframe=subframe)


def scene_pixels(scene: Scene, footage: Footage) -> lenses.RenderSize:
    """The clip's whole picture with the scene's pixel aspect: a matchmove's lens belongs to the clip, whatever size the
    scene renders."""
    render = scene.render
    return lenses.RenderSize(footage.width, footage.height, 100, render.pixel_aspect_x, render.pixel_aspect_y)
