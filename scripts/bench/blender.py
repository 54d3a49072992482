# SPDX-License-Identifier: Apache-2.0
# pyright: reportMissingImports=false
"""Measure what the add-on costs inside Blender.

    python3.11 scripts/bench/blender.py                     all that runs without a window
    REANGLE_BLENDER="blender" python3.11 scripts/bench/blender.py     also played frames, in that Blender's window
    python3.11 scripts/bench/blender.py --only preset       one part of: arrays, steps, preset, window

`arrays`: what a new frame of the point cloud needs before it is drawn, and the filling of its mesh. `steps`: the
longest times that the add-on holds Blender's main thread while it sends, watches and fetches jobs of a real backend.
`preset`: adding a move of a new camera in a scene that takes some milliseconds a frame, by keys and by setting each
frame. `window`: the same steps in a window, and the add-on's share of a played frame. Times are medians in
milliseconds, of the wall clock and, in brackets, of the processor: on a busy machine, the second is what the work
takes.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("bpy")
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

import numpy as np

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
MODULE = "bl_ext.user_default.reangle"
PARTS = ("arrays", "steps", "preset", "window")
WIDTH, HEIGHT, FRAMES, FPS = 600, 336, 49, 24.0
PRESET_FRAMES, PRESET_RUNS, HEAVY_MS = 145, 5, 4.0
LONGEST = 12
WINDOW = ("--factory-startup", "--enable-event-simulate", "--window-geometry", "0", "0", "1600", "1000")


def clip(frames: int = FRAMES) -> dict[str, np.ndarray]:
    """A wavy wall and a disc that moves before it: depth, rgb, K and world_from_camera as in `Cloud`."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    depth, rgb = np.empty((frames, HEIGHT, WIDTH), np.float32), np.empty((frames, HEIGHT, WIDTH, 3), np.uint8)
    for frame in range(frames):
        is_disc = (x - 100 - 8 * frame) ** 2 + (y - 150) ** 2 < 60**2
        depth[frame] = np.where(is_disc, 2.5, 4 + 0.5 * np.sin(x / 40 + frame / 5) + 0.3 * np.cos(y / 30))
        wall = np.stack([x * 255 // WIDTH, y * 255 // HEIGHT, np.full_like(x, 60 + 3 * frame)], -1)
        rgb[frame] = np.where(is_disc[..., None], (230, 120, 40), wall)
    K = np.tile(np.array([[WIDTH, 0, WIDTH / 2], [0, WIDTH, HEIGHT / 2], [0, 0, 1.0]]), (frames, 1, 1))
    world_from_camera = np.tile(np.eye(4), (frames, 1, 1))
    world_from_camera[:, 0, 3] = 0.02 * np.arange(frames)
    return {"depth": depth, "rgb": rgb, "K": K, "world_from_camera": world_from_camera}


def module(name: str) -> ModuleType:
    """A module of the installed extension."""
    return importlib.import_module(f"{MODULE}.{name}")


def install(folder: Path) -> Path:
    """Build the extension into `folder` and enable it in an empty file. Returns the archive."""
    import bpy
    from build_extension import build

    archive = build(folder)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.extensions.package_install_files(filepath=str(archive), repo="user_default", enable_on_install=True)
    main_thread = module("exchange.main_thread")
    main_thread.pump_until(lambda: not main_thread.is_busy(), timeout_s=60)
    return archive


def show_cloud(frames: int = FRAMES) -> Any:
    """Put the clip into the open scene as an import does. Returns its cloud."""
    import bpy

    given = clip(frames)
    cloud = module("core.cloud").Cloud(**given, dynamic=np.zeros(given["depth"].shape, bool))
    path = module("core.contract").CameraPath(
        name="source",
        fps=FPS,
        width=WIDTH,
        height=HEIGHT,
        frames=tuple(range(frames)),
        world_from_camera=given["world_from_camera"].tolist(),
        K=given["K"].tolist(),
    )
    fetched = module("exchange.fetched_shot")
    about = fetched.About("files", "moving", "files", (50.0, 50.0), "files", "metric", ())
    shot = fetched.Shot("bench", "Bench", Path(tempfile.gettempdir()), None, frames, path, cloud, about)
    for _ in module("scene.shot").build(bpy.context.scene, shot, "{}", None, [], match=True):
        pass
    return cloud


def measure(work: Callable[[], object], runs: int = 15) -> str:
    """Median of the wall clock and of the processor time, as text."""
    wall, busy = [], []
    for _ in range(runs):
        began, before = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - began)
        busy.append(time.process_time() - before)
    return f"{1000 * statistics.median(wall):7.2f} ({1000 * statistics.median(busy):.2f})"


def arrays(_: Path) -> None:
    """What a new frame takes without a window."""
    import bpy

    cloud = show_cloud(8)
    scene, turn = bpy.context.scene, iter(range(10**6))
    points = f"{WIDTH * HEIGHT:,} points"
    print(f"Depth and colours of {points} for the GPU: {measure(lambda: cloud.grid(next(turn) % 8))} ms")
    item, point_cloud = scene.reangle.cloud, module("scene.point_cloud")

    def fill() -> None:
        scene.frame_current = next(turn) % 8 + 1
        point_cloud._fill(scene, item, cloud)

    print(f"Mesh of {points}: {measure(fill)} ms")
    frames, depth_grid = iter(range(10**6)), module("core.depth_grid")
    grids = [depth_grid.make_grid(cloud.depth[i], cloud.K[i], cloud.world_from_camera[i], cloud, i) for i in range(2)]
    depth_mesh = module("scene.depth_mesh")
    mesh: Any = bpy.data.objects.new("Depth", bpy.data.meshes.new("Depth"))
    scene.collection.objects.link(mesh)

    def new() -> None:
        mesh.data.clear_geometry()
        depth_mesh.fill(mesh, grids[0], is_own=True)

    print(f"Depth mesh for the first time: {measure(new, runs=1)} ms")
    print(f"Depth mesh of a new size: {measure(new)} ms")
    following = measure(lambda: depth_mesh.fill(mesh, grids[next(frames) % 2], is_own=True))
    print(f"Depth mesh of the next frame: {following} ms")


@contextmanager
def backend(folder: Path) -> Iterator[Path]:
    """The data folder of a running backend of this checkout."""
    from environments import python_of

    data = folder / "data"
    data.mkdir(exist_ok=True)
    about = {
        "command": [str(python_of("backend")), "-m", "reangle"],
        "environment": {"PYTHONPATH": str(REPOSITORY / "backend")},
    }
    (data / "backend.json").write_text(json.dumps(about), encoding="utf-8")
    process = module("core.backend_process")
    running = process.ensure(data)
    try:
        yield data
    finally:
        process.stop(running)


def steps(folder: Path) -> None:
    """The longest steps of an import, of a render with two cameras, and of both while they run."""
    import bpy

    write_clip(folder / "clip", clip())
    main_thread, connection = module("exchange.main_thread"), module("exchange.connection")
    with backend(folder) as data:
        preferences = bpy.context.preferences.addons[MODULE].preferences
        preferences.data_folder, preferences.results_folder = str(data), str(folder / "results")
        connection.find()
        main_thread.pump_until(lambda: connection.now.state == "on", timeout_s=300)
        choose_clip(folder)
        main_thread.longest.clear()
        bpy.ops.reangle.import_clip()
        wait(0)
        report("while importing")
        for move, amount in (("orbit-left", 10), ("dolly-in", 20)):
            bpy.ops.reangle.apply_move(move=move, amount=amount)
        main_thread.longest.clear()
        bpy.ops.reangle.render()
        wait(1)
        report("while watching and delivering a render")


def choose_clip(folder: Path) -> None:
    """Choose the written clip in the open scene, with its depth and its camera."""
    import bpy

    chosen = bpy.context.scene.reangle.clip
    chosen.path, chosen.sequence_fps = str(folder / "clip" / "0001.png"), FPS
    chosen.camera = chosen.depth = "files"
    chosen.geometry_folder = str(folder / "clip" / "depth")


def wait(index: int) -> None:
    """Until the scene's job is done and fetched. Raises RuntimeError if it fails."""
    import bpy

    def has_ended() -> bool:
        job = bpy.context.scene.reangle.jobs[index]
        return job.is_final and (job.loaded or job.state != "done" or bool(job.message))

    module("exchange.main_thread").pump_until(has_ended, timeout_s=3600)
    job = bpy.context.scene.reangle.jobs[index]
    if not job.loaded:
        raise RuntimeError(f"{job.message} {job.traceback}")


def report(when: str) -> None:
    longest = module("exchange.main_thread").longest
    print(f"Longest steps on the main thread {when}:")
    for kind, (seconds, busy) in sorted(longest.items(), key=lambda item: -item[1][1])[:LONGEST]:
        print(f"  {1000 * seconds:7.1f} ({1000 * busy:.1f}) ms  {kind}")


def write_clip(folder: Path, given: dict[str, np.ndarray]) -> None:
    """The clip as images, with its depth and its camera in the folder `depth`."""
    import bpy

    if folder.is_dir():
        return
    (folder / "depth").mkdir(parents=True)
    image = bpy.data.images.new("Frame", WIDTH, HEIGHT)
    for index, rgb in enumerate(given["rgb"]):
        pixels = np.ones((HEIGHT, WIDTH, 4), np.float32)
        pixels[..., :3] = rgb[::-1] / np.float32(255)
        image.pixels.foreach_set(pixels.ravel())
        image.filepath_raw, image.file_format = str(folder / f"{index + 1:04d}.png"), "PNG"
        image.save()
    bpy.data.images.remove(image)
    np.savez(folder / "depth" / "depth.npz", depth=given["depth"])
    camera = {"width": WIDTH, "height": HEIGHT, "K": given["K"][0].tolist()}
    camera["world_from_camera"] = given["world_from_camera"].tolist()
    (folder / "depth" / "camera.json").write_text(json.dumps(camera), encoding="utf-8")


def preset(_: Path) -> None:
    """A move of a new camera in a heavy scene, by keys and by setting each frame."""
    import bpy

    scene = bpy.context.scene
    show_cloud(PRESET_FRAMES)
    scene.reangle.cloud.hide_viewport = True
    per_frame = make_heavy(scene)
    keyed = module("scene.keyed_paths")
    read = keyed.read

    def move() -> None:
        bpy.ops.reangle.apply_move(move="orbit-left", amount=10)
        made = scene.objects[-1] if scene.objects[-1].type == "CAMERA" else bpy.context.object
        bpy.data.objects.remove(made)

    print(f"A scene of {per_frame:.1f} ms a frame, {PRESET_FRAMES} frames, a move of a new camera:")
    for name, function in (("each frame set", lambda *_: None), ("read from keys", read)):
        keyed.read = function
        print(f"  {name}: {measure(move, PRESET_RUNS)} ms")
    keyed.read = read


def make_heavy(scene: Any) -> float:
    """Add objects that move until a frame takes HEAVY_MS of the processor. Returns what one takes."""
    import bpy

    mesh = bpy.data.meshes.new("Grid")
    mesh.from_pydata([(i % 20, i // 20, 0) for i in range(400)], [], [])
    took = 0.0
    while took < HEAVY_MS:
        for _ in range(20):
            item = bpy.data.objects.new("Mover", mesh)
            scene.collection.objects.link(item)
            item.modifiers.new("Wave", "WAVE")
        times = []
        for frame in range(1, 21):
            began = time.process_time()
            scene.frame_set(frame)
            times.append(1000 * (time.process_time() - began))
        took = statistics.median(times)
    return took


def window(folder: Path) -> None:
    """Played frames in a Blender with a window."""
    command = os.environ.get("REANGLE_BLENDER")
    if not command:
        print("Played frames: not measured, REANGLE_BLENDER names no Blender with a window")
        return
    inside = folder / "window"
    inside.mkdir()
    archive = shutil.copy(next((folder / "dist").glob("*.zip")), inside)
    write_clip(inside / "clip", clip())
    script = shutil.copy(HERE / "blender_window.py", inside)
    shutil.copy(__file__, inside / "bench_blender.py")
    with backend(inside) as data:
        config = {"archive": str(archive), "data": str(data), "results": str(inside / "results")}
        (inside / "window.json").write_text(json.dumps(config), encoding="utf-8")
        done = subprocess.run(
            [*shlex.split(command), *WINDOW, "--python", str(script)],
            cwd=inside,
            env={**os.environ, "BLENDER_USER_RESOURCES": str(inside / "resources")},
            capture_output=True,
            text=True,
            timeout=1800,
        )
    lines = [line.partition("BENCH ")[2] for line in done.stdout.splitlines() if "BENCH " in line]
    print("\n".join(lines) or done.stdout[-3000:] + done.stderr[-3000:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reangle-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        # Blender reads this once, on import.
        os.environ["BLENDER_USER_RESOURCES"] = str(folder / "blender")
        import bpy

        functions = {"arrays": arrays, "steps": steps, "preset": preset, "window": window}
        print(f"Blender {bpy.app.version_string}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        for part in chosen.only:
            install(folder / "dist")
            functions[part](folder)
        module("exchange.main_thread").unregister()  # its timer would hold up the end of Blender
        sys.stdout.flush()


if __name__ == "__main__":
    main()
