# SPDX-License-Identifier: GPL-3.0-or-later
"""The Clip panel: an imported clip in the scene."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import bpy
import numpy as np
import tiny
from conftest import import_clip


def expected_points(frame: int) -> np.ndarray:
    """The world position of every pixel of the tiny clip: OpenCV's (x, y, z) is (x, z, -y) in Blender."""
    depth = tiny.depth()[frame].astype(np.float64)
    y, x = np.mgrid[: tiny.HEIGHT, : tiny.WIDTH] + 0.5
    K = tiny.K()
    right = (x - K[0, 2]) / K[0, 0] * depth + tiny.world_from_camera()[frame, 0, 3]
    down = (y - K[1, 2]) / K[1, 1] * depth
    return np.stack([right, depth, -down], -1).reshape(-1, 3)


def cloud_points(cloud: bpy.types.Object) -> np.ndarray:
    co = np.empty(3 * len(cloud.data.vertices), np.float32)
    cloud.data.vertices.foreach_get("co", co)
    return co.reshape(-1, 3)


def test_the_cloud_follows_the_clip(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    cloud = shot.state.of(scene).cloud
    for frame in (0, 3):
        scene.frame_set(1 + frame)
        points = cloud_points(cloud)
        expected = expected_points(frame)
        # Flying pixels at depth edges may be removed.
        distances = [np.abs(expected - point).max(axis=1).min() for point in points[:: len(points) // 97]]
        assert max(distances) < 1e-5
        assert len(points) > 0.8 * len(expected)
    colors = np.empty(4 * len(cloud.data.vertices), np.float32)
    cloud.data.attributes["Color"].data.foreach_get("color", colors)
    assert colors.reshape(-1, 4)[:, 0].std() > 0.1


def test_the_cloud_follows_the_filters(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    known, clouds = shot.state.of(scene), shot.reangle("scene.point_cloud")
    whole = clouds.cloud_of(scene)
    confidence = np.full(whole.depth.shape, 255, np.uint8)
    confidence[:, :, : whole.size[0] // 2] = 100
    clouds.remember(known.shot, replace(whole, confidence=confidence))
    clouds.refresh(scene)
    before = cloud_points(known.cloud)
    known.preview.confidence_filter = 0.5
    kept = np.unique(cloud_points(known.cloud), axis=0)
    assert 0.4 * len(before) < len(kept) < 0.6 * len(before)
    known.preview.confidence_filter = 0.0
    np.testing.assert_array_equal(cloud_points(known.cloud), before)


def test_the_scene_is_matched_to_the_clip(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    render = scene.render
    assert (render.fps, render.fps_base) == (12, 1)
    assert (scene.frame_start, scene.frame_end) == (1, tiny.FRAMES)
    assert (render.resolution_x, render.resolution_y) == (tiny.WIDTH, tiny.HEIGHT)
    assert scene.view_settings.view_transform == "Standard"
    known = shot.state.of(scene)
    assert "AgX" in known.jobs[0].notes
    assert bpy.data.collections["Reangle shot_0001"].objects[:]
    source = known.source
    assert source.parent == known.origin == known.cloud.parent
    background = source.data.background_images[0]
    assert background.image.source == "SEQUENCE"
    assert background.image_user.frame_duration == tiny.FRAMES
    assert background.image.filepath.endswith("000001.png")


def test_the_clips_camera_is_the_files_camera(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    known = shot.state.of(scene)
    known.origin.location, known.origin.rotation_euler, known.origin.scale = (3, -1, 2), (0.4, 0.2, -1), (2.5,) * 3
    path = shot.reangle("scene.cameras").export_paths(scene, [known.source])[0]
    assert np.allclose(np.asarray(path.world_from_camera), tiny.world_from_camera(), atol=2e-6)
    assert np.allclose(np.asarray(path.K), tiny.K(), atol=1e-3)
    assert (path.width, path.height, path.fps) == (tiny.WIDTH, tiny.HEIGHT, tiny.FPS)


def test_rates_are_set_exactly(reangle: Callable[[str], ModuleType]) -> None:
    set_rate = reangle("scene.shot").set_rate
    scene = bpy.context.scene
    for fps, expected in (
        (24000 / 1001, (24, 1.001)),
        (23.976, (24, 1.001)),
        (30000 / 1001, (30, 1.001)),
        (25, (25, 1)),
    ):
        set_rate(scene, fps)
        assert (scene.render.fps, round(scene.render.fps_base, 6)) == expected
    set_rate(scene, 12.5)
    assert abs(scene.render.fps / scene.render.fps_base - 12.5) < 1e-5


def test_importing_again_keeps_the_artists_work(shot: SimpleNamespace, clip: Path) -> None:
    scene = bpy.context.scene
    known = shot.state.of(scene)
    known.origin.location.x = 5
    bpy.ops.reangle.add_camera(name="Mine")
    known.clip.match_scene = False
    scene.render.fps = 30
    import_clip(shot, clip)
    assert known.origin.location.x == 5
    assert scene.objects["Mine"].parent == known.origin
    assert sum(item.type == "MESH" for item in scene.objects) == 1
    assert sum(item.type == "CAMERA" for item in scene.objects) == 2
    assert scene.render.fps == 30
    assert "30 frames per second" in known.jobs[-1].notes
