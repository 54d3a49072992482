# SPDX-License-Identifier: GPL-3.0-or-later
"""The clip's place in the scene's time, and what goes with it."""

from __future__ import annotations

from bpy.types import Object, Scene

from .. import compat, state
from . import point_cloud


def follow_first_frame(scene: Scene) -> None:
    """After the artist moved the clip to another scene frame: move all that is keyed or shown with it.

    That is the clip's camera and plane, the cameras on its origin with their backgrounds, the range of a scene that is
    matched to the clip, and where results are put.
    """
    shot = state.of(scene)
    before, frames = shot.keyed_from, shot.shot_frames
    by = shot.first_frame - before
    source = state.alive(scene, shot.source)
    if not by or not frames or source is None or shot.is_borrowed or shot.is_newer:
        return
    shot.keyed_from = shot.first_frame
    if (scene.frame_start, scene.frame_end) == (before, before + frames - 1):
        # Blender keeps the start at or before the end.
        scene.frame_end = max(scene.frame_end, scene.frame_end + by)
        scene.frame_start = before + by
        scene.frame_end = before + by + frames - 1
    for camera in _on_origin(scene):
        for block in (camera, camera.data):
            if block.library is None:
                compat.unshare_action(block)
                compat.shift_keys(block, by)
        for background in camera.data.background_images if camera.data.library is None else ():
            background.image_user.frame_start += by
    plane = state.alive(scene, shot.plane)
    if plane is not None:
        plane.image_user.frame_start += by
    for job in shot.jobs:
        for camera in job.cameras:
            camera.first_frame += by
    point_cloud.refresh(scene)


def place(scene: Scene) -> None:
    """Before the first import: let the clip start where the scene does, unless the artist chose another frame."""
    shot = state.of(scene)
    if not shot.shot_frames and shot.at_scene_start:
        shot.first_frame = scene.frame_start


def keys_beyond(scene: Scene, frames: int) -> list[str]:
    """A note that names the cameras on the clip's origin whose keys go on after a clip of so many frames."""
    shot = state.of(scene)
    last = shot.first_frame + frames - 1
    names = []
    for camera in _on_origin(scene):
        actions = [block.animation_data and block.animation_data.action for block in (camera, camera.data)]
        if camera != shot.source and any(action and action.frame_range[1] > last + 0.5 for action in actions):
            names.append(repr(camera.name))
    if not names:
        return []
    return [f"Keys of {', '.join(names)} lie after the clip's last frame, {last}: move them, or make the moves anew."]


def _on_origin(scene: Scene) -> list[Object]:
    """The clip's camera and the artist's on the clip's origin, none of them from a library."""
    shot = state.of(scene)
    return [
        item
        for item in scene.objects
        if item.type == "CAMERA" and item.library is None and (item == shot.source or item.parent == shot.origin)
    ]
