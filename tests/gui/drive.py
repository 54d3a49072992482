# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a Blender window: installs the extension and does a whole job by mouse.

    blender --factory-startup --enable-event-simulate --python drive.py -- CONFIG.json

CONFIG: archive, data, results, clip, depth, out, fps; optional sources (of camera and depth; files), moves, view,
distance, learn (whether to render with the engine `reangle`, too), film (whether to take pictures for a film).
Writes `out/report.json` and screenshots.
"""

from __future__ import annotations

import importlib
import re
import sys
import threading
import time
from pathlib import Path
from types import ModuleType

import bpy

sys.path.insert(0, str(Path(__file__).parent))

import mouse
from mouse import CONFIG, MODULE, Steps, click, report, screenshot, view3d, wait


def module(name: str) -> ModuleType:
    """A module of the extension."""
    return importlib.import_module(f"{MODULE}.{name}")


def set_folders() -> None:
    addon = bpy.context.preferences.addons[MODULE].preferences
    addon.data_folder, addon.results_folder = CONFIG["data"], CONFIG["results"]


def install() -> Steps:
    for item in list(bpy.data.objects):
        bpy.data.objects.remove(item)
    bpy.ops.extensions.package_install_files(filepath=CONFIG["archive"], repo="user_default", enable_on_install=True)
    set_folders()
    yield from mouse.open_sidebar()


def look_from(direction: tuple[float, float, float], distance: float) -> None:
    """Turn the viewport to the cloud and the cameras."""
    from mathutils import Euler

    _, area, _ = view3d()
    space = area.spaces.active
    view = space.region_3d
    view.view_perspective = "PERSP"
    view.view_rotation = Euler(direction).to_quaternion()
    origin = bpy.context.scene.reangle.origin
    focus = module("scene.moves").focus_depth(bpy.context.scene)
    view.view_location = origin.matrix_world @ origin.location.__class__((0, focus * 0.6, 0))
    view.view_distance = focus * distance
    space.clip_end = max(space.clip_end, focus * 50)


def cameras_with_background() -> list[str]:
    scene = bpy.context.scene
    return [item.name for item in scene.objects if item.type == "CAMERA" and item.data.background_images]


def start_and_import() -> Steps:
    """Start the backend, choose the clip in the file browser, and wait for its cloud."""
    shot = bpy.context.scene.reangle
    connection = module("exchange.connection")
    yield from click("reangle.start_backend", lambda: connection.now.state != "off", film="Start the backend")
    yield from wait(lambda: connection.now.state == "on", 60)
    clip = shot.clip
    clip.sequence_fps = CONFIG["fps"]
    clip.camera = clip.depth = CONFIG.get("sources", "files")
    clip.geometry_folder = CONFIG["depth"]
    screen = bpy.context.window_manager.windows[0].screen.name
    yield from click(
        "reangle.import_footage",
        lambda: bpy.context.window_manager.windows[0].screen.name != screen,
        across=-49,
        film="Import a clip",
    )
    yield from mouse.choose_in_file_browser(Path(CONFIG["clip"]))
    yield from wait(lambda: len(shot.jobs) == 1, 60)
    yield from done(0, film="The camera is solved, the depth estimated")


def done(number: int, film: str = "") -> Steps:
    """Wait until a job of the scene is done and fetched. Raises RuntimeError with its message if it fails."""
    jobs = bpy.context.scene.reangle.jobs
    name = jobs[number].name
    yield from wait(lambda: jobs[name].is_final, film=film)
    if jobs[name].state != "done":
        raise RuntimeError(f"{jobs[name].message} {jobs[name].traceback}")
    yield from wait(lambda: jobs[name].loaded)


def add_cameras() -> Steps:
    """One camera for each of CONFIG's moves; the last one is the scene's."""
    scene = bpy.context.scene
    for move, amount in CONFIG.get("moves", [["orbit-left", 14], ["crane-up", 0.3]]):
        scene.reangle.move = move
        turns = move.startswith(("orbit", "arc", "roll"))
        setattr(scene.reangle, "move_degrees" if turns else "move_fraction", amount)
        yield 0.2
        before = len(scene.objects)
        yield from click("reangle.apply_move", lambda before=before: len(scene.objects) > before, film="Add cameras")
        yield from mouse.filmed("Add cameras", 0.8)
    report["cameras"] = [item.name for item in scene.objects if item.type == "CAMERA"]
    scene.frame_set((scene.frame_start + scene.frame_end) // 2)


def measure() -> Steps:
    """Measure coverage; report it by camera."""
    scene = bpy.context.scene
    scene.reangle.lookahead.automatic = False
    coverage, cameras = module("scene.coverage"), module("scene.cameras").artist_cameras(scene)

    def found() -> list:
        return [coverage.summary(scene, camera) for camera in cameras]

    yield from click("reangle.measure_coverage", lambda: True, film="See what the clip shows")
    yield from wait(lambda: all(one is not None and one.is_complete for one in found()), 120)
    report["coverage"] = {camera.name: one.known for camera, one in zip(cameras, found(), strict=True)}


def compare() -> Steps:
    """Open the wipe over the clip and the result, and end it with Esc."""
    wipe = module("scene.wipe_drawing")
    yield from click("reangle.compare", lambda: wipe.shown is not None, film="Compare clip and result")
    report["compared"] = [wipe.shown.left, wipe.shown.right]
    yield from wait(lambda: wipe.shown.pictures.read >= 2, 30)
    yield from screenshot("compare", view3d()[1])
    for _ in range(3):
        yield from mouse.press_in_view("ESC")
        if wipe.shown is None:
            return
        yield 1.0
    raise RuntimeError("Esc does not end the comparison")


def to_edit() -> Steps:
    """The results as strips; undone and done again by their keys."""
    yield from click("reangle.results_to_sequencer", lambda: bpy.context.scene.reangle.edit is not None)
    edits = []
    for modifiers in ({"ctrl": True}, {"ctrl": True, "shift": True}):
        before = bpy.context.scene.reangle.edit is None
        for _ in range(4):
            yield from mouse.press_in_view("Z", **modifiers)
            yield 1.0
            if (bpy.context.scene.reangle.edit is None) != before:
                break
        edits.append(bpy.context.scene.reangle.edit is not None)
    report["edit_after_undo_and_redo"] = edits
    report["jobs_after_undo"] = [job.state for job in bpy.context.scene.reangle.jobs]
    edit = bpy.context.scene.reangle.edit
    report["strips"] = sorted(strip.name for strip in module("compat").strips_of(edit))


def frame_times() -> Steps:
    """Report the seconds to show a frame, and the number of points."""
    scene = bpy.context.scene
    window, area, _ = view3d()
    seconds = []
    for frame in range(scene.frame_start, scene.frame_end + 1):
        started = time.perf_counter()
        scene.frame_set(frame)
        with bpy.context.temp_override(window=window, area=area):
            bpy.ops.wm.redraw_timer(type="DRAW_WIN", iterations=1)
        seconds.append(time.perf_counter() - started)
        yield 0.0
    report["frame_seconds"] = sorted(seconds)[len(seconds) // 2]
    report["points"] = len(scene.reangle.cloud.data.vertices)


def off_and_on() -> Steps:
    """Disable the add-on and enable it again, as its tick in the preferences does."""
    jobs = [job.name for job in bpy.context.scene.reangle.jobs]
    main_thread = module("exchange.main_thread")
    bpy.ops.preferences.addon_disable(module=MODULE)
    for _ in range(60):  # a request that is under way ends first
        yield 0.5
        threads = [thread.name for thread in threading.enumerate() if thread.name.lower().startswith("reangle")]
        if not threads:
            break
    report["threads_after_disable"] = threads
    report["types_after_disable"] = [name for name in dir(bpy.types) if name.startswith("REANGLE_")]
    report["timers_after_disable"] = [
        name
        for name, value in vars(main_thread).items()
        if callable(value) and getattr(value, "__module__", "") == main_thread.__name__ and _is_timer(value)
    ]
    bpy.ops.preferences.addon_enable(module=MODULE)
    set_folders()  # Blender forgets the preferences of an add-on that is disabled
    view3d()[1].tag_redraw()
    yield 2.0
    view3d()[2].active_panel_category = "Reangle"
    view3d()[1].tag_redraw()
    yield 2.0
    connection = module("exchange.connection")
    if connection.now.state != "on":
        yield from click("reangle.start_backend", lambda: connection.now.state != "off")
        yield from wait(lambda: connection.now.state == "on", 60)
    shot = bpy.context.scene.reangle
    report["jobs_kept"] = [job.name for job in shot.jobs] == jobs and all(job.loaded for job in shot.jobs)
    yield from screenshot("6_enabled_again")


def _is_timer(function: object) -> bool:
    try:
        return bpy.app.timers.is_registered(function)
    except (TypeError, ValueError):
        return False


def whole_job() -> Steps:
    yield from install()
    shot = bpy.context.scene.reangle
    yield from screenshot("1_before")
    yield from start_and_import()
    look_from(CONFIG.get("view", (1.15, 0, 0.55)), CONFIG.get("distance", 2.2))
    yield from screenshot("2_imported")
    yield from add_cameras()
    yield from mouse.to_top()
    yield from screenshot("3_cameras", view3d()[1])
    yield from measure()

    yield from click("reangle.render", lambda: len(shot.jobs) == 2)
    yield from screenshot("4_rendering")
    yield from done(-1)
    window, area, _ = view3d()
    with bpy.context.temp_override(window=window, area=area, region=mouse.canvas()):
        bpy.ops.reangle.look_through(camera="Orbit Left 14")
    yield from compare()
    yield from to_edit()
    yield from click("reangle.results_to_backgrounds", lambda: len(cameras_with_background()) > 1)
    yield from click(
        "reangle.results_to_compositor", lambda: any(image.name.endswith(" depth") for image in bpy.data.images)
    )
    yield from screenshot("5_results")
    report["backgrounds"] = cameras_with_background()
    yield from frame_times()
    if CONFIG.get("learn", True):
        yield from learned_render()
    yield from off_and_on()


def learned_render() -> Steps:
    """Render one camera with the engine `reangle`, with a screenshot of the panel during training."""
    scene = bpy.context.scene
    known = scene.reangle
    known.engine = "reangle"
    chosen = known.learning
    chosen.use_own, chosen.caption, chosen.rate = True, "a box before a wall", 1e-3
    chosen.shared_steps, chosen.path_steps, chosen.rank, chosen.alpha, chosen.sampling_steps = 4, 16, 4, 4, 2
    for camera in module("scene.cameras").artist_cameras(scene)[1:]:
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


if __name__ == "__main__":
    mouse.run(whole_job())
