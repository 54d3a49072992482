# SPDX-License-Identifier: GPL-3.0-or-later
"""An exported camera equals Blender's camera, compared with Blender's matrices and renders."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import bpy
import numpy as np
import pytest
from bpy.types import Object
from mathutils import Euler, Matrix, Vector

Reangle = Callable[[str], ModuleType]

CALCULATED_PX = 0.005
RENDERED_PX = 0.1
FITS = ("AUTO", "HORIZONTAL", "VERTICAL")


def new_camera(name: str = "Camera") -> Object:
    camera = bpy.data.objects.new(name, bpy.data.cameras.new(name))
    bpy.context.scene.collection.objects.link(camera)
    return camera


def new_empty(name: str, matrix: Matrix | None = None) -> Object:
    empty = bpy.data.objects.new(name, None)
    bpy.context.scene.collection.objects.link(empty)
    if matrix is not None:
        empty.matrix_world = matrix
    return empty


def set_render(x: int, y: int, percentage: int = 100, ax: float = 1.0, ay: float = 1.0) -> None:
    render = bpy.context.scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = x, y, percentage
    # Blender keeps one of the two at 1 or above.
    render.pixel_aspect_x, render.pixel_aspect_y = ax, ay


def blender_intrinsics(camera: Object, width: int, height: int) -> np.ndarray:
    """K from Blender's own projection matrix."""
    render = bpy.context.scene.render
    projection = camera.calc_matrix_camera(
        bpy.context.evaluated_depsgraph_get(),
        x=width,
        y=height,
        scale_x=render.pixel_aspect_x,
        scale_y=render.pixel_aspect_y,
    )
    return np.array(
        [
            [projection[0][0] * width / 2, 0, (1 - projection[0][2]) * width / 2],
            [0, projection[1][1] * height / 2, (1 + projection[1][2]) * height / 2],
            [0, 0, 1],
        ]
    )


def test_intrinsics_are_those_of_blender(reangle: Reangle) -> None:
    cameras, core = reangle("scene.cameras"), reangle("core.camera")
    scene, camera = bpy.context.scene, new_camera()
    sizes = ((1920, 1080), (1080, 1920), (721, 721))
    shifts = ((0.0, 0.0), (0.13, -0.27))
    aspects = ((1.0, 1.0), (1.5, 1.0), (1.0, 1.9))
    worst, count = 0.0, 0
    for fit, size, shift, aspect, percentage in itertools.product(FITS, sizes, shifts, aspects, (100, 29, 57, 150)):
        set_render(*size, percentage, *aspect)
        data = camera.data
        data.lens, data.sensor_width, data.sensor_height, data.sensor_fit = 31.0, 36.0, 20.25, fit
        data.shift_x, data.shift_y = shift
        render = cameras.render_size(scene)
        lens = cameras.lens_of(data)
        K = core.intrinsics_from_lens(lens, render)
        worst = max(worst, np.abs(K - blender_intrinsics(camera, render.width, render.height)).max())
        back = core.lens_from_intrinsics(K, render, like=lens)
        assert (back.lens, back.shift_x, back.shift_y) == pytest.approx((lens.lens, lens.shift_x, lens.shift_y))
        count += 1
    print(f"{count} configurations, at most {worst:.5f} px")
    assert worst <= CALCULATED_PX


def place(reangle: Reangle, frames: int) -> Object:
    """A moved, rotated and scaled origin, and a scene with `frames` frames of an imported clip."""
    origin = new_empty("Origin", Matrix.LocRotScale((3, -1, 2), Euler((0.3, -0.2, 1.1)), (2.5, 2.5, 2.5)))
    shot = reangle("state").of(bpy.context.scene)
    shot.origin, shot.first_frame, shot.shot_frames, shot.shot_fps = origin, 11, frames, 24.0
    return origin


def key(block: bpy.types.ID, path: str, keys: dict[int, object]) -> None:
    for frame, value in keys.items():
        setattr(block, path, value)
        block.keyframe_insert(path, frame=frame)


def blender_pixels(points: np.ndarray, camera: Object, width: int, height: int) -> np.ndarray:
    """Pixels of points (n x 3) in Blender's world, from its own matrices; pixel centres at +0.5."""
    evaluated = camera.evaluated_get(bpy.context.evaluated_depsgraph_get())
    camera_from_world = np.array(evaluated.matrix_world.normalized().inverted())
    seen = points @ camera_from_world[:3, :3].T + camera_from_world[:3, 3]
    pixels = (seen * (1, -1, -1)) @ blender_intrinsics(evaluated, width, height).T
    return pixels[:, :2] / pixels[:, 2:]


