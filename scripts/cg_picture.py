# SPDX-License-Identifier: Apache-2.0
# pyright: reportMissingImports=false
"""Make the picture of docs/cg.md: CG in the sample from a new camera, without and with the depth mesh.

    python3.11 scripts/cg_picture.py [--out DIR] [--image FILE] [--eevee]
    python3.11 scripts/cg_picture.py --costs         only what the depth mesh costs

Imports the sample with its true depth, renders it from a new camera as scripts/demo.py does, puts three things into it
and renders them by Cycles over the result. Prints how long that takes. --eevee renders by EEVEE, too, whose first
picture takes a minute without a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parent)]
    from environments import enter

    enter("bpy")

import numpy as np
from demo import Demo, clear
from demo_options import Steps
from environments import REPOSITORY

FRAME = 13
CAMERA = "Orbit Left"
SAMPLES, REPEATS = 12, 7
BEHIND_ROBOT, ON_RUG, ON_TABLE = (0.5, 0.635), (0.62, 0.77), (0.19, 0.845)
"""Where things stand, as parts of the picture's width and height: on the floor, partly behind what is nearer."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the picture of CG in the sample.")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "out" / "cg", metavar="DIR")
    parser.add_argument("--image", type=Path, default=REPOSITORY / "docs" / "images" / "cg.jpg", metavar="FILE")
    parser.add_argument("--eevee", action="store_true", help="also render by EEVEE")
    parser.add_argument("--costs", action="store_true", help="measure reading, computing and showing depth, no picture")
    chosen = parser.parse_args()
    out = chosen.out.absolute()
    clear(out / "work")
    (out / "work" / "backend").mkdir(parents=True, exist_ok=True)
    os.environ["BLENDER_USER_RESOURCES"] = str(out / "work" / "blender")
    options = argparse.Namespace(
        clip=None, sample=REPOSITORY / "scripts" / "sample" / "footage", geometry="files", size=None, start=0,
        frames=25, engine="preview", mode="moving", caption="",
    )  # fmt: skip
    demo = CgDemo(options, out, Steps())
    try:
        demo.run()
        if chosen.costs:
            demo.print_costs()
        else:
            demo.make_picture(chosen.image.absolute(), with_eevee=chosen.eevee)
    finally:
        demo.end()
    return 0


