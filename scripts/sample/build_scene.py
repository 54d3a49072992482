# SPDX-License-Identifier: Apache-2.0
# pyright: reportMissingImports=false
"""The sample's scene with its cameras, ready to render. Needs `bpy`."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import actors
import bpy
import cameras
import numpy as np
import room
from mathutils import Euler, Matrix, Vector
from shapes import look_at

from reangle_blender.core import keys, moves
from reangle_blender.core.contract.moves import Move

CV = np.diag([1.0, -1.0, -1.0, 1.0])
SENSOR_MM = 36.0


@dataclass(frozen=True)
class Shot:
    """One camera over the clip. matrix_world: one Blender matrix per clip frame; lens_mm: one per clip frame."""

    name: str
    matrix_world: list[Matrix]
    lens_mm: list[float]

    def K(self, index: int, width: int, height: int) -> list[list[float]]:
        """Intrinsics in pixels, centres at +0.5, for a sensor fitted to the width."""
        focal = self.lens_mm[index] * width / SENSOR_MM
        return [[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]]

    def world_from_camera(self, index: int, first_source: Matrix) -> list[list[float]]:
        """OpenCV axes, in the world of the first source camera."""
        world = np.linalg.inv(np.array(first_source) @ CV)
        return (world @ np.array(self.matrix_world[index]) @ CV).tolist()


def build(side: int) -> bpy.types.Scene:
    """A new scene with the room (side 1) or the other one (side -1), its actors and a camera without a pose."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end, scene.render.fps = 1, cameras.FRAMES, cameras.FPS
    room.build(scene, random.Random(7 if side == 1 else 23), side)
    actors.build(scene, side)
    data = bpy.data.cameras.new("camera")
    data.sensor_fit, data.sensor_width, data.clip_end = "HORIZONTAL", SENSOR_MM, 100.0
    scene.camera = bpy.data.objects.new("camera", data)
    scene.collection.objects.link(scene.camera)
    return scene


def source_shot(side: int) -> Shot:
    """The clip's camera: moving slowly in the room, still in the other one."""
    focus = Vector(cameras.SOURCE_FOCUS)
    focus.x *= side
    start, end = Vector(cameras.SOURCE_FROM), Vector(cameras.SOURCE_TO)
    poses = []
    for index in range(cameras.FRAMES):
        share = index / (cameras.FRAMES - 1)
        place = start.lerp(end, share * share * (3 - 2 * share)) if side == 1 else Vector((0.5, -4.2, 1.45))
        poses.append(look_at(place, focus))
    return Shot("source", poses, [cameras.SOURCE_LENS_MM] * cameras.FRAMES)


def static_orbits(source: Shot, side: int) -> list[Shot]:
    """Still cameras beside the first source camera, at the same distance from its target."""
    focus = Vector(cameras.SOURCE_FOCUS)
    focus.x *= side
    first = source.matrix_world[0].translation - focus
    shots = []
    for name, around, up in (("left10", -10, 0), ("right14", 14, 0), ("up8", 3, 8)):
        arm = Matrix.Rotation(math.radians(around), 3, "Z") @ first
        across = Vector((0, 0, 1)).cross(arm).normalized()
        arm = Matrix.Rotation(math.radians(-up), 3, across) @ arm
        shots.append(Shot(name, [look_at(focus + arm, focus)] * cameras.FRAMES, source.lens_mm))
    return shots


def orbit(source: Shot) -> Shot:
    """The add-on's move on top of the source camera, as the keyframes that the add-on creates."""
    lens = np.array(source.lens_mm)
    first = source.matrix_world[0]
    path = np.array([source.world_from_camera(index, first) for index in range(cameras.FRAMES)])
    move = Move(cameras.ORBIT_MOVE, cameras.ORBIT_DEGREES)
    moved = moves.move_camera(move, np.linspace(0, 1, cameras.FRAMES), path, cameras.ORBIT_FOCUS_M)
    fitted = keys.fit_keys(
        moved.world_from_camera, lens * moved.lens_factor, position_tolerance=2e-4 * cameras.ORBIT_FOCUS_M
    )
    values = fitted.evaluate(np.arange(cameras.FRAMES))
    world_from_origin = origin_matrix(source)
    poses = [
        world_from_origin @ Matrix.Translation(row[:3]) @ Euler(row[3:6]).to_matrix().to_4x4()
        for row in values.tolist()
    ]
    return Shot(cameras.ORBIT_NAME, poses, values[:, 6].tolist())


def held_views(source: Shot) -> list[Shot]:
    """The add-on's held moves beside the first source camera."""
    first = source.matrix_world[0]
    still = np.array([source.world_from_camera(0, first)] * cameras.FRAMES)
    shots = []
    for name, kind, degrees in cameras.STATIC_VIEWS:
        move = Move(kind, degrees, held=True)
        moved = moves.move_camera(move, np.linspace(0, 1, cameras.FRAMES), still, cameras.ORBIT_FOCUS_M)
        # OpenCV's axes of the geometry's world, then of the camera, are Blender's turned about x.
        blender_from_opencv = Matrix.Diagonal((1, -1, -1, 1))
        pose = first @ blender_from_opencv @ Matrix(moved.world_from_camera[0].tolist()) @ blender_from_opencv
        shots.append(Shot(name, [pose] * cameras.FRAMES, [source.lens_mm[0]] * cameras.FRAMES))
    return shots


def origin_matrix(source: Shot) -> Matrix:
    """The add-on's origin empty in this scene: at the first source camera, y along its axis, z up."""
    return source.matrix_world[0] @ Euler((-math.pi / 2, 0, 0)).to_matrix().to_4x4()


def hand_keyed(scene: bpy.types.Scene, source: Shot) -> Shot:
    """The path of `cameras.HAND_KEYS`, as Blender interpolates its keys."""
    origin = bpy.data.objects.new("origin", None)
    origin.matrix_world = origin_matrix(source)
    data = bpy.data.cameras.new("hand")
    camera = bpy.data.objects.new("hand", data)
    camera.parent = origin
    for item in (origin, camera):
        scene.collection.objects.link(item)
    for frame, location, degrees, lens in cameras.HAND_KEYS:
        camera.location, data.lens = location, lens
        camera.rotation_euler = [math.radians(angle) for angle in degrees]
        camera.keyframe_insert("location", frame=frame)
        camera.keyframe_insert("rotation_euler", frame=frame)
        data.keyframe_insert("lens", frame=frame)
    poses, lens_mm = [], []
    for index in range(cameras.FRAMES):
        scene.frame_set(index + 1)
        poses.append(camera.matrix_world.copy())
        lens_mm.append(data.lens)
    for item in (camera, origin):
        bpy.data.objects.remove(item)
    return Shot(cameras.HAND_NAME, poses, lens_mm)