def test_parents_constraints_and_animation_are_in_the_path(reangle: Reangle) -> None:
    cameras, core = reangle("scene.cameras"), reangle("core.camera")
    scene = bpy.context.scene
    set_render(719, 480, 83, 1.0, 1.2)
    origin = place(reangle, 5)
    rig = new_empty("Rig")
    rig.parent = origin
    key(rig, "rotation_euler", {11: (0, 0, 0), 15: (0.2, 0.1, 0.5)})
    parented = new_camera("Parented")
    parented.parent = rig
    parented.scale = (3, 0.5, 2)
    key(parented, "location", {11: (0, -4, 0), 15: (1, -5, 1)})
    parented.rotation_euler = (1.4, 0.1, -0.1)
    key(parented.data, "lens", {11: 24.0, 15: 85.0})
    key(parented.data, "shift_x", {11: 0.0, 15: 0.2})
    tracking = new_camera("Tracking")
    tracking.location = (6, -9, 5)
    target = new_empty("Target")
    key(target, "location", {11: (3, -1, 2), 15: (4, 1, 3)})
    track = tracking.constraints.new("TRACK_TO")
    track.target, track.track_axis, track.up_axis = target, "TRACK_NEGATIVE_Z", "UP_Y"
    scene.frame_set(13)

    both = [parented, tracking]
    paths = cameras.export_paths(scene, both)
    assert scene.frame_current == 13
    assert len({float(K[0, 0]) for K in np.asarray(paths[0].K)}) == 5
    random = np.random.default_rng(1)
    worst = 0.0
    for index in range(5):
        scene.frame_set(11 + index)
        from_origin = np.array(origin.matrix_world) @ core.BLENDER_FROM_CV
        for camera, path in zip(both, paths, strict=True):
            K, world_from_camera = np.asarray(path.K)[index], np.asarray(path.world_from_camera)[index]
            rays = np.column_stack([random.uniform(0, 1, (9, 2)) * (path.width, path.height), np.ones(9)])
            seen = rays @ np.linalg.inv(K).T * random.uniform(1, 6, (9, 1))
            points = seen @ world_from_camera[:3, :3].T + world_from_camera[:3, 3]
            in_blender = points @ from_origin[:3, :3].T + from_origin[:3, 3]
            expected = core.project(points, K, world_from_camera)
            measured = blender_pixels(in_blender, camera, path.width, path.height)
            worst = max(worst, np.abs(expected - measured).max())
    print(f"parents, constraints and lenses: at most {worst:.5f} px")
    assert worst <= CALCULATED_PX


def test_an_exported_path_restores_the_camera(reangle: Reangle) -> None:
    cameras = reangle("scene.cameras")
    scene = bpy.context.scene
    set_render(640, 854, 71, 1.3, 1.0)
    origin = place(reangle, 4)
    camera = new_camera()
    camera.parent = origin
    key(camera, "location", {11: (0, -4, 0), 14: (1, -5, 1)})
    key(camera, "rotation_euler", {11: (1.4, 0.1, -0.1), 14: (1.7, 0.0, 0.9)})
    key(camera.data, "lens", {11: 24.0, 14: 60.0})
    camera.data.sensor_fit, camera.data.shift_y = "VERTICAL", 0.21
    first = cameras.export_paths(scene, [camera])[0]
    again = cameras.add_from_path(scene, scene.collection, first, origin, 11)
    second = cameras.export_paths(scene, [again])[0]
    assert np.asarray(second.K) == pytest.approx(np.asarray(first.K), abs=2e-3)
    assert np.asarray(second.world_from_camera) == pytest.approx(np.asarray(first.world_from_camera), abs=2e-6)


def test_error_names_the_camera_that_cannot_be_exported(reangle: Reangle) -> None:
    cameras, errors = reangle("scene.cameras"), reangle("core.errors")
    scene = bpy.context.scene
    origin = place(reangle, 3)
    camera = new_camera("Bad One")
    key(camera, "scale", {11: (1, 1, 1), 13: (-1, 1, 1)})
    with pytest.raises(errors.UserError, match=r"'Bad One' at frame 1[23] (is mirrored|has a scale of zero)"):
        cameras.export_paths(scene, [camera])
    camera.animation_data_clear()
    camera.scale = (1, 1, 1)
    for kind, word in (("ORTHO", "orthographic"), ("PANO", "panoramic")):
        camera.data.type = kind
        with pytest.raises(errors.UserError, match=f"'Bad One' at frame 11 is {word}"):
            cameras.export_paths(scene, [camera])
    camera.data.type = "PERSP"
    origin.scale = (1, 2, 1)
    bpy.context.view_layer.update()
    with pytest.raises(errors.UserError, match="origin is scaled differently"):
        cameras.export_paths(scene, [camera])


def lamps(count: int) -> list[Object]:
    """White glowing balls of radius 1."""
    material = bpy.data.materials.new("Glow")
    material.use_nodes = True
    nodes = material.node_tree.nodes
    nodes.clear()
    glow, output = nodes.new("ShaderNodeEmission"), nodes.new("ShaderNodeOutputMaterial")
    material.node_tree.links.new(glow.outputs["Emission"], output.inputs["Surface"])
    balls = []
    for _ in range(count):
        bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=3, radius=1)
        ball = bpy.context.object
        ball.data.materials.append(material)
        balls.append(ball)
    return balls


