# SPDX-License-Identifier: Apache-2.0
# pyright: reportMissingImports=false
"""Render the scenes of `phone_clips.py` with Blender: pictures with rolling shutter and motion blur, depth, movers.

Written for each clip: source/ (wider than the clip by MARGIN on each side, so that a lens can bend it), depth/ as EXR
with the layer IndexOB, and scene.json with the clip's camera, a pinhole. Needs `bpy`; `phone_clips.py` starts it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "sample")]

import bpy
import materials as m
import numpy as np
import phone_lens
from mathutils import Euler, Matrix, Vector
from shapes import Builder, Point, keep_every_frame

CV = np.diag([1.0, -1.0, -1.0, 1.0])
SENSOR_MM = 36.0
LENS_MM = 27.0
ROLLING_SHARE, SHUTTER = 0.35, 0.8
"""Of a frame's time: how long each row is exposed, as a share of the shutter, and the shutter."""
TONES = [(0.62, 0.2, 0.12), (0.1, 0.32, 0.45), (0.75, 0.55, 0.16), (0.18, 0.4, 0.2), (0.72, 0.66, 0.55)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clip", choices=phone_lens.CLIPS, required=True)
    parser.add_argument("--size", type=int, nargs=2, required=True)
    parser.add_argument("--frames", type=int, required=True)
    parser.add_argument("--samples", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    args = parser.parse_args()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end, scene.render.fps = 0, args.frames + 1, phone_lens.FPS
    build(scene, args.frames)
    poses = PATHS[args.clip](args.frames)
    data = bpy.data.cameras.new("phone")
    data.sensor_fit, data.sensor_width = "HORIZONTAL", SENSOR_MM
    width, height = args.size
    wide = (phone_lens.wider(width), phone_lens.wider(height))
    data.clip_end = 60.0
    camera = bpy.data.objects.new("phone", data)
    scene.collection.objects.link(camera)
    scene.camera = camera
    for index, pose in enumerate(poses):
        camera.matrix_world = pose
        for channel in ("location", "rotation_euler"):
            camera.keyframe_insert(channel, frame=index + 1)
    set_up(scene, args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    write_camera(args.out, poses, width, height)
    for passes, folder, size in ((depth_pass, "depth", (width, height)), (colour_pass, "source", wide)):
        suffix = passes(scene, args.samples)
        scene.render.resolution_x, scene.render.resolution_y = size
        # The same pixels per degree for both.
        data.lens = LENS_MM * width / size[0]
        for number in range(1, args.frames + 1):
            shoot(scene, number, args.out / folder / f"{number:06d}.{suffix}")
            print(f"{args.clip} {folder} {number}/{args.frames}", flush=True)


def shoot(scene: bpy.types.Scene, frame: int, to: Path) -> None:
    """Existing files are kept, so that an interrupted run continues."""
    if to.exists():
        return
    to.parent.mkdir(parents=True, exist_ok=True)
    partial = to.with_name(f"partial-{to.name}")
    scene.frame_set(frame)
    scene.render.filepath = str(partial)
    bpy.ops.render.render(write_still=True)
    os.replace(partial, to)


def set_up(scene: bpy.types.Scene, threads: int) -> None:
    render, cycles = scene.render, scene.cycles
    render.engine = "CYCLES"
    render.resolution_percentage = 100
    render.threads_mode, render.threads = "FIXED", threads
    render.use_persistent_data = True
    scene.view_settings.view_transform = "Standard"
    cycles.max_bounces, cycles.diffuse_bounces = 1, 1
    cycles.use_fast_gi, cycles.fast_gi_method, cycles.ao_bounces_render = True, "REPLACE", 1
    cycles.use_light_tree, cycles.use_adaptive_sampling = False, False
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.rolling_shutter_type, cycles.rolling_shutter_duration = "TOP", ROLLING_SHARE
    render.motion_blur_shutter = SHUTTER


def depth_pass(scene: bpy.types.Scene, _samples: int) -> str:
    """Planar depth and object numbers at pixel centres, in the middle of the exposure."""
    scene.render.use_motion_blur = False
    scene.cycles.samples, scene.cycles.filter_width, scene.cycles.use_denoising = 1, 0.01, False
    layer = scene.view_layers[0]
    layer.use_pass_z, layer.use_pass_object_index, layer.use_pass_combined = True, True, False
    settings = scene.render.image_settings
    settings.file_format, settings.color_depth, settings.exr_codec = "OPEN_EXR_MULTILAYER", "32", "ZIP"
    return "exr"


def colour_pass(scene: bpy.types.Scene, samples: int) -> str:
    scene.render.use_motion_blur = True
    cycles = scene.cycles
    cycles.samples, cycles.filter_width = samples, 1.5
    cycles.use_denoising, cycles.denoiser = True, "OPENIMAGEDENOISE"
    cycles.denoising_input_passes, cycles.denoising_prefilter = "RGB_ALBEDO_NORMAL", "FAST"
    layer = scene.view_layers[0]
    layer.use_pass_z, layer.use_pass_object_index, layer.use_pass_combined = False, False, True
    settings = scene.render.image_settings
    settings.file_format, settings.color_mode, settings.color_depth, settings.compression = "PNG", "RGB", "8", 50
    return "png"


def write_camera(out: Path, poses: list[Matrix], width: int, height: int) -> None:
    """scene.json: the world is the first camera, OpenCV axes; K in pixels with centres at +0.5."""
    focal = LENS_MM * width / SENSOR_MM
    K = [[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]]
    world = np.linalg.inv(np.array(poses[0]) @ CV)
    path = {"K": [K] * len(poses), "world_from_camera": [(world @ np.array(pose) @ CV).tolist() for pose in poses]}
    about = {"fps": phone_lens.FPS, "width": width, "height": height, "frames": len(poses), "source": path}
    (out / "scene.json").write_text(json.dumps({**about, "targets": []}), encoding="utf-8")


def walk(frames: int) -> list[Matrix]:
    """Two steps a second through the room, the phone held in front: sway, bob, and a hand that shakes."""
    shake = random.Random(5)
    waves = [(shake.uniform(0.7, 3.2), shake.uniform(0, 6.28), shake.uniform(0.1, 0.35)) for _ in range(9)]
    poses = []
    for index in range(frames):
        t = index / phone_lens.FPS
        angles = [sum(a * math.sin(6.28 * f * t + p) for f, p, a in waves[k::3]) for k in range(3)]
        place = Vector((-1.1 + 0.35 * t + 0.02 * math.sin(6.28 * t), -3.4 + 0.75 * t, 1.5 + 0.025 * math.sin(12.6 * t)))
        turn = Euler((math.radians(80 + angles[0]), math.radians(angles[1]), math.radians(-16 + 6 * t + angles[2])))
        poses.append(Matrix.Translation(place) @ turn.to_matrix().to_4x4())
    return poses


def pan(frames: int) -> list[Matrix]:
    """A tripod's head turns by 34 degrees, slow at both ends."""
    poses = []
    for index in range(frames):
        share = index / max(frames - 1, 1)
        degrees = 17 - 34 * share * share * (3 - 2 * share)
        turn = Euler((math.radians(81), 0, math.radians(degrees)))
        poses.append(Matrix.Translation((0.2, -3.3, 1.35)) @ turn.to_matrix().to_4x4())
    return poses


PATHS: dict[str, Callable[[int], list[Matrix]]] = {"walk": walk, "pan": pan}


def build(scene: bpy.types.Scene, frames: int) -> None:
    """A workshop: benches, shelves, crates and a door; a cart crosses it and a ball bounces."""
    make, chance = Builder(scene), random.Random(41)
    planks, plaster = m.planks((0.46, 0.4, 0.33), (0.28, 0.24, 0.2)), m.paint((0.55, 0.6, 0.6), (0.48, 0.52, 0.55), 5)
    tiles = m.bricks((0.5, 0.55, 0.52), (0.4, 0.46, 0.46), (0.7, 0.7, 0.68))
    make.sheet([(-4, -5, 0), (4, -5, 0), (4, 3.4, 0), (-4, 3.4, 0)], [(0, 1, 2, 3)], planks)
    make.box((8, 0.1, 3), (0, 3.45, 1.5), tiles)
    for x in (-4.05, 4.05):
        make.box((0.1, 8.6, 3), (x, -0.8, 1.5), plaster)
    make.box((0.95, 0.06, 2.05), (1.7, 3.38, 1.02), m.wood((0.5, 0.3, 0.14), (0.28, 0.15, 0.06)))
    make.ball(0.04, (1.35, 3.32, 1.0), m.paint((0.7, 0.55, 0.2)))
    for x, y, turn in ((-2.9, 0.6, 0.1), (2.9, -0.3, -0.2), (-0.2, 2.6, 0.0)):
        bench(make.group((x, y, 0), (0, 0, turn)), chance)
    shelf(make.group((-2.4, 3.1, 0)), chance)
    for index in range(9):
        x, y = chance.uniform(-3.4, 3.4), chance.uniform(-0.6, 2.9)
        size = chance.uniform(0.25, 0.5)
        ground, second, third = chance.sample(TONES, 3)
        look = m.checks(ground, second, chance.uniform(4, 12)) if index % 2 else m.tartan(ground, second, third, 1.5)
        make.box((size, size, size), (x, y, size / 2), look, (0, 0, chance.uniform(0, 1.5)), 0.01)
    movers(make, scene, frames)
    lights(scene)


def bench(make: Builder, chance: random.Random) -> None:
    wood = m.wood((0.62, 0.45, 0.26), (0.4, 0.26, 0.14))
    make.box((1.3, 0.6, 0.06), (0, 0, 0.8), wood, bevel=0.01)
    for x in (-0.58, 0.58):
        for y in (-0.24, 0.24):
            make.box((0.07, 0.07, 0.77), (x, y, 0.385), wood)
    for x in (-0.4, 0.0, 0.4):
        tall = chance.uniform(0.12, 0.34)
        look = m.stripes([chance.choice(TONES), chance.choice(TONES)], chance.uniform(6, 20), "Z")
        make.cone(chance.uniform(0.05, 0.12), chance.uniform(0.04, 0.12), tall, (x, 0.05, 0.83 + tall / 2), look)


def shelf(make: Builder, chance: random.Random) -> None:
    wood = m.wood((0.34, 0.25, 0.2), (0.2, 0.13, 0.1))
    for x in (-0.7, 0.7):
        make.box((0.05, 0.35, 2.0), (x, 0, 1.0), wood)
    for level in range(5):
        z = 0.1 + 0.45 * level
        make.box((1.4, 0.35, 0.04), (0, 0, z), wood)
        for x in (-0.5, -0.25, 0.0, 0.25, 0.5):
            size = chance.uniform(0.12, 0.2)
            look = m.checks(chance.choice(TONES), chance.choice(TONES), chance.uniform(8, 30))
            make.box((size, 0.2, 1.5 * size), (x, -0.02, z + 0.02 + 0.75 * size), look)


def movers(make: Builder, scene: bpy.types.Scene, frames: int) -> None:
    before = set(scene.objects)
    cart = make.group()
    cart.box((0.7, 0.4, 0.3), (0, 0, 0.32), m.stripes([TONES[0], TONES[4]], 9, "X"), bevel=0.02)
    for x in (-0.24, 0.24):
        for y in (-0.2, 0.2):
            cart.cone(0.11, 0.11, 0.06, (x, y, 0.11), m.paint((0.06, 0.06, 0.07)), (math.pi / 2, 0, 0))
    ball = make.ball(0.17, (0, 0, 0), m.checks(TONES[1], TONES[2], 6))
    for item in set(scene.objects) - before:
        item.pass_index = 1

    def roll(index: int) -> tuple[Point, Point]:
        return (-1.6 + 0.05 * index, 1.25, 0.0), (0.0, 0.0, 0.15)

    def bounce(index: int) -> tuple[Point, Point]:
        return (1.5 - 0.02 * index, 0.4, 0.17 + 0.6 * abs(math.sin(0.13 * index))), (0.1 * index, 0.0, 0.0)

    keep_every_frame(cart.handle, roll, frames + 1)
    keep_every_frame(ball, bounce, frames + 1)


def lights(scene: bpy.types.Scene) -> None:
    for place, energy, tint in (((1.5, -1.5, 2.9), 150, (1, 0.92, 0.8)), ((-2, 1.5, 2.9), 90, (0.85, 0.92, 1))):
        data = bpy.data.lights.new("area", "AREA")
        data.energy, data.color, data.size = energy, tint, 1.4
        lamp = bpy.data.objects.new("area", data)
        lamp.location = place
        scene.collection.objects.link(lamp)
    scene.world = bpy.data.worlds.new("world")
    scene.world.use_nodes = True
    background = scene.world.node_tree.nodes["Background"]
    background.inputs[0].default_value, background.inputs[1].default_value = (0.8, 0.86, 1.0, 1.0), 0.35


if __name__ == "__main__":
    main()
