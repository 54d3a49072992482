# SPDX-License-Identifier: Apache-2.0
# pyright: reportMissingImports=false
"""Render the sample, or a small set like it for measuring quality, as a ground-truth scene folder.

    python3.11 scripts/sample/render.py --out DIR
    python3.11 scripts/sample/render.py --out DIR --static
    python3.11 scripts/sample/render.py --out DIR --size 384x224 --frames 7

The first renders the sample: 49 frames, with the demo's two moving cameras as targets. The second renders every fourth
frame from the demo's three held cameras alone. The third renders 7 of these frames, with still targets. Existing files
are not rendered again, so an interrupted run continues. `pack.py` converts the first two to the files of `footage/`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(1, str(HERE))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Render the sample's scene with true depth and cameras.")
    parser.add_argument("--out", type=Path, required=True, help="the scene folder")
    parser.add_argument("--size", default="720x480", help="width and height in pixels")
    parser.add_argument(
        "--frames", type=int, help="number of frames spread over the clip, with still cameras as targets"
    )
    parser.add_argument("--static", action="store_true", help="only the targets of the demo's mode static")
    parser.add_argument("--room", choices=("toys", "other"), default="toys", help="which of the two rooms")
    parser.add_argument("--samples", type=int, default=12, help="light paths per pixel, before the denoiser")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def main() -> None:
    import bpy
    import build_scene
    import cameras

    args = arguments()
    width, height = (int(part) for part in args.size.split("x"))
    side = 1 if args.room == "toys" else -1
    last = cameras.FRAMES - 1
    count = args.frames or cameras.FRAMES
    frames = [round(index * last / max(1, count - 1)) for index in range(count)]
    if args.static:
        frames = list(range(0, cameras.FRAMES, cameras.STATIC_EVERY))
        count = len(frames)
    scene = build_scene.build(side)
    source = build_scene.source_shot(side)
    if args.static:
        targets = build_scene.held_views(source)
    elif args.frames:
        targets = build_scene.static_orbits(source, side)
    else:
        targets = [build_scene.orbit(source), build_scene.hand_keyed(scene, source)]
    set_up(scene, width, height, args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    numbers = frames if args.static else list(range(count))
    write_about(args.out, source, targets, frames, numbers, width, height)

    def shoot(shot: build_scene.Shot, frame: int, to: Path) -> None:
        if to.exists():
            return
        scene.frame_set(frame + 1)
        scene.camera.matrix_world = shot.matrix_world[frame]
        scene.camera.data.lens = shot.lens_mm[frame]
        partial = to.with_name(f"partial-{to.name}")
        scene.render.filepath = str(partial)
        bpy.ops.render.render(write_still=True)
        partial.parent.mkdir(parents=True, exist_ok=True)
        os.replace(partial, to)

    if not args.static:
        depth_only(scene)
        for number, frame in enumerate(frames, 1):
            shoot(source, frame, args.out / "depth" / f"{number:06d}.exr")
    colour(scene, args.samples)
    for number in range(1, 1 if args.static else count + 1):
        shoot(source, frames[number - 1], args.out / "source" / f"{number:06d}.png")
        print(f"source {number}/{count}", flush=True)
    for done, number in enumerate(coarse_to_fine(count), 1):
        for shot in targets:
            folder = args.out / "targets" / cameras.file_name(shot.name)
            shoot(shot, frames[number - 1], folder / f"{number:06d}.png")
        print(f"targets {done}/{count}", flush=True)


def coarse_to_fine(count: int) -> list[int]:
    """1 to count, every 16th first, then every 8th, and so on, so that an interrupted run covers the whole clip."""
    return sorted(range(1, count + 1), key=lambda number: -min((number - 1) & (1 - number) or 16, 16))


def set_up(scene, width: int, height: int, threads: int) -> None:
    render = scene.render
    render.engine = "CYCLES"
    render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
    render.threads_mode, render.threads = "FIXED", threads
    render.use_persistent_data = True
    scene.view_settings.view_transform, scene.view_settings.exposure = "Standard", 0.35
    cycles = scene.cycles
    # Ambient occlusion replaces bounced light: half the render time, and no flickering noise.
    cycles.max_bounces, cycles.diffuse_bounces = 1, 1
    cycles.use_fast_gi, cycles.fast_gi_method, cycles.ao_bounces_render = True, "REPLACE", 1
    scene.world.light_settings.distance = 3.5
    cycles.use_light_tree, cycles.use_adaptive_sampling = False, False
    cycles.caustics_reflective = cycles.caustics_refractive = False


def depth_only(scene) -> None:
    """Planar depth at pixel centres. In the colour pass, Z is that of one random point of each pixel's filter."""
    scene.cycles.samples, scene.cycles.filter_width, scene.cycles.use_denoising = 1, 0.01, False
    layer = scene.view_layers[0]
    layer.use_pass_z, layer.use_pass_combined = True, False
    settings = scene.render.image_settings
    settings.file_format, settings.color_depth, settings.exr_codec = "OPEN_EXR_MULTILAYER", "32", "ZIP"


def colour(scene, samples: int) -> None:
    cycles = scene.cycles
    cycles.samples, cycles.filter_width = samples, 1.5
    cycles.use_denoising, cycles.denoiser = True, "OPENIMAGEDENOISE"
    cycles.denoising_input_passes, cycles.denoising_prefilter = "RGB_ALBEDO_NORMAL", "FAST"
    layer = scene.view_layers[0]
    layer.use_pass_z, layer.use_pass_combined = False, True
    settings = scene.render.image_settings
    settings.file_format, settings.color_mode, settings.color_depth, settings.compression = "PNG", "RGB", "8", 50


def write_about(out: Path, source, targets, frames: list[int], numbers: list[int], width: int, height: int) -> None:
    """scene.json, in which the targets' frames have these numbers: the world is the first source camera,
    OpenCV axes; K in pixels with centres at +0.5.
    """
    import cameras

    first = source.matrix_world[0]

    def path(shot) -> dict[str, object]:
        return {
            "K": [shot.K(frame, width, height) for frame in frames],
            "world_from_camera": [shot.world_from_camera(frame, first) for frame in frames],
        }

    about = {
        "fps": cameras.FPS,
        "width": width,
        "height": height,
        "frames": len(frames),
        "source": path(source),
        "targets": [{"name": cameras.file_name(shot.name), "frames": numbers, **path(shot)} for shot in targets],
    }
    (out / "scene.json").write_text(json.dumps(about), encoding="utf-8")


if __name__ == "__main__":
    from environments import enter

    enter("bpy")
    main()
