# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the depth mesh at the frame: computed in a thread for viewports, at once for a render.

While the mesh is hidden in viewports nothing is computed for it, and after a render its points are dropped.
"""

from __future__ import annotations

import json
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import bpy
import numpy as np
from bpy.types import Depsgraph, Object, Scene
from mathutils import Matrix

from .. import state
from ..core.camera import matrix_world_of
from ..core.cloud import Cloud
from ..core.depth_grid import DepthGrid, make_grid
from ..core.errors import UserError
from ..core.exr import read_depth
from ..exchange import main_thread
from ..state import paths
from . import depth_mesh, depth_source, point_cloud
from .depth_source import DepthSource

CACHE_BYTES = 128 * 2**20
"""Frames that are kept while scrubbing, at least this one and the next; 720 x 480 takes 10 MB each."""

MOVED_SHARE, MOVED_RADIANS = 0.005, 0.005
"""A camera that is this far from where its result was rendered, by the depth in its middle, or turned, has moved."""

Key = tuple[object, ...]


@dataclass(frozen=True)
class _Order:
    """What to compute: plain values, for a thread."""

    key: Key
    source: DepthSource
    cloud: Cloud | None
    every: int
    fill: bool


_cache: OrderedDict[Key, DepthGrid] = OrderedDict()
_lock = threading.Lock()
"""Held to read or change the cache."""
_shown: dict[int, tuple[Key, bool]] = {}
"""What each mesh shows, by the session's number of the mesh."""
_problems: dict[int, str] = {}
"""Why a scene's mesh shows nothing, by the session's number of the scene."""
_working: set[Key] = set()
_is_rendering = False


def refresh(scene: Scene, *, wait: bool = False) -> None:
    """Show the depth of the scene's frame, if the mesh is seen at all. wait: compute it now, for a render."""
    shot = state.of(scene)
    item = state.alive(scene, shot.cg.mesh)
    if item is None or item.library is not None:
        return
    if item.hide_render if wait else item.hide_viewport:
        _rest(item, keep=wait)
        return
    order = _order(scene, scene.frame_current, wait=wait)
    if order is None or _shown.get(item.data.session_uid) == (order.key, order.source.is_own):
        return
    grid = _kept(order.key)
    if grid is None and wait:
        try:
            grid = _compute(order)
        except UserError as error:
            _fail(scene, str(error))
            print(f"Reangle: the depth mesh of {scene.name!r} does not follow frame {scene.frame_current}. {error}")
            depth_mesh.empty(item)
            return
        _keep(order.key, grid)
    if grid is not None:
        _problems.pop(scene.session_uid, None)
        if depth_mesh.fill(item, grid, is_own=order.source.is_own):
            _shown[item.data.session_uid] = order.key, order.source.is_own
    if not wait:
        # Also the next frame: the artist may be playing.
        _start(scene, [one for one in (order, _order(scene, scene.frame_current + 1)) if one is not None])


def note_of(scene: Scene) -> str:
    """What the artist should know of the depth at the scene's frame; "" mostly. For panels."""
    shot = state.of(scene)
    if scene.session_uid in _problems:
        return _problems[scene.session_uid]
    source = depth_source.source_at(scene, scene.frame_current)
    if source.note or source.folder is None:
        return source.note
    camera = depth_source.camera_at(scene, scene.frame_current)
    order = _order(scene, scene.frame_current)
    grid = _kept(order.key) if order is not None else None
    if grid is not None and camera is not None and _has_moved(shot, camera, grid):
        return f"{camera.name} has moved since its result was rendered, so CG does not fit: render it again."
    return ""


def forget() -> None:
    with _lock:
        _cache.clear()
    for known in (_shown, _problems, _working):
        known.clear()
    _record.cache_clear()


def _order(scene: Scene, frame: int, *, wait: bool = False) -> _Order | None:
    shot = state.of(scene)
    source = depth_source.source_at(scene, frame)
    cloud = point_cloud.cloud_of(scene) or (_read_cloud(scene) if wait else None)
    if cloud is None and source.folder is None:
        return None  # it is being read
    index = cloud.nearest(source.index) if cloud is not None and source.folder is None else source.index
    key = (shot.shot, id(cloud), source.folder, index, shot.cg.every, shot.cg.fill_holes)
    return _Order(key, source, cloud, shot.cg.every, shot.cg.fill_holes)


def _read_cloud(scene: Scene) -> Cloud | None:
    """The clip's depth of a file that is rendered before a thread has read it, as on a render farm."""
    shot = state.of(scene)
    if not shot.shot_folder:
        return None
    part = "glance" if shot.shot_is_glance else "geometry"
    try:
        point_cloud.remember(shot.shot, Cloud.load(paths.absolute(shot.shot_folder) / part / "cloud.npz"))
    except UserError as error:
        print(f"Reangle: {error}")
    point_cloud.refresh(scene)
    return point_cloud.cloud_of(scene)


def _compute(order: _Order) -> DepthGrid:
    """Runs in a thread, too. Raises UserError."""
    source, cloud = order.source, order.cloud
    if source.folder is None:
        assert cloud is not None, "_order gives none without"
        frame = cloud.nearest(source.index)
        return make_grid(
            cloud.depth[frame], cloud.K[frame], cloud.world_from_camera[frame], cloud, frame,
            every=order.every, fill=order.fill,
        )  # fmt: skip
    K, world_from_camera, clip_frames = _record(source.folder)
    index = min(source.index, len(K) - 1)
    depth = read_depth(source.folder / "depth" / f"{index + 1:06d}.exr")
    frame = cloud.nearest(clip_frames[index]) if cloud is not None else 0
    return make_grid(depth, K[index], world_from_camera[index], cloud, frame, every=order.every, fill=order.fill)


