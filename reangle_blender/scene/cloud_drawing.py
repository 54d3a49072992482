# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the point cloud in colour in every viewport mode; Blender draws loose vertices black.

It draws the frame of the scene that the viewport shows, not the mesh: linked copies of a scene share that, and two
windows may show them at different frames. The GPU gets depth and colour of each pixel, and a shader places them.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import bpy
from bpy.types import RegionView3D, Scene, SpaceView3D
from mathutils import Matrix

from .. import state
from ..core.cloud import Cloud, Filters
from ..exchange import main_thread
from . import background, cloud_shader, mesh_use, point_cloud

CACHE_BYTES = 256 * 2**20
"""Memory of the GPU for frames that were drawn; one of 200,000 points takes 1.6 MB."""

PLAYED_S = 0.007
"""Longest time that a played frame's points may take Blender's main thread: it sends them to a GPU in far less, and
without a GPU it places them itself."""

SHARES = (1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12)
"""Shares of the points that are drawn; few, so that frames are found again."""

Key = tuple[Cloud, int, Filters, float]


@dataclass
class _Frame:
    """What the GPU has of a frame. nbytes: its size there."""

    batch: Any
    columns: int
    rows: int
    nbytes: int


_handler: Any = None
_frames: OrderedDict[Key, _Frame] = OrderedDict()
_seconds_per_point = 0.0
"""What drawing costs Blender's main thread here, of the last frames."""
_is_thinned = False
"""Whether a view shows fewer points than there are."""


def _draw() -> None:
    """Called by Blender for each 3D viewport."""
    import gpu  # not there in background mode

    global _is_thinned
    context = bpy.context
    scene, space = context.scene, context.space_data
    shot = state.of(scene)
    item, cloud = state.alive(scene, shot.cloud), point_cloud.cloud_of(scene)
    if item is None or cloud is None or not item.visible_get(viewport=space) or not space.overlay.show_overlays:
        return
    opacity = _opacity(scene, context.region_data, space)
    if opacity <= 0:
        return
    frame = cloud.nearest(point_cloud.clip_frame(scene))
    share = _share(cloud, shot.playing_share) if mesh_use.is_playing() else 1.0
    _is_thinned |= share < 1
    drawn = _on_gpu((cloud, frame, point_cloud.filters_of(scene), share))
    gpu.state.depth_test_set("LESS_EQUAL")
    gpu.state.depth_mask_set(opacity >= 1)
    gpu.state.blend_set("NONE" if opacity >= 1 else "ALPHA")
    began = time.thread_time()
    with gpu.matrix.push_pop():
        gpu.matrix.multiply_matrix(item.matrix_world @ Matrix(cloud.origin_from_pixel(frame).tolist()))
        # As large as what they stand for.
        size = shot.point_size * math.sqrt(cloud.depth[frame].size / (drawn.columns * drawn.rows))
        cloud_shader.draw(drawn.batch, (drawn.columns, drawn.rows), cloud.size, size, opacity)
    _learn_cost((time.thread_time() - began) / (drawn.columns * drawn.rows))
    gpu.state.blend_set("NONE")
    gpu.state.depth_mask_set(False)
    gpu.state.depth_test_set("NONE")


def _share(cloud: Cloud, wanted: float) -> float:
    """The share of a played frame's points: what the artist wants, or less where drawing takes too long."""
    points = cloud.depth[0].size
    allowed = PLAYED_S / max(_seconds_per_point * points, 1e-9)
    return next((share for share in SHARES if share <= min(wanted, allowed) + 1e-6), SHARES[-1])


def _learn_cost(seconds_per_point: float) -> None:
    global _seconds_per_point
    _seconds_per_point = (
        seconds_per_point if not _seconds_per_point else 0.8 * _seconds_per_point + 0.2 * seconds_per_point
    )


def _on_gpu(key: Key) -> _Frame:
    cloud, number, filters, share = key
    known = _frames.get(key)
    if known is not None:
        _frames.move_to_end(key)
        return known
    for other in [other for other in _frames if not point_cloud.is_kept(other[0])]:
        del _frames[other]  # a refined import has taken its place
    grid = cloud.grid(number, filters=filters, share=share)
    _frames[key] = made = _Frame(cloud_shader.make_batch(grid), grid.columns, grid.rows, grid.nbytes)
    while len(_frames) > 1 and sum(frame.nbytes for frame in _frames.values()) > CACHE_BYTES:
        _frames.popitem(last=False)
    return made


def _opacity(scene: Scene, view: RegionView3D, space: SpaceView3D) -> float:
    """Less than 1 where the view looks through a camera with its result behind it, which the cloud would hide."""
    if view is None or view.view_perspective != "CAMERA":
        return 1.0
    camera = space.camera if space.use_local_camera else scene.camera
    is_new = camera is not None and camera.type == "CAMERA" and camera != state.of(scene).source
    return background.cloud_opacity(scene, camera) if is_new else 1.0


def _settle() -> None:
    """Show all points again after playing."""
    global _is_thinned
    if _is_thinned and not mesh_use.is_playing():
        _is_thinned = False
        main_thread.redraw_views()


@bpy.app.handlers.persistent
def _played(*_: object) -> None:
    _settle()


def forget() -> None:
    global _seconds_per_point
    _frames.clear()
    _seconds_per_point = 0.0


def register() -> None:
    global _handler
    if not bpy.app.background:
        _handler = bpy.types.SpaceView3D.draw_handler_add(_draw, (), "WINDOW", "POST_VIEW")
        bpy.app.handlers.animation_playback_post.append(_played)
        main_thread.on_tick.append(_settle)  # the end of scrubbing is told by no handler


def unregister() -> None:
    global _handler
    if _handler is not None:
        bpy.types.SpaceView3D.draw_handler_remove(_handler, "WINDOW")
        bpy.app.handlers.animation_playback_post.remove(_played)
        main_thread.on_tick.remove(_settle)
        _handler = None
    forget()
    cloud_shader.forget()