class CgDemo(Demo):
    """The demo until its results are there, then CG."""

    def load_results(self) -> None:
        self.save()

    def report(self) -> None:
        """Nothing is compared here."""

    def print_costs(self) -> None:
        """Seconds of the processor, the median of REPEATS, for the result's depth and for the same at 1920 x 1080."""
        import bpy

        self.press("add_depth_mesh")
        grids, meshes = self.module("core.depth_grid"), self.module("scene.depth_mesh")
        read_depth = self.module("core.exr").read_depth
        cloud = self.module("scene.point_cloud").cloud_of(bpy.context.scene)
        folder, item = Path(self.folders()[CAMERA]), self.shot.cg.mesh
        record = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        K, pose = np.array(record["K"][FRAME]), np.array(record["world_from_camera"][FRAME])
        file = folder / "depth" / f"{FRAME + 1:06d}.exr"
        own, read = _timed(lambda: read_depth(file))
        print(f"{own.shape[1]}x{own.shape[0]}: read {1000 * read:.0f} ms")
        for width, height in ((own.shape[1], own.shape[0]), (1920, 1080)):
            rows, columns = np.arange(height) * own.shape[0] // height, np.arange(width) * own.shape[1] // width
            depth = own[np.ix_(rows, columns)]
            lens = np.diag([width / own.shape[1], height / own.shape[0], 1]) @ K
            grid, compute = _timed(partial(grids.make_grid, depth, lens, pose, cloud, FRAME))
            meshes.empty(item)
            started = time.process_time()
            meshes.fill(item, grid, is_own=True)
            first = time.process_time() - started
            _, show = _timed(partial(meshes.fill, item, grid, is_own=True))
            print(
                f"{width}x{height}: compute {1000 * compute:.0f} ms, show {1000 * show:.1f} ms, the first time "
                f"{1000 * first:.0f} ms, {grid.nbytes / 2**20:.0f} MiB"
            )

    def make_picture(self, image: Path, *, with_eevee: bool) -> None:
        import bpy

        scene = bpy.context.scene
        scene.camera = scene.objects[CAMERA]
        scene.frame_set(FRAME)
        started = time.perf_counter()
        self.press("add_depth_mesh")
        self.shot.cg.in_viewport = True  # its points are read below
        mesh = self.shot.cg.mesh
        pump = self.module("exchange.main_thread")
        pump.pump_until(lambda: not pump.is_busy() and len(mesh.data.vertices) > 0, timeout_s=60)
        print(f"depth mesh of {len(mesh.data.vertices):,} vertices in {time.perf_counter() - started:.2f} s")
        self._add_things(mesh)
        render = scene.render
        render.film_transparent = True
        render.image_settings.file_format, render.image_settings.color_mode = "PNG", "RGBA"
        scene.cycles.samples, scene.cycles.device = SAMPLES, "CPU"
        eevee = "BLENDER_EEVEE" if bpy.app.version >= (5, 0, 0) else "BLENDER_EEVEE_NEXT"
        scene.eevee.taa_render_samples = 4
        result = _pixels(Path(self.folders()[CAMERA]) / "frames" / f"{FRAME:06d}.png")
        panels = []
        for engine in ("CYCLES", *([eevee] if with_eevee else ())):
            render.engine = engine
            for name, is_used in (("without", False), ("with", True)):
                mesh.hide_render = not is_used
                panels.append(_over(result, self._rendered(f"{engine.lower()}_{name}")))
        _save(np.concatenate(panels, axis=1), image)
        print(f"wrote {image}")

    def _rendered(self, name: str) -> np.ndarray:
        import bpy

        path = self.out / f"{name}.png"
        bpy.context.scene.render.filepath = str(path)
        started = time.perf_counter()
        bpy.ops.render.render(write_still=True)
        print(f"{name}: {time.perf_counter() - started:.1f} s")
        return _pixels(path)

    def _place(self, mesh: Any, where: tuple[float, float]) -> Any:
        """The point of the depth mesh at a place of the picture, in Blender's world."""
        columns, rows = self.shot.shot_width + 2, self.shot.shot_height + 2
        index = int(where[1] * rows) * columns + int(where[0] * columns)
        return mesh.matrix_world @ mesh.data.vertices[index].co

    def _add_things(self, mesh: Any) -> None:
        import bpy

        scene, unit = bpy.context.scene, self.unit
        for shape, where, size, colour, metal in (
            ("uv_sphere", BEHIND_ROBOT, 0.3, (0.9, 0.9, 0.9), 1.0),
            ("monkey", ON_RUG, 0.24, (0.05, 0.35, 0.1), 0.0),
            ("torus", ON_TABLE, 0.1, (0.9, 0.6, 0.05), 0.0),
        ):
            place = self._place(mesh, where)
            flat = {"major_radius": 1.0, "minor_radius": 0.4} if shape == "torus" else {}
            getattr(bpy.ops.mesh, f"primitive_{shape}_add")(location=place, **flat)
            item = bpy.context.object
            item.scale = (size * unit,) * 3
            item.location.z += size * unit * (0.4 if shape == "torus" else 0.95)
            bpy.ops.object.shade_smooth()
            material = bpy.data.materials.new(shape)
            material.use_nodes = True
            surface = material.node_tree.nodes["Principled BSDF"]
            surface.inputs["Base Color"].default_value = (*colour, 1)
            surface.inputs["Metallic"].default_value = metal
            surface.inputs["Roughness"].default_value = 0.1 if metal else 0.4
            item.data.materials.append(material)
        sun = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
        sun.data.energy, sun.data.angle = 2.5, 0.2
        sun.rotation_euler = (0.6, 0.5, 0)
        scene.collection.objects.link(sun)
        scene.world = bpy.data.worlds.new("World")
        scene.world.use_nodes = True
        scene.world.node_tree.nodes["Background"].inputs[0].default_value = (0.6, 0.5, 0.42, 1)


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """The last result, and the median of the seconds of the processor."""
    seconds, result = [], None
    for _ in range(REPEATS):
        started = time.process_time()
        result = work()
        seconds.append(time.process_time() - started)
    return result, float(np.median(seconds))


def _pixels(path: Path) -> np.ndarray:
    """H x W x 4 as encoded in the file, rows from the bottom, alpha apart from colour."""
    import bpy

    image = bpy.data.images.load(str(path))
    width, height = image.size
    pixels = np.array(image.pixels[:], np.float32).reshape(height, width, 4)
    bpy.data.images.remove(image)
    return pixels


def _over(below: np.ndarray, above: np.ndarray) -> np.ndarray:
    alpha = above[..., 3:]
    mixed = above * alpha + below * (1 - alpha)
    mixed[..., 3] = 1
    return mixed


def _save(pixels: np.ndarray, path: Path) -> None:
    import bpy

    height, width, _ = pixels.shape
    image = bpy.data.images.new("picture", width, height)
    image.pixels.foreach_set(np.ascontiguousarray(pixels).ravel())
    settings = bpy.context.scene.render.image_settings
    settings.file_format, settings.color_mode, settings.quality = "JPEG", "RGB", 88
    image.file_format = "JPEG"
    image.save(filepath=str(path), quality=88)


if __name__ == "__main__":
    sys.exit(main())
