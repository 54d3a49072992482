# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a Blender window: find, point at and click what an artist would, take screenshots, and film it.

A drive is a generator of `Steps`: it yields the seconds to wait, `run` pumps it by a timer.
"""

from __future__ import annotations

import json
import os
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

report: dict[str, Any] = {"clicked": [], "bounds": {}, "film": [], "error": ""}


def view3d() -> tuple[bpy.types.Window, bpy.types.Area, bpy.types.Region]:
    """The window, its largest 3D view, and the sidebar of that."""
    window = bpy.context.window_manager.windows[0]
    area = max(
        (area for area in window.screen.areas if area.type == "VIEW_3D"), key=lambda area: area.width * area.height
    )
    return window, area, next(region for region in area.regions if region.type == "UI")


def canvas() -> bpy.types.Region:
    """The region of the 3D view that shows the scene."""
    return next(region for region in view3d()[1].regions if region.type == "WINDOW")


def wait(condition: Callable[[], object], seconds: float = 900.0, film: str = "") -> Steps:
    """Until the condition holds. film: caption of a picture every few seconds meanwhile."""
    deadline = time.monotonic() + seconds
    pictured = time.monotonic()
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the condition did not hold within {seconds:g} s")
        if film and time.monotonic() - pictured > 2.5:
            yield from filmed(film, 0.2)
            pictured = time.monotonic()
        yield 0.1


def grab(path: Path) -> None:
    """The screen as a file, taken by the X server if possible: Blender's own picture is black with software GL."""
    if shutil.which("import") and os.environ.get("DISPLAY"):
        subprocess.run(["import", "-window", "root", "-quality", "95", str(path)], check=True)
    else:
        bpy.ops.screen.screenshot(filepath=str(path))


def screenshot(name: str, *areas: bpy.types.Area | bpy.types.Region) -> Steps:
    """A screenshot. areas: whose bounds are reported: left, top, right, bottom of all of them together."""
    yield 0.5
    if areas:
        height = bpy.context.window_manager.windows[0].height
        report["bounds"][name] = [
            min(area.x for area in areas),
            height - max(area.y + area.height for area in areas),
            max(area.x + area.width for area in areas),
            height - min(area.y for area in areas),
        ]
    grab(OUT / f"{name}.png")


def filmed(caption: str, seconds: float, at: tuple[int, int] | None = None) -> Steps:
    """Add the screen to the film, shown for some seconds; nothing without CONFIG["film"].

    at: where the mouse is clicked afterwards, in pixels from the bottom left.
    """
    if not CONFIG.get("film"):
        return
    yield 0.05
    name = f"film_{len(report['film']):04}.jpg"
    grab(OUT / name)
    report["film"].append({"file": name, "caption": caption, "seconds": seconds, "at": at})


def point(x: int, y: int) -> None:
    window = view3d()[0]
    window.event_simulate(type="MOUSEMOVE", value="NOTHING", x=x, y=y)


def press(key: str, x: int, y: int, **modifiers: bool) -> Steps:
    """Press and release a key or a button of the mouse. modifiers: ctrl, shift, alt."""
    window = view3d()[0]
    point(x, y)
    yield 0.2
    for value in ("PRESS", "RELEASE"):
        window.event_simulate(type=key, value=value, x=x, y=y, **modifiers)
        yield 0.1


