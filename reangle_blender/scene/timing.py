# SPDX-License-Identifier: GPL-3.0-or-later
"""The clip's place in the scene's time, and what goes with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bpy.types import ID, Object, Scene

from .. import compat, state
from . import depth_frames, point_cloud, result_marks


def follow_first_frame(scene: Scene) -> None:
    """After the artist moved the clip to another scene frame: move all that is keyed or shown with it.

    That is the clip's camera, whatever hangs on its origin with all its animation, the markers that show these cameras,
    backgrounds and compositing nodes, the range of a scene that is matched to the clip, and where results are put.
    Scenes that share the clip, as linked copies do, go with it.
    """
    shot = state.of(scene)
    before, after = shot.keyed_from, shot.first_frame
    if before == after or not shot.shot_frames or shot.is_newer:
        return
    sharing, hung = _sharing(scene), _hung(scene)
    for item in sharing:
        state.of(item).keyed_from = after  # first, since the next line but one calls this function again
    for item in sharing:
        _move_scene(item, before if item == scene else state.of(item).first_frame, after, hung)
        state.of(item).first_frame = after
    for block in _blocks(hung):
        compat.shift_animation(block, after - before)
        for background in getattr(block, "background_images", ()):
            background.image_user.frame_start += after - before
    for item in hung:
        if item.type == "CAMERA":
            item.reangle.freeze_frame += after - before
        if item.type == "EMPTY" and item.data is not None:
            item.image_user.frame_start += after - before
    point_cloud.refresh(scene)
    depth_frames.refresh(scene)


def _move_scene(scene: Scene, before: int, after: int, hung: list[Object]) -> None:
    """Move what is the scene's own."""
    shot, by = state.of(scene), after - before
    if (scene.frame_start, scene.frame_end) == (before, before + shot.shot_frames - 1):
        # Blender keeps the start at or before the end.
        scene.frame_end = max(scene.frame_end, scene.frame_end + by)
        scene.frame_start = before + by
        scene.frame_end = before + by + shot.shot_frames - 1
    for marker in scene.timeline_markers:
        if marker.camera in hung:
            marker.frame += by
    for job in shot.jobs:
        for camera in job.cameras:
            camera.first_frame += by
    group = shot.result_nodes
    for node in group.nodes if group is not None and group.library is None else ():
        if result_marks.part_of(node) and getattr(node, "image", None) is not None:
            node.frame_start += by


def place(scene: Scene) -> None:
    """Before the first import: let the clip start where the scene does, unless the artist chose another frame."""
    shot = state.of(scene)
    if not shot.shot_frames and shot.at_scene_start:
        shot.first_frame = scene.frame_start


def keys_beyond(scene: Scene, frames: int) -> list[str]:
    """A note that names what hangs on the clip's origin, or is ticked, and moves on after a clip of so many frames."""
    shot = state.of(scene)
    last = shot.first_frame + frames - 1
    ticked = (item for item in scene.objects if item.type == "CAMERA" and state.is_ticked(scene, item))
    names = [
        repr(item.name)
        for item in dict.fromkeys((*_hung(scene), *ticked))
        if item != shot.source and any(compat.last_frame(block) > last + 0.5 for block in _blocks([item]))
    ]
    if not names:
        return []
    return [f"Keys of {', '.join(names)} lie after the clip's last frame, {last}: move them, or make the moves anew."]


def _sharing(scene: Scene) -> list[Scene]:
    """The scene, and others that show the same clip's objects."""
    origin = state.of(scene).origin
    return [
        item
        for item in state.scenes()
        if item == scene or (origin is not None and state.of(item).origin == origin and not state.of(item).is_newer)
    ]


def _hung(scene: Scene) -> list[Object]:
    """The clip's camera, and all objects that hang on the clip's origin, but for those of libraries."""
    shot = state.of(scene)
    origin = state.alive(scene, shot.origin)
    own = (state.alive(scene, item) for item in (shot.source, shot.plane))
    below = origin.children_recursive if origin is not None else ()
    every = dict.fromkeys((*(item for item in own if item is not None), *below))
    return [item for item in every if item.library is None]


def _blocks(objects: Iterable[Object]) -> Iterator[ID]:
    """The objects and their data, each once: linked duplicates share it."""
    every: dict[ID, None] = {}
    for item in objects:
        every |= dict.fromkeys(filter(None, (item, item.data, getattr(item.data, "shape_keys", None))))
    return (block for block in every if block.library is None)
