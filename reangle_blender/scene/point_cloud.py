# SPDX-License-Identifier: GPL-3.0-or-later
"""The clip's moving point cloud: a mesh of loose vertices with colours, updated when the frame changes.

Its arrays are not in the .blend. They are kept by the job of the import, and read again from its folder when the file
is opened. Viewports draw the arrays (`cloud_drawing`); the mesh is for selecting, snapping, rendering and other
objects. `mesh_use` says when it may wait: while Blender plays, or while it is hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import bpy
import numpy as np
from bpy.types import Depsgraph, Object, Scene

from .. import state
from ..core.cloud import Cloud, Filters
from ..exchange import main_thread
from . import mesh_use
from .vertices import set_positions

COLOR = "Color"
RADIUS = "reangle_radius"
"""Attribute that the mesh has while its points are rendered: the least at which they close at the clip's camera, in
the mesh's own space; 0 for vertices that are not used."""
CLOSING = 0.75
"""Radius, by the distance of neighbours, that leaves no gap on a square grid: half its diagonal and a little."""

_clouds: dict[str, Cloud] = {}
_shown: dict[int, tuple[str, int, Filters]] = {}
"""What each mesh shows, by the session's number of the mesh."""
_behind: set[int] = set()
"""Scenes whose mesh shows another frame, by the session's number of the scene."""
_is_rendering = False
_pauses = 0


def remember(shot: str, cloud: Cloud) -> None:
    """Keep the arrays of a shot (the job that imported it) for drawing."""
    _clouds[shot] = cloud


def forget_all() -> None:
    _clouds.clear()
    _shown.clear()
    _behind.clear()
    mesh_use.forget()


def is_kept(cloud: Cloud) -> bool:
    """Whether a shot has this cloud."""
    return any(kept is cloud for kept in _clouds.values())


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


def add_object(name: str, cloud: Cloud) -> Object:
    """A mesh object with as many vertices as the largest frame has points; unused ones lie on the first point.

    `refresh` places them, as after `replace_points`.
    """
    item = bpy.data.objects.new(name, _new_mesh(name, cloud))
    item.display_type = "BOUNDS"  # Blender draws loose vertices black; `cloud_drawing` draws them in colour
    return item


def replace_points(item: Object, cloud: Cloud) -> None:
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
    if item.mode != "OBJECT" or len(mesh.vertices) != max(1, cloud.capacity) or colors is None:
        return  # the artist has edited it
    points = cloud.frame(frame, pad_to=len(mesh.vertices), filters=filters)
    set_positions(mesh, points.co)
    colors.data.foreach_set("color", points.linear_rgba().ravel())
    if RADIUS in mesh.attributes:
        radii = state.of(scene).cg.point_scale * CLOSING * cloud.spacing(frame, points)
        mesh.attributes[RADIUS].data.foreach_set("value", radii)
    mesh.update()


def refresh(scene: Scene) -> None:
    """Update the scene's cloud to the current frame and filters."""
    _behind.discard(scene.session_uid)
    shot = state.of(scene)
    item, cloud = state.alive(scene, shot.cloud), cloud_of(scene)
    if item is None or cloud is None or item.library is not None:
        return
    wanted = (f"{shot.shot} {id(cloud)}", cloud.nearest(clip_frame(scene)), filters_of(scene))
    if _shown.get(item.data.session_uid) != wanted:
        _fill(scene, item, cloud)
        _shown[item.data.session_uid] = wanted
        redraw()


def redraw() -> None:
    """Draw the cloud again, which viewports show without the mesh."""
    main_thread.redraw_views()


def catch_up() -> None:
    """Update the clouds whose mesh waited and is needed now."""
    if _behind and not _pauses:
        for scene in state.scenes():
            if scene.session_uid in _behind and not _may_wait(scene):
                refresh(scene)


def _may_wait(scene: Scene) -> bool:
    return not _is_rendering and mesh_use.may_wait(scene, state.alive(scene, state.of(scene).cloud))


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
    if _pauses or scene.library is not None:
        return
    if _may_wait(scene):
        _behind.add(scene.session_uid)
    else:
        refresh(scene)


@bpy.app.handlers.persistent
def _undone(scene: Scene, _depsgraph: Depsgraph | None = None) -> None:
    _shown.clear()  # undo may restore the points of another frame
    mesh_use.forget()
    refresh(scene)


@bpy.app.handlers.persistent
def _changed(_scene: Scene, _depsgraph: Depsgraph | None = None) -> None:
    mesh_use.forget()  # another object may use the mesh now, or it was shown
    catch_up()


@bpy.app.handlers.persistent
def _played(*_: object) -> None:
    catch_up()


@bpy.app.handlers.persistent
def _render_begins(_scene: Scene, _depsgraph: Depsgraph | None = None) -> None:
    global _is_rendering
    _is_rendering = True
    catch_up()


@bpy.app.handlers.persistent
def _render_ends(_scene: Scene, _depsgraph: Depsgraph | None = None) -> None:
    global _is_rendering
    _is_rendering = False


@bpy.app.handlers.persistent
def _saving(*_: object) -> None:
    for scene in state.scenes():
        if scene.session_uid in _behind:
            refresh(scene)


def _handlers() -> tuple[tuple[list, Callable[..., None]], ...]:
    every = bpy.app.handlers
    return (
        (every.frame_change_pre, _frame_change),
        (every.depsgraph_update_post, _changed),
        (every.animation_playback_post, _played),
        (every.render_init, _render_begins),
        (every.render_complete, _render_ends),
        (every.render_cancel, _render_ends),
        (every.save_pre, _saving),
        (every.undo_post, _undone),
        (every.redo_post, _undone),
    )


def register() -> None:
    for handlers, function in _handlers():
        handlers.append(function)
    # The end of scrubbing is told by no handler.
    main_thread.on_tick.append(catch_up)


def unregister() -> None:
    global _is_rendering
    main_thread.on_tick.remove(catch_up)
    for handlers, function in _handlers():
        handlers.remove(function)
    _is_rendering = False
    forget_all()