@lru_cache(maxsize=8)
def _record(folder: Path) -> tuple[np.ndarray, np.ndarray, Sequence[int]]:
    """K and world_from_camera of a result's frames, and the clip's frames that they show. Raises UserError."""
    file = folder / "manifest.json"
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        K, poses = np.array(record["K"], np.float64), np.array(record["world_from_camera"], np.float64)
        frames = [int(frame) for frame in record["clip_frames"]]
        if K.shape != (len(frames), 3, 3) or poses.shape != (len(frames), 4, 4) or not frames:
            raise ValueError("its cameras and frames do not fit together")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{file} cannot be read: {error}.", advice="Fetch the result again in the Results panel."
        ) from error
    return K, poses, frames


def _start(scene: Scene, orders: Sequence[_Order]) -> None:
    """Compute what is not kept in a thread, one at a time: while it works the artist may have gone to another frame."""
    missing = [order for order in orders if _kept(order.key) is None]
    if _working or not missing:
        return
    _working.update(order.key for order in missing)
    number = scene.session_uid  # the thread outlives undo, which replaces the scene

    def work() -> None:
        # Kept at once: when the next frame comes, the main thread may not have been told yet.
        try:
            for order in missing:
                _keep(order.key, _compute(order))
        finally:
            _working.difference_update(order.key for order in missing)

    main_thread.in_thread(
        work,
        done=lambda _: _done(number),
        failed=lambda failure: _fail(_scene(number), f"{failure.message} {failure.advice}"),
    )


def _done(number: int) -> None:
    scene = _scene(number)
    if scene is not None:
        refresh(scene)


def _fail(scene: Scene | None, message: str) -> None:
    if scene is not None:
        _problems[scene.session_uid] = message


def _kept(key: Key) -> DepthGrid | None:
    with _lock:
        grid = _cache.get(key)
        if grid is not None:
            _cache.move_to_end(key)
    return grid


def _keep(key: Key, grid: DepthGrid) -> None:
    with _lock:
        _cache[key] = grid
        while len(_cache) > 2 and sum(item.nbytes for item in _cache.values()) > CACHE_BYTES:
            _cache.popitem(last=False)


def _rest(item: Object, *, keep: bool) -> None:
    """Drop the points of a mesh that is not seen. keep: a viewport may still show it."""
    if not keep and not _is_rendering:
        _shown.pop(item.data.session_uid, None)
        depth_mesh.empty(item)


def _scene(number: int) -> Scene | None:
    return next((scene for scene in state.scenes() if scene.session_uid == number), None)


def _has_moved(shot: state.ReangleScene, camera: Object, grid: DepthGrid) -> bool:
    world_from_geometry = np.array(shot.origin.matrix_world) @ np.diag([shot.unit, shot.unit, shot.unit, 1.0])
    expected, actual = Matrix(matrix_world_of(grid.pose, world_from_geometry).tolist()), camera.matrix_world
    middle = world_from_geometry[:3, :3] @ grid.middle + world_from_geometry[:3, 3]
    reach = np.linalg.norm(middle - np.array(expected.translation))
    turned = expected.to_quaternion().rotation_difference(actual.to_quaternion()).angle
    away = (expected.translation - actual.translation).length
    return bool(away > MOVED_SHARE * reach) or min(turned, 2 * math.pi - turned) > MOVED_RADIANS


@bpy.app.handlers.persistent
def _frame_change(scene: Scene, _depsgraph: Depsgraph | None = None) -> None:
    if not point_cloud.is_paused():
        refresh(scene, wait=_is_rendering)


@bpy.app.handlers.persistent
def _render_begins(scene: Scene, _depsgraph: Depsgraph | None = None) -> None:
    global _is_rendering
    _is_rendering = True
    refresh(scene, wait=True)


@bpy.app.handlers.persistent
def _render_ends(_scene: Scene, _depsgraph: Depsgraph | None = None) -> None:
    global _is_rendering
    _is_rendering = False
    # Called in the render's thread.
    main_thread.post(_refresh_all)


def _refresh_all() -> None:
    for scene in state.scenes():
        refresh(scene)


@bpy.app.handlers.persistent
def _undone(_scene: Scene, _depsgraph: Depsgraph | None = None) -> None:
    _shown.clear()  # undo may restore the points of another frame
    _refresh_all()


def _handlers() -> tuple[tuple[list, Callable[..., None]], ...]:
    every = bpy.app.handlers
    return (
        # Before the dependency graph evaluates the mesh, so that a render of this frame has its depth.
        (every.frame_change_pre, _frame_change),
        (every.render_init, _render_begins),
        (every.render_complete, _render_ends),
        (every.render_cancel, _render_ends),
        (every.undo_post, _undone),
        (every.redo_post, _undone),
    )


def register() -> None:
    for handlers, function in _handlers():
        handlers.append(function)


def unregister() -> None:
    for handlers, function in _handlers():
        handlers.remove(function)
    forget()
