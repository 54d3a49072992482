# SPDX-License-Identifier: GPL-3.0-or-later
"""Undo, and an add-on that is disabled and enabled again, lose no job that runs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import addon_utils
import bpy
from conftest import MODULE, choose_clip, import_clip, wait_for_jobs


def jobs_of_scene(desk: SimpleNamespace) -> bpy.types.bpy_prop_collection:
    return desk.state.of(bpy.context.scene).jobs


def prepare_undo() -> None:
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="before")


def test_undo_past_an_import_that_runs(desk: SimpleNamespace, clip: Path) -> None:
    prepare_undo()
    choose_clip(desk, clip)
    bpy.ops.reangle.import_clip()
    job = jobs_of_scene(desk)[0].name
    bpy.ops.ed.undo_push(message="Import Clip")
    bpy.ops.ed.undo()
    assert job in jobs_of_scene(desk)
    wait_for_jobs(desk)
    assert desk.state.of(bpy.context.scene).shot == job
    assert desk.state.of(bpy.context.scene).cloud is not None


def test_undo_past_an_import_that_is_done(desk: SimpleNamespace, clip: Path) -> None:
    prepare_undo()
    import_clip(desk, clip)
    job = jobs_of_scene(desk)[0].name
    bpy.ops.ed.undo_push(message="Import Clip")
    for _ in range(4):
        if bpy.ops.ed.undo.poll():
            bpy.ops.ed.undo()
    item = jobs_of_scene(desk)[job]
    assert item.is_final
    assert desk.state.of(bpy.context.scene).cloud is None
    bpy.ops.reangle.fetch_results(job=job)
    wait_for_jobs(desk)
    desk.main_thread.pump_until(lambda: desk.state.of(bpy.context.scene).cloud is not None, timeout_s=60)


def test_undo_and_redo_of_the_render_that_sent_a_job(shot: SimpleNamespace) -> None:
    prepare_undo()
    bpy.ops.reangle.apply_move(move="truck-left", amount=31, name="Side")
    bpy.ops.ed.undo_push(message="Side")
    bpy.ops.reangle.render()
    job = jobs_of_scene(shot)[-1].name
    bpy.ops.ed.undo_push(message="Render Cameras")
    for step in (bpy.ops.ed.undo, bpy.ops.ed.undo, bpy.ops.ed.redo, bpy.ops.ed.redo, bpy.ops.ed.undo):
        step()
        assert job in jobs_of_scene(shot)
    wait_for_jobs(shot)
    assert jobs_of_scene(shot)[job].cameras["Side"].camera == bpy.context.scene.objects["Side"]


def test_enabled_again_while_jobs_run(shot: SimpleNamespace) -> None:
    bpy.ops.reangle.apply_move(move="truck-left", amount=32, name="Side")
    shot.state.of(bpy.context.scene).engine_name = "reangle"
    bpy.ops.reangle.render()
    job = jobs_of_scene(shot)[-1].name
    shot.main_thread.pump_until(lambda: jobs_of_scene(shot)[job].state in ("queued", "running"), timeout_s=60)
    preferences = bpy.context.preferences.addons[MODULE].preferences
    data, results = preferences.data_folder, preferences.results_folder
    addon_utils.disable(MODULE, default_set=False)
    assert not hasattr(bpy.types.Scene, "reangle")
    addon_utils.enable(MODULE, default_set=False)
    preferences = bpy.context.preferences.addons[MODULE].preferences
    assert (preferences.data_folder, preferences.results_folder) == (data, results)
    shot.state, shot.main_thread = shot.reangle("state"), shot.reangle("exchange.main_thread")
    wait_for_jobs(shot)
    assert jobs_of_scene(shot)[job].has_results
