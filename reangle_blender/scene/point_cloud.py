# SPDX-License-Identifier: GPL-3.0-or-later
"""The clip's moving point cloud: a mesh of loose vertices with colours, updated when the frame changes.

Its arrays are not in the .blend. They are kept by the job of the import, and read again from its folder when the file
is opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy
import numpy as np
from bpy.types import Depsgraph, Object, Scene

from .. import state
from ..core.cloud import Cloud, Filters

COLOR = "Color"
RADIUS = "reangle_radius"
"""Attribute that the mesh has while its points are rendered: the least at which they close at the clip's camera, in
the mesh's own space; 0 for vertices that are not used."""
CLOSING = 0.75
"""Radius, by the distance of neighbours, that leaves no gap on a square grid: half its diagonal and a little."""

_clouds: dict[str, Cloud] = {}
_shown: dict[int, tuple[str, int, Filters]] = {}
"""What each mesh shows, by the session's number of the mesh."""
_pauses = 0


def remember(shot: str, cloud: Cloud) -> None:
    """Keep the arrays of a shot (the job that imported it) for drawing."""
    _clouds[shot] = cloud


def forget_all() -> None:
    _clouds.clear()
    _shown.clear()


def cloud_of(scene: Scene) -> Cloud | None:
    return _clouds.get(state.of(scene).shot)


def clip_frame(scene: Scene) -> int:
    """The clip frame at the scene's current frame; before and after the clip its first and last."""
    shot = state.of(scene)
    return int(np.clip(scene.frame_current - shot.first_frame, 0, max(0, shot.shot_frames - 1)))


def filters_of(scene: Scene) -> Filters:
    """What the artist leaves out of the warp, and so of the cloud."""
    preview = state.of(scene).preview
    return Filters(preview.edge_filter, preview.confidence_filter)


def add_object(name: str, cloud: Cloud, scene: Scene) -> Object:
    """A mesh object with as many vertices as the largest frame has points; unused ones lie on the first point.

    It shows the scene's current frame, as `replace_points` does.
    """
    item = bpy.data.objects.new(name, _new_mesh(name, cloud))
    item.display_type = "BOUNDS"  # Blender draws loose vertices black; `cloud_drawing` draws them in colour
    _fill(scene, item, cloud)
    return item


def replace_points(item: Object, cloud: Cloud, scene: Scene) -> None:
    """Give an existing object the points of another cloud; its materials and modifiers stay."""
    old, name = item.data, item.data.name
    item.data = _new_mesh(name, cloud)
    for material in old.materials:
        item.data.materials.append(material)
    if RADIUS in old.attributes:
        item.data.attributes.new(RADIUS, "FLOAT", "POINT")
    if not old.users:
        bpy.data.meshes.remove(old)
        item.data.name = name
    _fill(scene, item, cloud)


def _new_mesh(name: str, cloud: Cloud) -> bpy.types.Mesh:
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(max(1, cloud.capacity))
    mesh.color_attributes.new(COLOR, "FLOAT_COLOR", "POINT")
    return mesh


def set_rendered(scene: Scene, item: Object, on: bool) -> None:
    """Give the cloud radii to be rendered with, or take them away."""
    mesh = item.data
    if on and RADIUS not in mesh.attributes:
        mesh.attributes.new(RADIUS, "FLOAT", "POINT")
    elif not on and RADIUS in mesh.attributes:
        mesh.attributes.remove(mesh.attributes[RADIUS])
    _shown.pop(mesh.session_uid, None)
    refresh(scene)


def _fill(scene: Scene, item: Object, cloud: Cloud) -> None:
    """Show the scene's current frame."""
    mesh, frame, filters = item.data, cloud.nearest(clip_frame(scene)), filters_of(scene)
    colors = mesh.attributes.get(COLOR)
    points = cloud.frame(frame, pad_to=len(mesh.vertices), filters=filters)
    if item.mode != "OBJECT" or len(mesh.vertices) != len(points.co) or colors is None:
        return  # the artist has edited it
    mesh.vertices.foreach_set("co", points.co.ravel())
    colors.data.foreach_set("color", points.linear_rgba().ravel())
    if RADIUS in mesh.attributes:
        radii = state.of(scene).cg.point_scale * CLOSING * cloud.spacing(frame, points)
        mesh.attributes[RADIUS].data.foreach_set("value", radii)
    mesh.update()


def refresh(scene: Scene) -> None:
    """Update the scene's cloud to the current frame and filters."""
    shot = state.of(scene)
    item, cloud = state.alive(scene, shot.cloud), cloud_of(scene)
    if item is None or cloud is None or item.library is not None:
        return
    wanted = (f"{shot.shot} {id(cloud)}", cloud.nearest(clip_frame(scene)), filters_of(scene))
    if _shown.get(item.data.session_uid) != wanted:
        _fill(scene, item, cloud)
        _shown[item.data.session_uid] = wanted


@contextmanager
def paused() -> Iterator[None]:
    """Do not update the cloud while frames are visited only to read something else."""
    global _pauses
    _pauses += 1
    try:
        yield
    finally:
        _pauses -= 1


def is_paused() -> bool:
    return bool(_pauses)


# Before the dependency graph evaluates the mesh, so that a render of this frame has its points.
@bpy.app.handlers.persistent
def _frame_change(scene: Scene, _depsgraph: Depsgraph | None = None) -> None:
    if not _pauses:
        refresh(scene)


@bpy.app.handlers.persistent
def _undone(scene: Scene, _depsgraph: Depsgraph | None = None) -> None:
    _shown.clear()  # undo may restore the points of another frame
    refresh(scene)


def register() -> None:
    bpy.app.handlers.frame_change_pre.append(_frame_change)
    bpy.app.handlers.undo_post.append(_undone)
    bpy.app.handlers.redo_post.append(_undone)


def unregister() -> None:
    bpy.app.handlers.frame_change_pre.remove(_frame_change)
    bpy.app.handlers.undo_post.remove(_undone)
    bpy.app.handlers.redo_post.remove(_undone)
    forget_all()