def render(path: Path) -> np.ndarray:
    """The picture's red channel, height x width, top row first."""
    scene = bpy.context.scene
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    picture = bpy.data.images.load(str(path))
    picture.colorspace_settings.name = "Non-Color"
    width, height = picture.size
    pixels = np.empty(width * height * picture.channels, np.float32)
    picture.pixels.foreach_get(pixels)
    bpy.data.images.remove(picture)
    return pixels.reshape(height, width, -1)[::-1, :, 0]


SHOTS: dict[str, tuple[str, tuple[int, int], int, tuple[float, float], tuple[float, float]]] = {
    "wide frame": ("AUTO", (480, 270), 100, (1, 1), (0, 0)),
    "tall frame, shifted": ("AUTO", (270, 480), 100, (1, 1), (0.2, -0.3)),
    "width fitted, tall, wide pixels": ("HORIZONTAL", (320, 450), 100, (1.6, 1), (-0.15, 0.1)),
    "height fitted, reduced to an odd size": ("VERTICAL", (1655, 983), 29, (1, 1), (0.1, 0.2)),
    "pixels that turn the fit": ("AUTO", (450, 300), 100, (1, 1.9), (0.1, -0.05)),
    "height fitted, enlarged, wide pixels": ("VERTICAL", (253, 167), 150, (2, 1), (0, 0.25)),
}


def test_rendered_positions_equal_the_projection_of_the_contract(reangle: Reangle, tmp_path: Path) -> None:
    cameras, core = reangle("scene.cameras"), reangle("core.camera")
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.threads_mode, scene.render.threads = "FIXED", 2
    cycles = scene.cycles
    cycles.samples, cycles.use_adaptive_sampling, cycles.use_denoising, cycles.max_bounces = 48, False, False, 0
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.image_settings.color_depth = "32"
    scene.world = bpy.data.worlds.new("Black")
    scene.world.color = (0, 0, 0)
    scene.world.use_nodes = True
    scene.world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.0

    origin = place(reangle, 3)
    rig = new_empty("Rig")
    rig.parent, rig.rotation_euler = origin, (0.2, -0.1, 0.6)
    camera = new_camera()
    camera.parent, camera.location, camera.rotation_euler = rig, (0.3, -2, 0.4), (1.5, 0.3, 0.2)
    scene.camera = camera
    key(camera.data, "lens", {11: 30.0, 13: 50.0})
    spread = np.array([(0.15, 0.2), (0.85, 0.2), (0.5, 0.5), (0.15, 0.8), (0.85, 0.8)])
    depths = np.array([2.0, 3.0, 5.0, 4.0, 2.5])[:, None]
    balls = lamps(len(spread))

    worst = 0.0
    for number, (name, (fit, size, percentage, aspect, shift)) in enumerate(SHOTS.items()):
        set_render(*size, percentage, *aspect)
        camera.data.sensor_fit, camera.data.sensor_height = fit, 30.0
        camera.data.shift_x, camera.data.shift_y = shift
        frame = number % 3
        path = cameras.export_paths(scene, [camera])[0]
        K, world_from_camera = np.asarray(path.K)[frame], np.asarray(path.world_from_camera)[frame]
        rays = np.column_stack([spread * (path.width, path.height), np.ones(len(spread))])
        seen = rays @ np.linalg.inv(K).T * depths
        points = seen @ world_from_camera[:3, :3].T + world_from_camera[:3, 3]
        expected = core.project(points, K, world_from_camera)
        for ball, point, depth in zip(balls, points, depths[:, 0], strict=True):
            ball.location = origin.matrix_world @ Matrix(core.BLENDER_FROM_CV.tolist()) @ Vector(point.tolist())
            # About 3 pixels: the outline is an ellipse, whose middle is the ball's centre only while it is small.
            ball.scale = [3 * depth / min(K[0, 0], K[1, 1]) * origin.scale[0]] * 3
        scene.frame_set(11 + frame)
        picture = render(tmp_path / f"{number}.exr")
        assert picture.shape == (path.height, path.width)
        measured = np.array([centroid(picture, at) for at in expected])
        error = np.abs(measured - expected).max()
        print(f"{name}: {path.width} x {path.height}, at most {error:.3f} px")
        worst = max(worst, error)
    print(f"worst {worst:.3f} px")
    assert worst <= RENDERED_PX


def centroid(picture: np.ndarray, around: np.ndarray, reach: int = 12) -> np.ndarray:
    """Centroid of the light within `reach` pixels, as x, y with pixel centres at +0.5."""
    height, width = picture.shape
    left, top = max(int(around[0]) - reach, 0), max(int(around[1]) - reach, 0)
    window = picture[top : min(int(around[1]) + reach, height), left : min(int(around[0]) + reach, width)]
    assert window.sum() > 5, f"nothing was rendered near {around}"
    rows, columns = np.mgrid[: window.shape[0], : window.shape[1]]
    return np.array(
        [((columns + left + 0.5) * window).sum() / window.sum(), ((rows + top + 0.5) * window).sum() / window.sum()]
    )
