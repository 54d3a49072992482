# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a Blender window: installs the extension and does a whole job by mouse.

    blender --factory-startup --enable-event-simulate --python drive.py -- CONFIG.json

CONFIG: archive, data, results, clip, depth, out, fps; optional sources (of camera and depth; files), moves, view,
distance, and learn (whether to render with the engine `reangle`, too).
Writes `out/report.json` and screenshots.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy

MODULE = "bl_ext.user_default.reangle"
CONFIG = json.loads(Path(sys.argv[sys.argv.index("--") + 1]).read_text(encoding="utf-8"))
OUT = Path(CONFIG["out"])
Steps = Iterator[float]

report: dict[str, Any] = {"clicked": [], "bounds": {}, "error": ""}


def view3d() -> tuple[bpy.types.Window, bpy.types.Area, bpy.types.Region]:
    window = bpy.context.window_manager.windows[0]
    area = max(
        (area for area in window.screen.areas if area.type == "VIEW_3D"), key=lambda area: area.width * area.height
    )
    return window, area, next(region for region in area.regions if region.type == "UI")


def wait(condition, seconds: float = 900.0) -> Steps:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the condition did not hold within {seconds:g} s")
        yield 0.1


def screenshot(name: str, *areas: bpy.types.Area) -> Steps:
    """A screenshot, taken by the X server if possible: Blender's own is black with software GL.

    areas: whose bounds are reported: left, top, right, bottom of all of them together.
    """
    yield 0.5
    if areas:
        height = bpy.context.window_manager.windows[0].height
        report["bounds"][name] = [
            min(area.x for area in areas),
            height - max(area.y + area.height for area in areas),
            max(area.x + area.width for area in areas),
            height - min(area.y for area in areas),
        ]
    path = str(OUT / f"{name}.png")
    if shutil.which("import") and os.environ.get("DISPLAY"):
        subprocess.run(["import", "-window", "root", path], check=True)
    else:
        bpy.ops.screen.screenshot(filepath=path)


def command_under(x: int, y: int, settled: float = 0.01) -> Steps:
    """Copy the command of the button under the mouse to the clipboard. settled: seconds to wait before."""
    window, area, region = view3d()
    window.event_simulate(type="MOUSEMOVE", value="NOTHING", x=x, y=y)
    yield settled
    context = bpy.context.window_manager
    context.clipboard = ""
    with bpy.context.temp_override(window=window, area=area, region=region):
        if bpy.ops.ui.copy_python_command_button.poll():
            bpy.ops.ui.copy_python_command_button()


def scroll(kind: str, times: int) -> Steps:
    window, _, region = view3d()
    x, y = region.x + region.width // 2, region.y + region.height // 2
    window.event_simulate(type="MOUSEMOVE", value="NOTHING", x=x, y=y)
    for _ in range(times):
        yield 0.02
        window.event_simulate(type=kind, value="PRESS", x=x, y=y)
    yield 0.1


def click(operator: str, worked: Callable[[], bool]) -> Steps:
    """Click the button of this operator until it `worked`: a click is lost while the panels move."""
    for _ in range(4):
        yield from click_once(operator)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            if worked():
                report["clicked"].append(operator)
                return
            yield 0.1
    raise TimeoutError(f"clicking {operator} has no effect")


def click_once(operator: str) -> Steps:
    """Find the button of this operator in the sidebar, first in view and then from the top down, and click it."""
    for turn in range(7):
        if turn == 1:
            yield from scroll("WHEELUPMOUSE", 40)
        elif turn:
            yield from scroll("WHEELDOWNMOUSE", 12)
        window, _, region = view3d()
        x = region.x + region.width // 3
        for y in range(region.y + region.height - 12, region.y + 8, -15):
            yield from command_under(x, y)
            if f"{operator}(" not in bpy.context.window_manager.clipboard:
                continue
            # While redraws are slow, the mouse is already below the button that the clipboard names.
            for above in range(0, 120, 5):
                yield from command_under(x, y + above, settled=0.3)
                if f"{operator}(" in bpy.context.window_manager.clipboard:
                    window.event_simulate(type="LEFTMOUSE", value="PRESS", x=x, y=y + above)
                    yield 0.1
                    window.event_simulate(type="LEFTMOUSE", value="RELEASE", x=x, y=y + above)
                    yield 0.3
                    return
    raise LookupError(f"there is no button for {operator} in the sidebar")


