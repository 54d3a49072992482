# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that is saved in unusual ways, or whose scene comes back, has all its pictures and results."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest
from conftest import wait_for_jobs
from saving import all_there, results_of, save, settle


@pytest.mark.parametrize("how", ["no path is changed", "absolute paths", "moved while it is open"])
def test_pictures_are_found_however_the_file_is_saved(unsaved: SimpleNamespace, tmp_path: Path, how: str) -> None:
    reangle, first, moved = unsaved.reangle, tmp_path / "project" / "shot.blend", tmp_path / "moved" / "shot.blend"
    before = results_of(unsaved)
    save(first)
    settle(reangle)
    match how:
        case "no path is changed":
            save(moved, relative_remap=False)
        case "absolute paths":
            bpy.ops.file.make_paths_absolute()
            save(first, relative_remap=False)
            first.parent.rename(moved.parent)
        case "moved while it is open":
            first.parent.rename(moved.parent)
            with pytest.raises(RuntimeError):
                bpy.ops.wm.save_mainfile()
            save(moved)
    settle(reangle)
    assert how == "absolute paths" or all_there(reangle), "in the open file"
    bpy.ops.wm.open_mainfile(filepath=str(moved))
    settle(reangle)
    assert all_there(reangle)
    assert results_of(unsaved) == before


def test_a_name_that_no_disk_allows_holds_no_results(unsaved: SimpleNamespace) -> None:
    with pytest.raises(RuntimeError, match="does not hold the files of shot_0001 1"):
        bpy.ops.reangle.locate_results(directory="/" + 300 * "x")


@pytest.mark.parametrize("kind", ["import", "render"])
def test_undo_of_a_deleted_scene_brings_its_results(shot: SimpleNamespace, kind: str) -> None:
    bpy.context.preferences.edit.use_global_undo = True
    scene = bpy.context.scene
    name = scene.name
    if kind == "render":
        bpy.ops.reangle.apply_move(move="truck-left", amount=5, name="Side")
    other = bpy.data.scenes.new("Other")
    bpy.ops.ed.undo_push(message="before")
    assert (bpy.ops.reangle.render if kind == "render" else bpy.ops.reangle.import_clip)() == {"FINISHED"}
    job = shot.state.of(scene).jobs[-1].name
    bpy.context.window.scene = other
    bpy.data.scenes.remove(scene)
    bpy.ops.ed.undo_push(message="deleted")
    settle(shot.reangle)
    bpy.ops.ed.undo()
    bpy.context.window.scene = bpy.data.scenes[name]
    wait_for_jobs(shot)
    assert shot.state.of(bpy.context.scene).jobs[job].loaded


def test_pictures_that_a_linked_camera_would_lose_are_left_out(
    shot: SimpleNamespace, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bpy.data.libraries.write(
        str(tmp_path / "rig.blend"), {bpy.data.objects.new("Crane", bpy.data.cameras.new("Crane"))}
    )
    with bpy.data.libraries.load(str(tmp_path / "rig.blend"), link=True) as (_, target):
        target.objects = ["Crane"]
    scene, linked = bpy.context.scene, target.objects[0]
    scene.collection.objects.link(linked)
    bpy.ops.reangle.apply_move(move="truck-left", amount=5, name="Side")
    with bpy.context.temp_override(reangle_camera=linked):
        bpy.ops.reangle.tick_camera()
    assert bpy.ops.reangle.render() == {"FINISHED"}
    wait_for_jobs(shot)
    assert bpy.ops.reangle.results_to_backgrounds() == {"FINISHED"}
    assert "'Crane' is linked from rig.blend" in capfd.readouterr().out
    shown = {camera.name: len(camera.data.background_images) for camera in (scene.objects["Side"], linked)}
    assert shown == {"Side": 1, "Crane": 0}
