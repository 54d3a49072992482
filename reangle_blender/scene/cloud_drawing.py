# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the point cloud in colour in every viewport mode; Blender draws loose vertices black.

It draws the frame of the scene that the viewport shows, not the mesh: linked copies of a scene share that, and two
windows may show them at different frames.
"""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from bpy.types import RegionView3D, Scene, SpaceView3D

from .. import compat, state
from ..core.cloud import Cloud, Filters
from . import background, point_cloud

_handler: Any = None
_batches: dict[int, tuple[tuple[Cloud, int, Filters], Any]] = {}
"""What is drawn of each scene, by the session's number of the scene."""


def _draw() -> None:
    """Called by Blender for each 3D viewport."""
    import gpu  # not there in background mode
    from gpu_extras.batch import batch_for_shader

    context = bpy.context
    scene, space = context.scene, context.space_data
    shot = state.of(scene)
    item, cloud = state.alive(scene, shot.cloud), point_cloud.cloud_of(scene)
    if item is None or cloud is None or not item.visible_get(viewport=space) or not space.overlay.show_overlays:
        return
    if _shows_result(scene, context.region_data, space):
        return
    shader = gpu.shader.from_builtin(compat.point_shader_name())
    key = (cloud, cloud.nearest(point_cloud.clip_frame(scene)), point_cloud.filters_of(scene))
    drawn, batch = _batches.get(scene.session_uid, (None, None))
    if drawn != key:
        points = cloud.frame(key[1], filters=key[2])
        rgba = np.ones((len(points.rgb), 4), np.float32)
        rgba[:, :3] = points.rgb / np.float32(255)
        batch = batch_for_shader(shader, "POINTS", {"pos": points.co, "color": rgba})
        _batches[scene.session_uid] = (key, batch)
    gpu.state.depth_test_set("LESS_EQUAL")
    gpu.state.depth_mask_set(True)
    gpu.state.point_size_set(shot.point_size)
    with gpu.matrix.push_pop():
        gpu.matrix.multiply_matrix(item.matrix_world)
        shader.bind()
        batch.draw(shader)
    gpu.state.depth_mask_set(False)
    gpu.state.depth_test_set("NONE")


def _shows_result(scene: Scene, view: RegionView3D, space: SpaceView3D) -> bool:
    """Whether the view looks through a camera with its result behind it, which the cloud would hide."""
    if view is None or view.view_perspective != "CAMERA":
        return False
    camera = space.camera if space.use_local_camera else scene.camera
    is_new = camera is not None and camera.type == "CAMERA" and camera != state.of(scene).source
    return is_new and background.shows_result(camera)


def forget() -> None:
    _batches.clear()


def register() -> None:
    global _handler
    if not bpy.app.background:
        _handler = bpy.types.SpaceView3D.draw_handler_add(_draw, (), "WINDOW", "POST_VIEW")


def unregister() -> None:
    global _handler
    if _handler is not None:
        bpy.types.SpaceView3D.draw_handler_remove(_handler, "WINDOW")
        _handler = None
    forget()