def open_first_panel() -> Steps:
    """Unfold the first panel if a click on its header has folded it."""
    yield from scroll("WHEELUPMOUSE", 40)
    window, _, region = view3d()
    x, top = region.x + region.width // 3, region.y + region.height - 12
    for y in range(top, region.y + region.height // 2, -15):
        yield from command_under(x, y)
        if "reangle.import_clip(" in bpy.context.window_manager.clipboard:
            return
    for value in ("PRESS", "RELEASE"):
        window.event_simulate(type="MOUSEMOVE", value="NOTHING", x=x, y=top)
        yield 0.1
        window.event_simulate(type="LEFTMOUSE", value=value, x=x, y=top)
        yield 0.2


def install() -> Steps:
    preferences = bpy.context.preferences
    for item in list(bpy.data.objects):
        bpy.data.objects.remove(item)
    bpy.ops.extensions.package_install_files(filepath=CONFIG["archive"], repo="user_default", enable_on_install=True)
    addon = preferences.addons[MODULE].preferences
    addon.data_folder, addon.results_folder = CONFIG["data"], CONFIG["results"]
    _, area, _ = view3d()
    area.spaces.active.show_region_ui = True
    yield 0.5
    window, _, region = view3d()
    region.active_panel_category = "Reangle"
    area.tag_redraw()
    yield 0.5
    x, y = region.x, region.y + 40
    window.event_simulate(type="MOUSEMOVE", value="NOTHING", x=x, y=y)
    yield 0.2
    window.event_simulate(type="LEFTMOUSE", value="PRESS", x=x, y=y)
    for step in range(10, 110, 20):
        yield 0.1
        window.event_simulate(type="MOUSEMOVE", value="NOTHING", x=x - step, y=y)
    yield 0.1
    window.event_simulate(type="LEFTMOUSE", value="RELEASE", x=x - 100, y=y)
    yield 0.5


def look_from(direction: tuple[float, float, float], distance: float) -> None:
    """Turn the viewport to the cloud and the cameras."""
    from mathutils import Euler

    _, area, _ = view3d()
    space = area.spaces.active
    view = space.region_3d
    view.view_perspective = "PERSP"
    view.view_rotation = Euler(direction).to_quaternion()
    origin = bpy.context.scene.reangle.origin
    focus = importlib.import_module(f"{MODULE}.scene.moves").focus_depth(bpy.context.scene)
    view.view_location = origin.matrix_world @ origin.location.__class__((0, focus * 0.6, 0))
    view.view_distance = focus * distance
    space.clip_end = max(space.clip_end, focus * 50)


def cameras_with_background() -> list[str]:
    scene = bpy.context.scene
    return [item.name for item in scene.objects if item.type == "CAMERA" and item.data.background_images]


def whole_job() -> Steps:
    yield from install()
    scene = bpy.context.scene
    known = scene.reangle
    yield from screenshot("1_before")

    connection = importlib.import_module(f"{MODULE}.exchange.connection")
    yield from click("reangle.start_backend", lambda: connection.now.state != "off")
    yield from wait(lambda: connection.now.state == "on", 60)
    clip = known.clip
    clip.path, clip.sequence_fps = CONFIG["clip"], CONFIG["fps"]
    clip.camera = clip.depth = CONFIG.get("sources", "files")
    clip.geometry_folder = CONFIG["depth"]
    yield from click("reangle.import_clip", lambda: len(known.jobs) == 1)
    yield from wait(lambda: known.jobs and known.jobs[0].is_final)
    if known.jobs[0].state != "done":
        raise RuntimeError(f"{known.jobs[0].message} {known.jobs[0].traceback}")
    yield from wait(lambda: known.jobs[0].loaded)
    look_from(CONFIG.get("view", (1.15, 0, 0.55)), CONFIG.get("distance", 2.2))
    yield from screenshot("2_imported")

    for move, amount in CONFIG.get("moves", [["orbit-left", 14], ["crane-up", 0.3]]):
        known.move = move
        setattr(known, "move_degrees" if move.startswith(("orbit", "arc", "roll")) else "move_fraction", amount)
        yield 0.2
        before = len(scene.objects)
        yield from click("reangle.apply_move", lambda before=before: len(scene.objects) > before)
    report["cameras"] = [item.name for item in scene.objects if item.type == "CAMERA"]
    scene.frame_set((scene.frame_start + scene.frame_end) // 2)
    yield from open_first_panel()
    yield from screenshot("3_cameras", view3d()[1])

    yield from click("reangle.render", lambda: len(known.jobs) == 2)
    yield from screenshot("4_rendering")
    yield from wait(lambda: known.jobs[-1].is_final)
    if known.jobs[-1].state != "done":
        raise RuntimeError(f"{known.jobs[-1].message} {known.jobs[-1].traceback}")
    yield from wait(lambda: known.jobs[-1].loaded)
    bpy.ops.ed.undo()
    report["jobs_after_undo"] = [job.state for job in bpy.context.scene.reangle.jobs]
    bpy.ops.ed.redo()
    yield 0.5
    strips = importlib.import_module(f"{MODULE}.compat").strips_of
    results = {
        "results_to_sequencer": lambda: bpy.context.scene.reangle.edit is not None,
        "results_to_backgrounds": lambda: len(cameras_with_background()) > 1,
        "results_to_compositor": lambda: any(image.name.endswith(" depth") for image in bpy.data.images),
    }
    for operator, worked in results.items():
        yield from click(f"reangle.{operator}", worked)
    yield from screenshot("5_results")

    scene = bpy.context.scene
    report["strips"] = [strip.name for strip in strips(scene.reangle.edit)]
    report["backgrounds"] = cameras_with_background()
    window, area, _ = view3d()
    seconds = []
    for frame in range(scene.frame_start, scene.frame_end + 1):
        started = time.perf_counter()
        scene.frame_set(frame)
        with bpy.context.temp_override(window=window, area=area):
            bpy.ops.wm.redraw_timer(type="DRAW_WIN", iterations=1)
        seconds.append(time.perf_counter() - started)
    report["frame_seconds"] = sorted(seconds)[len(seconds) // 2]
    report["points"] = len(scene.reangle.cloud.data.vertices)
    if CONFIG.get("learn", True):
        yield from learned_render()
    yield from screenshots_of_results(scene)


def learned_render() -> Steps:
    """Render one camera with the engine `reangle`, with a screenshot of the panel during training."""
    scene = bpy.context.scene
    known = scene.reangle
    known.engine = "reangle"
    chosen = known.learning
    chosen.use_own, chosen.caption, chosen.rate = True, "a box before a wall", 1e-3
    chosen.shared_steps, chosen.path_steps, chosen.rank, chosen.alpha, chosen.sampling_steps = 4, 40, 4, 4, 2
    for camera in importlib.import_module(f"{MODULE}.scene.cameras").artist_cameras(scene)[1:]:
        camera.reangle.render = False
    before = len(known.jobs)
    yield from click("reangle.render", lambda: len(known.jobs) > before)
    job = known.jobs[-1].name
    own = re.compile(r" of \d{2,}, ")  # the camera's own steps; the shared ones are fewer than ten
    yield from wait(lambda: own.search(known.jobs[job].learning) or known.jobs[job].is_final)
    yield 2.0
    report["learning"] = known.jobs[job].learning
    yield from screenshot("learning")
    yield from wait(lambda: known.jobs[job].is_final)
    if known.jobs[job].state != "done":
        raise RuntimeError(f"{known.jobs[job].message} {known.jobs[job].traceback}")
    yield from wait(lambda: known.jobs[job].loaded)
    report["learned_notes"] = known.jobs[job].notes.splitlines()
    yield from screenshot("learned")
    known.engine = "preview"


def screenshots_of_results(scene: bpy.types.Scene) -> Steps:
    """A screenshot of an editing layout: the new view, the compositor's nodes, the strips."""
    window, area, _ = view3d()
    timeline = next(item for item in window.screen.areas if item.type == "DOPESHEET_EDITOR")
    window.scene, group = scene.reangle.edit, scene.reangle.result_nodes
    scene = window.scene
    # One window shows one scene, so for the picture the results' nodes are put into the edit, too.
    if hasattr(scene, "compositing_node_group"):
        scene.compositing_node_group = group
    else:
        scene.use_nodes = True
        inner = scene.node_tree.nodes.new("CompositorNodeGroup")
        inner.node_tree = group
    scene.frame_set((scene.frame_start + scene.frame_end) // 2)
    with bpy.context.temp_override(window=window, area=area):
        bpy.ops.screen.area_split(direction="HORIZONTAL", factor=0.3)
    lower = next(
        item for item in window.screen.areas if item.type == "VIEW_3D" and item.y < view3d()[1].y
    )  # the largest area is above it
    timeline.type = lower.type = "SEQUENCE_EDITOR"
    lower.spaces.active.view_type = "SEQUENCER"
    _, area, _ = view3d()
    with bpy.context.temp_override(window=window, area=area):
        bpy.ops.screen.area_split(direction="VERTICAL", factor=0.5)
    halves = [item for item in window.screen.areas if item.type == "VIEW_3D"]
    halves[0].type = "SEQUENCE_EDITOR"
    halves[0].spaces.active.view_type = "PREVIEW"
    halves[1].ui_type = "CompositorNodeTree"
    halves[1].spaces.active.show_region_ui = False
    if not hasattr(scene, "compositing_node_group"):
        yield 0.5
        halves[1].spaces.active.path.append(group, node=inner)
    timeline.type = "DOPESHEET_EDITOR"
    yield 0.5
    for item, operator in (
        (halves[0], bpy.ops.sequencer.view_all_preview),
        (halves[1], bpy.ops.node.view_all),
        (lower, bpy.ops.sequencer.view_all),
    ):
        region = next(part for part in item.regions if part.type == ("PREVIEW" if item == halves[0] else "WINDOW"))
        with bpy.context.temp_override(window=window, area=item, region=region):
            operator()
        yield 0.5
    yield from screenshot("6_editing", *halves, lower)


steps = whole_job()


def pump() -> float | None:
    try:
        return next(steps)
    except StopIteration:
        code = 0
    except BaseException:
        report["error"] = traceback.format_exc()
        traceback.print_exc()
        code = 1
    (OUT / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    sys.stdout.flush()
    os._exit(code)


bpy.context.preferences.view.show_splash = False  # before it opens
bpy.app.timers.register(pump, first_interval=1.0)
