# SPDX-License-Identifier: Apache-2.0
# pyright: reportMissingImports=false
"""Runs inside a Blender window for `blender.py`: a job by a running backend, and played frames of its point cloud.

The folder of this file has `bench_blender.py`, a copy of `blender.py`, and `window.json`. Lines with BENCH are the
figures.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from bench_blender import LONGEST, MODULE, choose_clip, module

CONFIG = json.loads((HERE / "window.json").read_text(encoding="utf-8"))
PLAYED, PLAY_S = 24, 120.0
"""Frames that are played, and seconds after which fewer are enough."""
Steps = Iterator[float]


def say(text: str) -> None:
    print(f"BENCH {text}", flush=True)


def until(condition: Callable[[], bool], seconds: float = 900.0) -> Steps:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"a condition did not hold within {seconds:g} s")
        yield 0.1


def view3d() -> dict[str, Any]:
    """The largest 3D viewport, as an override of the context."""
    window = bpy.context.window_manager.windows[0]
    area = max(
        (item for item in window.screen.areas if item.type == "VIEW_3D"), key=lambda item: item.width * item.height
    )
    return {
        "window": window,
        "area": area,
        "region": next(region for region in area.regions if region.type == "WINDOW"),
    }


def whole() -> Steps:
    for item in list(bpy.data.objects):
        bpy.data.objects.remove(item)
    bpy.ops.extensions.package_install_files(filepath=CONFIG["archive"], repo="user_default", enable_on_install=True)
    preferences = bpy.context.preferences.addons[MODULE].preferences
    preferences.data_folder, preferences.results_folder = CONFIG["data"], CONFIG["results"]
    main_thread, connection = module("exchange.main_thread"), module("exchange.connection")
    yield from until(lambda: module("lifecycle")._is_restored and not main_thread.is_busy())
    connection.find()
    yield from until(lambda: connection.now.state == "on", 120)
    redrawn = [0]
    handler = bpy.types.SpaceView3D.draw_handler_add(lambda: redrawn.append(1), (), "WINDOW", "POST_VIEW")
    say(f"Blender {bpy.app.version_string} in a window, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    choose_clip(HERE)
    yield from job(bpy.ops.reangle.import_clip, "an import", redrawn)
    for move, amount in (("orbit-left", 10), ("dolly-in", 20)):
        bpy.ops.reangle.apply_move(move=move, amount=amount)
    yield from job(bpy.ops.reangle.render, "a render of two cameras", redrawn)
    bpy.types.SpaceView3D.draw_handler_remove(handler, "WINDOW")
    yield from play()


def job(start: Callable[[], object], name: str, redrawn: list[int]) -> Steps:
    """Run a job, and print what it cost the main thread."""
    main_thread, jobs = module("exchange.main_thread"), bpy.context.scene.reangle.jobs
    count = len(jobs)
    yield 1.0
    main_thread.longest.clear()
    redrawn.clear()
    with bpy.context.temp_override(**view3d()):
        start()
    yield from until(lambda: len(jobs) > count and jobs[count].is_final and jobs[count].loaded)
    yield 1.0
    say(f"The viewport was drawn {len(redrawn)} times during {name}. Longest steps on the main thread:")
    for kind, (seconds, busy) in sorted(main_thread.longest.items(), key=lambda item: -item[1][1])[:LONGEST]:
        say(f"  {1000 * seconds:7.1f} ({1000 * busy:.1f}) ms  {kind}")


def play() -> Steps:
    """Print the add-on's share of a stepped and of a played frame."""
    scene = bpy.context.scene
    drawing, cloud = module("scene.cloud_drawing"), module("scene.point_cloud")
    drawn: list[tuple[float, float]] = []
    changed: list[tuple[float, float]] = []
    drawing.unregister()
    drawing._draw = timed(drawing._draw, drawn)
    drawing.register()
    handlers = bpy.app.handlers.frame_change_pre
    handlers.remove(cloud._frame_change)
    timed_change = timed(cloud._frame_change, changed)
    handlers.append(timed_change)
    say(f"{len(scene.reangle.cloud.data.vertices):,} points, the add-on's share of a frame:")
    for frame in range(scene.frame_start, scene.frame_start + 12):
        scene.frame_set(frame)
        with bpy.context.temp_override(**view3d()):
            bpy.ops.wm.redraw_timer(type="DRAW_WIN", iterations=1)
    say(f"  stepped: draw {shown(drawn)} ms, mesh {shown(changed)} ms")
    for name, is_hidden in (("played", False), ("played while hidden", True)):
        scene.reangle.cloud.hide_set(is_hidden)
        drawn.clear()
        changed.clear()
        with bpy.context.temp_override(**view3d()):
            bpy.ops.screen.animation_play()
        began = time.perf_counter()
        while len(changed) < PLAYED and time.perf_counter() - began < PLAY_S:
            yield 0.2
        rate = len(changed) / (time.perf_counter() - began)
        with bpy.context.temp_override(**view3d()):
            bpy.ops.screen.animation_cancel(restore_frame=False)
        say(f"  {name}: draw {shown(drawn)} ms, mesh {shown(changed)} ms, {len(changed)} frames, {rate:.1f} a second")
        yield 1.0
    handlers.remove(timed_change)
    handlers.append(cloud._frame_change)


def timed(function: Callable[..., None], times: list[tuple[float, float]]) -> Callable[..., None]:
    def run(*arguments: object) -> None:
        began, before = time.perf_counter(), time.thread_time()
        function(*arguments)
        times.append((time.perf_counter() - began, time.thread_time() - before))

    return run


def shown(times: list[tuple[float, float]]) -> str:
    if not times:
        return "nothing"
    wall, busy = (1000 * statistics.median(column) for column in zip(*times, strict=True))
    return f"{wall:.2f} ({busy:.2f})"


steps = whole()


def pump() -> float | None:
    code = 0
    try:
        return next(steps)
    except StopIteration:
        pass
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    os._exit(code)


bpy.context.preferences.view.show_splash = False
bpy.app.timers.register(pump, first_interval=1.0)
