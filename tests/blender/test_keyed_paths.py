# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras read from their keys are where Blender puts them at each frame."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import bpy
import numpy as np
import pytest

FRAMES = range(-2, 15)
Reangle = Callable[[str], ModuleType]


@pytest.fixture
def camera(reangle: Reangle) -> bpy.types.Object:
    """A camera below a turned, scaled origin, with keys on place, rotation, scale, lens and shift."""
    scene = bpy.context.scene
    random = np.random.default_rng(3)
    origin = bpy.data.objects.new("Origin", None)
    origin.location, origin.rotation_euler, origin.scale = (1, -2, 0.5), (0.3, 0.2, -1), (2.5,) * 3
    item = bpy.data.objects.new("View", bpy.data.cameras.new("View"))
    for one in (origin, item):
        scene.collection.objects.link(one)
    item.parent = origin
    item.matrix_parent_inverse = origin.matrix_basis.inverted() @ item.matrix_parent_inverse
    item.delta_location, item.delta_scale = (0.1, 0.2, -0.3), (1.1, 1.1, 1.1)
    item.delta_rotation_euler, item.delta_rotation_quaternion = (0.4, -0.2, 0.1), (0.9, 0.1, 0.3, 0.2)
    for frame in (0, 5, 11):
        for name in ("location", "rotation_euler", "rotation_quaternion", "rotation_axis_angle"):
            setattr(item, name, random.uniform(-1.5, 1.5, len(getattr(item, name))))
            item.keyframe_insert(name, frame=frame)
        item.scale = (random.uniform(0.5, 2),) * 3
        item.keyframe_insert("scale", frame=frame)
        item.data.lens, item.data.shift_x = random.uniform(20, 60), random.uniform(-0.2, 0.2)
        for name in ("lens", "shift_x"):
            item.data.keyframe_insert(name, frame=frame)
    shot = scene.reangle
    shot.origin, shot.shot_frames, shot.first_frame, shot.shot_fps = origin, len(FRAMES), FRAMES[0], 24.0
    scene.frame_set(4)
    return item


def read(reangle: Reangle, camera: bpy.types.Object) -> list | None:
    scene = bpy.context.scene
    depsgraph = bpy.context.evaluated_depsgraph_get()
    placed = reangle("scene.cameras").world_from_geometry(scene, scene.reangle.origin, depsgraph)
    return reangle("scene.keyed_paths").read(camera, FRAMES, scene.reangle.origin, placed, depsgraph)


def visited(reangle: Reangle, camera: bpy.types.Object) -> list:
    """The same by setting the scene to each frame."""
    scene, cameras = bpy.context.scene, reangle("scene.cameras")
    taken = []
    for frame in FRAMES:
        scene.frame_set(frame)
        depsgraph = bpy.context.evaluated_depsgraph_get()
        placed = cameras.world_from_geometry(scene, scene.reangle.origin, depsgraph)
        taken.append(cameras.sample(camera, placed, depsgraph))
    scene.frame_set(4)
    return taken


@pytest.mark.parametrize("mode", ["XYZ", "ZYX", "YXZ", "QUATERNION", "AXIS_ANGLE"])
@pytest.mark.parametrize("change", ["none", "no parent", "extrapolated", "limited lens"])
def test_keys_give_what_blender_evaluates(reangle: Reangle, camera: bpy.types.Object, mode: str, change: str) -> None:
    camera.rotation_mode = mode
    find = reangle("compat").find_fcurve
    if change == "no parent":
        camera.parent = None
    if change == "extrapolated":
        find(camera, "location", 1).extrapolation = "LINEAR"
        find(camera, "location", 0).modifiers.new("CYCLES")
    if change == "limited lens":
        curve = find(camera.data, "lens")
        curve.keyframe_points[1].co.y = -30
        curve.update()
    bpy.context.scene.frame_set(4)
    got, want = read(reangle, camera), visited(reangle, camera)
    assert got is not None
    for one, two in zip(got, want, strict=True):
        np.testing.assert_allclose(one.matrix_world, two.matrix_world, rtol=1e-6, atol=2e-6)
        np.testing.assert_array_equal(one.origin_matrix_world, two.origin_matrix_world)
        assert one.frame == two.frame
        for name in ("lens", "shift_x", "shift_y", "sensor_width", "sensor_height"):
            assert getattr(one.lens, name) == pytest.approx(getattr(two.lens, name), rel=1e-6)
    assert np.ptp([one.matrix_world for one in want], axis=0).max() > 0.5


def constrained(camera: bpy.types.Object) -> None:
    camera.constraints.new("TRACK_TO").target = camera.parent


def driven(camera: bpy.types.Object) -> None:
    camera.data.driver_add("shift_y").driver.expression = "frame / 100"


def in_strips(camera: bpy.types.Object) -> None:
    track = camera.animation_data.nla_tracks.new()
    track.strips.new("Strip", 0, bpy.data.actions.new("Other"))


def on_a_moving_origin(camera: bpy.types.Object) -> None:
    camera.parent.keyframe_insert("location", frame=1)
    camera.parent.location.x += 1
    camera.parent.keyframe_insert("location", frame=9)


def with_a_muted_curve(camera: bpy.types.Object) -> None:
    bag = camera.animation_data
    curves = (
        bag.action.fcurves if hasattr(bag.action, "fcurves") else bag.action.layers[0].strips[0].channelbags[0].fcurves
    )
    curves[0].mute = True


def in_mapped_time(_camera: bpy.types.Object) -> None:
    bpy.context.scene.render.frame_map_new = 50


def moved_by_a_handler(camera: bpy.types.Object) -> None:
    name = camera.name

    def move(scene: bpy.types.Scene, *_: object) -> None:
        scene.objects[name].delta_location.x = scene.frame_current
        scene.objects[name].location.z = 7

    bpy.app.handlers.frame_change_post.append(move)


@pytest.mark.parametrize(
    "change",
    [constrained, driven, in_strips, on_a_moving_origin, with_a_muted_curve, in_mapped_time, moved_by_a_handler],
)
def test_other_cameras_are_visited(
    reangle: Reangle, camera: bpy.types.Object, change: Callable[[bpy.types.Object], None]
) -> None:
    change(camera)
    bpy.context.scene.frame_set(5)
    assert read(reangle, camera) is None
    bpy.app.handlers.frame_change_post[:] = [
        one for one in bpy.app.handlers.frame_change_post if one.__name__ != "move"
    ]


def test_an_export_sets_no_frame_unless_it_must(reangle: Reangle, camera: bpy.types.Object) -> None:
    scene, cameras = bpy.context.scene, reangle("scene.cameras")
    frames: list[int] = []

    def count(scene: bpy.types.Scene, *_: object) -> None:
        frames.append(scene.frame_current)

    bpy.app.handlers.frame_change_post.append(count)
    camera.rotation_mode = "XYZ"
    keyed = cameras.export_paths(scene, [camera])[0]
    assert not frames
    other = bpy.data.objects.new("Follower", bpy.data.cameras.new("Follower"))
    scene.collection.objects.link(other)
    other.constraints.new("COPY_TRANSFORMS").target = camera
    both = cameras.export_paths(scene, [camera, other])
    bpy.app.handlers.frame_change_post.remove(count)
    assert set(frames) == set(FRAMES)
    np.testing.assert_allclose(both[0].world_from_camera, keyed.world_from_camera, atol=1e-9)
    np.testing.assert_allclose(both[1].world_from_camera, keyed.world_from_camera, atol=1e-6)
