# SPDX-License-Identifier: GPL-3.0-or-later
"""What the add-on leaves in Blender when it is disabled, enabled again, and other files are opened: nothing."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

import addon_utils
import bpy
import pytest
from conftest import MODULE, wait_for_jobs

THREADS_END_S = 15
"""A thread that waits for the backend ends with the answer, which comes after at most 10 s."""

Reangle = Callable[[str], ModuleType]


def is_ours(function: Any) -> bool:
    return str(getattr(function, "__module__", "")).startswith(MODULE)


def named(function: Any) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def in_blender() -> Counter[str]:
    """Everything of the add-on that Blender holds, by kind and name."""
    found: list[str] = []
    for name in dir(bpy.app.handlers):
        handlers = getattr(bpy.app.handlers, name)
        if isinstance(handlers, list):
            found += [f"handler {name} {named(one)}" for one in handlers if is_ours(one)]
    gc.collect()
    functions = [one for one in gc.get_objects() if isinstance(one, FunctionType) and is_ours(one)]
    found += [f"timer {named(one)}" for one in functions if bpy.app.timers.is_registered(one)]
    for name in dir(bpy.types):
        kind = getattr(bpy.types, name)
        if "reangle" in name.lower():
            found.append(f"class {name}")
        drawn = getattr(getattr(kind, "draw", None), "_draw_funcs", ())
        found += [f"menu {name} {named(one)}" for one in drawn if is_ours(one)]
    for base in (bpy.types.PropertyGroup, bpy.types.AddonPreferences):  # these are not in bpy.types
        for cls in base.__subclasses__():
            if is_ours(cls) and base.bl_rna_get_subclass_py(cls.__name__) is cls:
                found.append(f"class {named(cls)}")
    found += [f"operator {name}" for name in dir(bpy.ops.reangle)]
    for kind in (bpy.types.Scene, bpy.types.Object, bpy.types.Camera, bpy.types.WindowManager):
        found += [f"property {kind.__name__}.{name}" for name in dir(kind) if "reangle" in name]
    keys = bpy.context.window_manager.keyconfigs.addon
    for keymap in keys.keymaps if keys is not None else ():
        found += [f"key {keymap.name} {item.idname}" for item in keymap.keymap_items if "reangle" in item.idname]
    return Counter(found)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("reangle")]


def ended_threads() -> list[str]:
    """The add-on's threads that do not end by themselves."""
    deadline = time.monotonic() + THREADS_END_S
    while threads() and time.monotonic() < deadline:
        time.sleep(0.05)
    return threads()


def children() -> list[str]:
    """The commands of this process's children, with a Z before one that has ended and was not asked for its end."""
    if sys.platform != "linux":
        return []
    command = ["ps", "-o", "stat=,args=", "--ppid", str(os.getpid())]
    lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    found = [line.split(maxsplit=1) for line in lines if "ps -o" not in line]
    return [f"Z {command}" if state.startswith("Z") else command for state, command in found]


def test_disabling_takes_everything_out_of_blender(reangle: Reangle) -> None:
    enabled = in_blender()
    kinds = {name.split()[0] for name in enabled}
    assert kinds >= {"handler", "timer", "class", "menu", "operator", "property"}
    assert max(enabled.values()) == 1
    for _ in range(3):
        addon_utils.disable(MODULE)
        assert not in_blender()
        addon_utils.enable(MODULE)
        assert in_blender() == enabled


def test_nothing_gathers_over_files_and_reloads(reangle: Reangle, tmp_path: Path) -> None:
    before = in_blender()
    file = str(tmp_path / "artist.blend")
    bpy.ops.wm.save_as_mainfile(filepath=file)
    for _ in range(2):
        bpy.ops.wm.open_mainfile(filepath=file)
        assert in_blender() == before
        bpy.ops.wm.read_homefile(app_template="")
        assert in_blender() == before or not in_blender(), "the start-up file says which add-ons are on"
        bpy.ops.wm.read_factory_settings(use_empty=True)
        assert not in_blender(), "the factory's settings have no extension"
        addon_utils.enable(MODULE, default_set=True)
        assert in_blender() == before
        bpy.ops.script.reload()
        assert in_blender() == before
    assert not ended_threads()


def test_a_thread_of_before_the_add_on_was_disabled_changes_nothing_after(reangle: Reangle) -> None:
    main_thread, answer, seen = reangle("exchange.main_thread"), threading.Event(), list[object]()
    for _ in range(2):
        main_thread.in_thread(answer.wait, done=seen.append, failed=seen.append)
        addon_utils.disable(MODULE)
        addon_utils.enable(MODULE)
    main_thread.in_thread(answer.wait, done=seen.append, failed=seen.append)
    answer.set()
    main_thread.pump_until(lambda: not threads() and not main_thread.is_busy(), timeout_s=30)
    assert seen == [True]


def test_no_thread_and_no_process_outlives_the_add_on_and_no_job_is_lost(shot: SimpleNamespace) -> None:
    reangle = shot.reangle
    bpy.ops.reangle.apply_move(move="orbit-left", amount=5, name="Left")
    enabled, processes = in_blender(), children()
    backend = shot.connection.now.backend
    assert len(processes) <= 1
    for _ in range(2):
        bpy.ops.reangle.render()
        shot.main_thread.pump_until(lambda: bpy.context.scene.reangle.jobs[-1].state != "sending", timeout_s=60)
        assert threads(), "one follows the job"
        addon_utils.disable(MODULE)
        assert not in_blender()
        assert not ended_threads()
        # The job goes on in the backend meanwhile, and is found again.
        addon_utils.enable(MODULE)
        assert in_blender() == enabled
        again = SimpleNamespace(main_thread=reangle("exchange.main_thread"), state=reangle("state"))
        reangle("exchange.connection").start()
        wait_for_jobs(again)
        assert reangle("exchange.connection").now.backend.pid == backend.pid
        bpy.context.scene.objects["Left"].location.x += 0.01
    assert [job.kind for job in bpy.context.scene.reangle.jobs] == ["IMPORT", "RENDER", "RENDER"]
    assert children() == processes
    bpy.ops.reangle.stop_backend()
    main_thread = reangle("exchange.main_thread")
    main_thread.pump_until(lambda: not main_thread.is_busy() and not children(), timeout_s=60)


@pytest.mark.skipif(bpy.app.version < (4, 3, 0), reason="bpy 4.2 crashes as it exits once preferences were drawn")
def test_blender_exits_at_once_with_the_add_on_enabled(archive: Path, tmp_path: Path) -> None:
    """A timer that is left makes Blender hang as it exits."""
    code = (
        "import bpy; bpy.ops.extensions.package_install_files("
        f"filepath={str(archive)!r}, repo='user_default', enable_on_install=True); print('enabled')"
    )
    variables = {**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, timeout=120)
    assert "enabled" in done.stdout
    assert done.returncode == 0, done.stderr