def press_in_view(key: str, **modifiers: bool) -> Steps:
    """Press a key where the mouse is over the left half of the 3D view."""
    region = canvas()
    yield from press(key, region.x + region.width // 4, region.y + region.height // 2, **modifiers)


def command_under(x: int, y: int, settled: float = 0.01) -> Steps:
    """Copy the command of the button under the mouse to the clipboard. settled: seconds to wait before."""
    window, area, region = view3d()
    point(x, y)
    yield settled
    context = bpy.context.window_manager
    context.clipboard = ""
    with bpy.context.temp_override(window=window, area=area, region=region):
        if bpy.ops.ui.copy_python_command_button.poll():
            bpy.ops.ui.copy_python_command_button()


def scroll(kind: str, times: int) -> Steps:
    window, _, region = view3d()
    x, y = region.x + region.width // 2, region.y + region.height // 2
    point(x, y)
    for _ in range(times):
        yield 0.02
        window.event_simulate(type=kind, value="PRESS", x=x, y=y)
    yield 0.1


def to_top() -> Steps:
    """Scroll the sidebar to its top."""
    yield from scroll("WHEELUPMOUSE", 40)


def click(command: str, worked: Callable[[], object], across: float = 1 / 3, film: str = "") -> Steps:
    """Click the button of this command until it `worked`: a click is lost while the panels move.

    command: an operator's name, or the beginning of its Python command. across: where the button is: a share of the
    sidebar's width, or below 0 pixels from its right edge. film: caption in the film.
    """
    for _ in range(4):
        yield from _click_once(command, across, film)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            if worked():
                report["clicked"].append(command)
                return
            yield 0.1
    raise TimeoutError(f"clicking {command} has no effect")


def find(command: str, across: float = 1 / 3) -> Iterator[float | tuple[int, int]]:
    """Yield seconds to wait, and at last where the button of this command is in the sidebar.

    It is searched first in view and then from the top down. Raises LookupError.
    """
    wanted = command if "(" in command else f"{command}("
    for turn in range(7):
        if turn == 1:
            yield from to_top()
        elif turn:
            yield from scroll("WHEELDOWNMOUSE", 12)
        _, _, region = view3d()
        x = region.x + (int(region.width * across) if across > 0 else region.width + int(across))
        for y in range(region.y + region.height - 12, region.y + 8, -15):
            yield from command_under(x, y)
            if wanted not in bpy.context.window_manager.clipboard:
                continue
            # While redraws are slow, the mouse is already below the button that the clipboard names.
            for above in range(0, 120, 5):
                yield from command_under(x, y + above, settled=0.3)
                if wanted in bpy.context.window_manager.clipboard:
                    yield x, y + above
                    return
    raise LookupError(f"there is no button for {command} in the sidebar")


def _click_once(command: str, across: float, film: str) -> Steps:
    for found in find(command, across):
        if isinstance(found, tuple):
            if film:
                yield from filmed(film, 0.9, found)
            yield from press("LEFTMOUSE", *found)
            yield 0.3
        else:
            yield found


def open_sidebar() -> Steps:
    """Show the add-on's tab, in the width that Blender gives it."""
    area = view3d()[1]
    area.spaces.active.show_region_ui = True
    yield 0.5
    view3d()[2].active_panel_category = "Reangle"
    area.tag_redraw()
    yield 0.5


def choose_in_file_browser(path: Path) -> Steps:
    """Choose a file in the file browser that is open in this window, and press Return."""
    window = bpy.context.window_manager.windows[0]

    def browser() -> bpy.types.Area | None:
        return next((area for area in window.screen.areas if area.type == "FILE_BROWSER"), None)

    yield from wait(lambda: browser() is not None and browser().spaces.active.params is not None, 20)
    area = browser()
    params = area.spaces.active.params
    params.directory = os.fsencode(str(path.parent) + os.sep)
    yield 1.0
    params.filename = path.name
    area.tag_redraw()
    yield 0.5
    yield from filmed("Import a clip", 1.5)
    region = next(region for region in area.regions if region.type == "WINDOW")
    for _ in range(3):
        if browser() is None:
            return
        window.event_simulate(
            type="MOUSEMOVE", value="NOTHING", x=region.x + region.width // 2, y=region.y + region.height // 8
        )
        yield 0.3
        for value in ("PRESS", "RELEASE"):
            window.event_simulate(
                type="RET", value=value, x=region.x + region.width // 2, y=region.y + region.height // 8
            )
            yield 0.1
        yield 1.5
    if browser() is not None:
        raise RuntimeError("Return does not close the file browser")


def run(steps: Steps) -> None:
    """Pump a drive to its end, write the report, and end Blender: status 0, or 1 after an error."""

    def pump() -> float | None:
        try:
            return next(steps)
        except StopIteration:
            code = 0
        except BaseException:
            report["error"] = traceback.format_exc()
            traceback.print_exc()
            code = 1
            if shutil.which("import"):
                grab(OUT / "error.png")
        (OUT / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
        sys.stdout.flush()
        os._exit(code)

    view = bpy.context.preferences.view
    view.show_splash = False  # before it opens
    view.filebrowser_display_type = "SCREEN"  # a second window would have no window manager here
    bpy.app.timers.register(pump, first_interval=1.0)
