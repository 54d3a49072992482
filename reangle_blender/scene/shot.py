# SPDX-License-Identifier: GPL-3.0-or-later
"""An imported clip in the scene: origin, cloud, the clip's own camera, and the scene's settings."""

from __future__ import annotations

from collections.abc import Iterator

import bpy
import numpy as np
from bpy.types import Collection, Object, Scene

from .. import compat, state
from ..core import camera as lenses
from ..exchange.transfer import Shot
from . import background, cameras, point_cloud


def build(scene: Scene, shot: Shot, request: str, notes: list[str], *, match: bool) -> Iterator[None]:
    """Put the shot into the scene, step by step so that the window stays responsive.

    An existing origin and the cameras under it are kept; the cloud and the clip's camera are replaced.
    request: the clip and its geometry as JSON. match: set the scene's rate, range, size and view transform to the
    clip's. notes: receives sentences about the scene's settings.
    """
    saved = state.prepare(scene)
    notes += match_scene(scene, shot) if match else compare_scene(scene, shot)
    saved.shot, saved.shot_request, saved.shot_folder = shot.job, request, str(shot.folder)
    saved.shot_fps, saved.shot_frames = shot.path.fps, len(shot.path.frames)
    saved.shot_width, saved.shot_height = shot.path.width, shot.path.height
    point_cloud.remember(shot.job, shot.cloud)
    yield

    collection, origin = _collection_and_origin(scene, shot)
    for old in (saved.cloud, saved.source):
        if old is not None:
            data = old.data
            bpy.data.objects.remove(old)
            bpy.data.batch_remove([data])
    saved.origin = origin
    yield

    saved.cloud = point_cloud.add_object(f"{shot.title} Points", shot.cloud, point_cloud.clip_frame(scene))
    saved.cloud.parent = origin
    collection.objects.link(saved.cloud)
    yield

    depth = _scene_depth(shot)
    source = cameras.add_from_path(scene, collection, shot.path, origin, saved.first_frame)
    source.name = source.data.name = f"{shot.title} Camera"
    source.data.display_size = depth / 4
    source.data.clip_end = max(source.data.clip_end, depth * 20)
    source.lock_location = source.lock_rotation = (True, True, True)
    background.show_behind(source, shot.frames, shot.title, saved.first_frame)
    saved.source = source
    if scene.camera is None:
        scene.camera = source
    origin.empty_display_size = depth / 4
    scene.frame_set(int(np.clip(scene.frame_current, saved.first_frame, saved.first_frame + saved.shot_frames - 1)))


def _collection_and_origin(scene: Scene, shot: Shot) -> tuple[Collection, Object]:
    """The collection and the origin, those of an earlier import if they still exist."""
    origin = state.alive(scene, state.of(scene).origin)
    if origin is not None:
        return origin.users_collection[0], origin
    collection = bpy.data.collections.new(f"Reangle {shot.title}")
    scene.collection.children.link(collection)
    origin = bpy.data.objects.new(f"{shot.title} Origin", None)
    collection.objects.link(origin)
    return collection, origin


def _scene_depth(shot: Shot) -> float:
    """Typical distance of the filmed scene, in the geometry's units; sizes what is drawn in the viewport."""
    return shot.cloud.focus_depth(0)


def set_rate(scene: Scene, fps: float) -> None:
    """Set the exact frame rate: 24000/1001 is 24 over a base of 1.001."""
    by_ntsc = fps * 1.001
    if abs(by_ntsc - round(by_ntsc)) < 1e-3 < abs(fps - round(fps)):
        scene.render.fps, scene.render.fps_base = round(by_ntsc), 1.001
    else:
        scene.render.fps = max(1, round(fps))
        scene.render.fps_base = scene.render.fps / fps


def match_scene(scene: Scene, shot: Shot) -> list[str]:
    """Set rate, range, size and view transform to the clip's; return the changes as notes."""
    first, last = state.of(scene).first_frame, state.of(scene).first_frame + len(shot.path.frames) - 1
    notes = compare_scene(scene, shot)
    set_rate(scene, shot.path.fps)
    scene.frame_start, scene.frame_end = first, last
    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = shot.path.width, shot.path.height, 100
    render.pixel_aspect_x, render.pixel_aspect_y = lenses.pixel_aspect_for(np.asarray(shot.path.K)[0])
    render.use_lock_interface = True  # the cloud changes with the frame while a render runs
    if scene.view_settings.view_transform != compat.VIDEO_VIEW_TRANSFORM:
        scene.view_settings.view_transform = compat.VIDEO_VIEW_TRANSFORM
    return [note.replace("The scene has", "The scene had") for note in notes]


def compare_scene(scene: Scene, shot: Shot) -> list[str]:
    """One sentence for each setting in which the scene differs from the clip."""
    notes = []
    render = scene.render
    rate = render.fps / render.fps_base
    if abs(rate / shot.path.fps - 1) > 1e-5:
        notes.append(f"The scene has {rate:.5g} frames per second, the clip {shot.path.fps:.5g}.")
    size = cameras.render_size(scene)
    if (size.width, size.height) != (shot.path.width, shot.path.height):
        notes.append(
            f"The scene has {size.width} x {size.height} pixels, the clip {shot.path.width} x {shot.path.height}."
        )
    transform = scene.view_settings.view_transform
    if transform != compat.VIDEO_VIEW_TRANSFORM:
        notes.append(f"The scene has the view transform {transform}, which changes the colours of video.")
    return notes
