# SPDX-License-Identifier: GPL-3.0-or-later
"""What was imported and rendered is never lost: saved first, moved with its project, copied, or missing."""

from __future__ import annotations

import errno
import importlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import addon_utils
import bpy
import pytest
from conftest import MODULE
from saving import all_there, media, own, results_of, save, settle

Reangle = Callable[[str], ModuleType]


def test_results_move_beside_the_file_that_is_first_saved(unsaved: SimpleNamespace, tmp_path: Path) -> None:
    reangle, project = unsaved.reangle, tmp_path / "project"
    before, old = results_of(unsaved), list(reangle("scene.places").job_folders())
    assert all(path.parent == reangle("preferences").unsaved_results() for path in old)
    save(project / "shot.blend")
    assert results_of(unsaved) == before
    settle(reangle)
    assert results_of(unsaved) == before
    assert all(folder.is_relative_to(project / "reangle") for folder in reangle("scene.places").job_folders())
    assert all([file.name for file in folder.rglob("*")] == ["moved.json"] for folder in old), "it is left"
    assert {path[:2] for path in own(reangle) + media(reangle)} == {"//"}

    # The whole project is moved, and opened elsewhere.
    elsewhere = tmp_path / "elsewhere"
    project.rename(elsewhere)
    bpy.ops.wm.open_mainfile(filepath=str(elsewhere / "shot.blend"))
    settle(reangle)
    assert all_there(reangle)
    assert reangle("scene.point_cloud").cloud_of(bpy.context.scene) is not None
    assert results_of(unsaved) == before
    assert bpy.ops.reangle.apply_move(move="roll-left", amount=2) == {"FINISHED"}
    assert not project.exists()
    material = reangle("exchange.transfer").read_material(unsaved.state.of(bpy.context.scene).shot_request)
    near = [elsewhere / "footage" / "my clip", elsewhere / "footage" / "depth"]
    at_hand = reangle("exchange.transfer").places_at_hand(material.places, near)
    assert [place.sha256 for place in at_hand] == [place.sha256 for place in material.places]


def test_a_copy_and_another_place_keep_their_files(unsaved: SimpleNamespace, tmp_path: Path) -> None:
    reangle = unsaved.reangle
    before, strings = results_of(unsaved), own(reangle) + media(reangle)
    save(tmp_path / "copy" / "shot.blend", copy=True)
    settle(reangle)
    assert own(reangle) + media(reangle) == strings, "the open file is as before"
    with pytest.raises(RuntimeError):
        bpy.ops.wm.save_as_mainfile(filepath="/proc/nowhere/shot.blend")
    assert own(reangle) + media(reangle) == strings
    save(tmp_path / "project" / "shot.blend")
    settle(reangle)
    save(tmp_path / "second" / "deep" / "shot.blend")
    settle(reangle)
    assert all_there(reangle)
    assert {path[:2] for path in own(reangle) + media(reangle)} == {"//"}
    assert results_of(unsaved) == before
    for place in ("copy/shot.blend", "project/shot.blend", "second/deep/shot.blend"):
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / place))
        settle(reangle)
        assert all_there(reangle), place
        assert results_of(unsaved) == before
        home = tmp_path / place.replace("second/deep", "project")
        assert all(folder.parent == home.parent / "reangle" for folder in reangle("scene.places").job_folders())


def test_another_disk_gets_copies(unsaved: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reangle, path = unsaved.reangle, tmp_path / "project" / "shot.blend"

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    before, old = results_of(unsaved), list(reangle("scene.places").job_folders())
    save(path)
    assert list(reangle("scene.places").job_folders()) == old, "a save does not wait for copies"
    settle(reangle)
    assert all(folder.parent == path.parent / "reangle" for folder in reangle("scene.places").job_folders())
    assert results_of(unsaved) == before
    job = unsaved.state.of(bpy.context.scene).jobs[-1]
    assert job.advice == "Save the file to use them from there."
    assert all((folder / "moved.json").exists() is False and any(folder.iterdir()) for folder in old)
    save(path)
    settle(reangle)
    assert all([file.name for file in folder.rglob("*")] == ["moved.json"] for folder in old)
    assert results_of(unsaved) == before
    assert all_there(reangle)
    assert job.message == ""


def test_a_recovered_file_finds_what_was_moved(unsaved: SimpleNamespace, tmp_path: Path) -> None:
    reangle = unsaved.reangle
    # As Blender's autosave does: no handlers, and paths as they are.
    handlers = bpy.app.handlers
    kept = [list(group) for group in (handlers.save_pre, handlers.save_post)]
    handlers.save_pre.clear()
    handlers.save_post.clear()
    save(tmp_path / "auto" / "autosave.blend", copy=True, relative_remap=False)
    handlers.save_pre.extend(kept[0])
    handlers.save_post.extend(kept[1])
    before = results_of(unsaved)
    save(tmp_path / "project" / "shot.blend")
    settle(reangle)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "auto" / "autosave.blend"))
    settle(reangle)
    assert all_there(reangle)
    assert results_of(unsaved) == before


def test_files_with_absolute_paths_are_found_beside_the_blend(unsaved: SimpleNamespace, tmp_path: Path) -> None:
    reangle, project, elsewhere = unsaved.reangle, tmp_path / "project", tmp_path / "elsewhere"
    save(project / "shot.blend")
    settle(reangle)
    places = reangle("scene.places")
    for every in (places.own_paths(), places.media_paths()):
        places.rewrite(every, lambda path: bpy.path.abspath(path))
    reangle("exchange.homes").unregister()  # as the first version saved it
    bpy.ops.wm.save_mainfile(relative_remap=False)
    reangle("exchange.homes").register()
    project.rename(elsewhere)
    bpy.ops.wm.open_mainfile(filepath=str(elsewhere / "shot.blend"))
    settle(reangle)
    assert all_there(reangle)
    assert reangle("scene.point_cloud").cloud_of(bpy.context.scene) is not None


def test_a_missing_folder_can_be_found_or_fetched_again(unsaved: SimpleNamespace, tmp_path: Path) -> None:
    reangle, scene = unsaved.reangle, bpy.context.scene
    save(tmp_path / "project" / "shot.blend")
    settle(reangle)
    before = results_of(unsaved)
    (tmp_path / "project" / "reangle").rename(tmp_path / "archive")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "project" / "shot.blend"))
    settle(reangle)
    scene = bpy.context.scene
    jobs = unsaved.state.of(scene).jobs
    assert [job.missing for job in jobs] == [True, True]
    with pytest.raises(RuntimeError, match="Find their folder or fetch them again in the Results panel"):
        bpy.ops.reangle.results_to_sequencer(job=jobs[-1].name)
    with pytest.raises(RuntimeError, match="does not hold the files"):
        bpy.ops.reangle.locate_results(job=jobs[0].name, directory=str(tmp_path / "project"))
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="before the folder was found")
    assert bpy.ops.reangle.locate_results(job=jobs[0].name, directory=str(tmp_path / "archive")) == {"FINISHED"}
    settle(reangle)
    bpy.ops.ed.undo_push(message="after it")
    bpy.ops.ed.undo()  # brings back the former names
    settle(reangle)
    scene = bpy.context.scene
    jobs = unsaved.state.of(scene).jobs
    assert [job.missing for job in jobs] == [False, False]
    assert results_of(unsaved) == before
    assert all_there(reangle)
    assert reangle("scene.point_cloud").cloud_of(scene) is not None

    shutil.rmtree(tmp_path / "archive")
    assert bpy.ops.reangle.open_results.poll()
    with pytest.raises(RuntimeError, match="is not there"):
        bpy.ops.reangle.open_results(job=jobs[-1].name)
    assert jobs[-1].missing
    assert bpy.ops.reangle.fetch_results(job=jobs[-1].name) == {"FINISHED"}
    settle(reangle)
    assert not jobs[-1].missing
    assert Path(bpy.path.abspath(jobs[-1].folder)).parent == tmp_path / "project" / "reangle"
    assert all(
        bpy.path.abspath(path).startswith(str(tmp_path / "project")) for path in media(reangle) if "Side" in path
    )


@pytest.mark.parametrize("how", ["appended", "made local"])
def test_a_scene_of_another_file_finds_its_files(unsaved: SimpleNamespace, how: str, tmp_path: Path) -> None:
    reangle = unsaved.reangle
    save(tmp_path / "project" / "shot.blend")
    settle(reangle)
    before = results_of(unsaved)
    bpy.ops.wm.read_homefile(use_empty=True)
    save(tmp_path / "film" / "cuts" / "cut.blend")
    with bpy.data.libraries.load(str(tmp_path / "project" / "shot.blend"), link=how == "made local") as (_, target):
        target.scenes = ["Scene"]
    scene = target.scenes[0]
    if how == "made local" or bpy.app.version < (4, 3):  # Blender tells of appended scenes since 4.3
        bpy.context.window.scene = scene = scene.make_local() if how == "made local" else scene
        scene.collection.objects.link(bpy.data.objects.new("Anything", None))
        bpy.context.view_layer.update()
    settle(reangle)
    assert all_there(reangle)
    assert results_of(unsaved) == before
    assert reangle("scene.point_cloud").cloud_of(scene) is not None
    assert scene.reangle.edit in list(bpy.data.scenes)


def test_enabling_on_an_open_file_restores_it(unsaved: SimpleNamespace) -> None:
    scene = bpy.context.scene
    addon_utils.disable(MODULE, default_set=True)
    addon_utils.enable(MODULE, default_set=True)
    bpy.context.preferences.addons[MODULE].preferences.results_folder = "//reangle"

    def reangle(name: str) -> ModuleType:
        return importlib.import_module(f"{MODULE}.{name}")

    settle(reangle)
    assert reangle("scene.point_cloud").cloud_of(scene) is not None
    vertices, places = reangle("state").of(scene).cloud.data.vertices, []
    for frame in (1, 4):
        scene.frame_set(frame)
        places.append(tuple(vertices[10].co))
    assert places[0] != places[1]


def test_uninstalling_the_add_on_loses_nothing(
    unsaved: SimpleNamespace, archive: Path, backend_data: Path, tmp_path: Path
) -> None:
    before, jobs = results_of(unsaved), [job.name for job in unsaved.state.of(bpy.context.scene).jobs]
    repositories = bpy.context.preferences.extensions.repos
    index = next(at for at, repository in enumerate(repositories) if repository.module == "user_default")
    place = Path(bpy.path.abspath(repositories[index].directory)) / "reangle"

    def install() -> Reangle:
        bpy.ops.extensions.package_install_files(filepath=str(archive), repo="user_default", enable_on_install=True)
        preferences = bpy.context.preferences.addons[MODULE].preferences
        preferences.results_folder, preferences.data_folder = "//reangle", str(backend_data)
        return lambda name: importlib.import_module(f"{MODULE}.{name}")

    def found(reangle: Reangle) -> None:
        settle(reangle)
        scene = bpy.context.scene
        assert [(job.name, job.missing) for job in reangle("state").of(scene).jobs] == [(job, False) for job in jobs]
        assert all_there(reangle)
        assert reangle("scene.point_cloud").cloud_of(scene) is not None
        assert results_of(SimpleNamespace(reangle=reangle)) == before

    # Uninstalled and installed again while the file, which was never saved, is open.
    assert bpy.ops.extensions.package_uninstall(repo_index=index, pkg_id="reangle") == {"FINISHED"}
    assert not place.exists()
    assert not hasattr(bpy.types.Scene, "reangle")
    found(install())

    # Saved and opened without the add-on.
    bpy.ops.extensions.package_uninstall(repo_index=index, pkg_id="reangle")
    save(tmp_path / "project" / "shot.blend")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "project" / "shot.blend"))
    assert all(os.path.exists(bpy.path.abspath(image.filepath)) for image in bpy.data.images if image.filepath)
    bpy.ops.wm.save_mainfile()
    reangle = install()
    found(reangle)
    folders = reangle("scene.places").job_folders()
    assert {folder.parent for folder in folders} == {tmp_path / "project" / "reangle"}

    # Uninstalled while a job runs.
    reangle("exchange.connection").start()
    settle(reangle)
    bpy.ops.reangle.apply_move(move="truck-left", amount=9, name="Later")
    bpy.ops.reangle.render()
    job = reangle("state").of(bpy.context.scene).jobs[-1].name
    main_thread, state = reangle("exchange.main_thread"), reangle("state")
    main_thread.pump_until(lambda: state.of(bpy.context.scene).jobs[job].state == "running", timeout_s=60)
    bpy.ops.extensions.package_uninstall(repo_index=index, pkg_id="reangle")
    reangle = install()
    main_thread, state = reangle("exchange.main_thread"), reangle("state")
    main_thread.pump_until(lambda: state.of(bpy.context.scene).jobs[job].loaded, timeout_s=60)
    assert all_there(reangle)


def test_files_in_the_extensions_folder_are_rescued(reangle: Reangle) -> None:
    preferences, shot = reangle("preferences"), reangle("state").prepare(bpy.context.scene)
    former = preferences.former_unsaved_results()
    assert former.is_relative_to(bpy.utils.resource_path("USER"))
    (former / "Clip-123456" / "View").mkdir(parents=True)
    (former / "Clip-123456" / "View" / "1.txt").write_text("mine")
    job = shot.jobs.add()
    job.name, job.kind, job.state, job.loaded, job.folder = (
        "1" * 32,
        "RENDER",
        "done",
        True,
        str(former / "Clip-123456"),
    )
    reangle("exchange.homes").find_all(lambda: None)
    settle(reangle)
    assert Path(job.folder) == preferences.unsaved_results() / "Clip-123456"
    assert (Path(job.folder) / "View" / "1.txt").read_text() == "mine"
    assert not job.missing


def test_links_leave_what_is_there(reangle: Reangle, tmp_path: Path) -> None:
    moving = reangle("core.moving")
    old, new = tmp_path / "old", tmp_path / "new"
    for folder, text in ((old, "a render"), (new, "painted")):
        folder.mkdir()
        (folder / "1.png").write_text(text)
    (old / "2.png").write_text("second")
    assert not moving.link_tree(old, new, limit_s=10)
    assert [file.name for file in new.iterdir()] == ["1.png"]
    moving.bring(old, new, progress=None, cancel=None)
    assert (new / "1.png").read_text() == "a render"
    assert "painted" in [file.read_text() for file in new.iterdir()]
    (new / "2.png").write_text("painted since")
    moving.leave(old, new)
    assert (old / "2.png").read_text() == "second", "it is only here"
    assert not (old / "1.png").exists()


def test_undo_does_not_bring_back_the_old_places(unsaved: SimpleNamespace, tmp_path: Path) -> None:
    bpy.context.preferences.edit.use_global_undo = True
    before = results_of(unsaved)
    bpy.ops.ed.undo_push(message="before the save")
    save(tmp_path / "project" / "shot.blend")
    settle(unsaved.reangle)
    bpy.context.scene.frame_set(2)
    bpy.ops.ed.undo_push(message="after the save")
    bpy.ops.ed.undo()
    settle(unsaved.reangle)
    assert all_there(unsaved.reangle)
    assert results_of(unsaved) == before


def test_undo_after_a_save_elsewhere_finds_everything(unsaved: SimpleNamespace, tmp_path: Path) -> None:
    reangle, edit = unsaved.reangle, bpy.ops.ed
    bpy.context.preferences.edit.use_global_undo = True
    save(tmp_path / "project" / "shot.blend")
    settle(reangle)
    before = results_of(unsaved)
    for frame in (1, 2, 3):
        bpy.context.scene.frame_set(frame)
        edit.undo_push(message=f"frame {frame}")
    save(tmp_path / "second" / "deep" / "shot.blend")
    settle(reangle)
    strings = own(reangle) + media(reangle)
    assert all(path.startswith("//../../project/") for path in strings)
    for step in (edit.undo, edit.undo, edit.redo, edit.redo):
        step()
        assert own(reangle) + media(reangle) == strings
        settle(reangle)
        assert own(reangle) + media(reangle) == strings
    assert all_there(reangle)
    assert results_of(unsaved) == before

    # The same words may mean another file now: what was chosen since then stays.
    clip = unsaved.state.of(bpy.context.scene).clip
    shutil.copytree(tmp_path / "project" / "footage", tmp_path / "second" / "deep" / "footage")
    clip.path = chosen = clip.path.replace("//../../project/", "//")
    for _ in range(2):
        edit.undo_push(message="chosen")
    edit.undo()
    assert unsaved.state.of(bpy.context.scene).clip.path == chosen
    # Wherever it lies since then, an older step means the first one.
    edit.undo()
    edit.undo()
    assert unsaved.state.of(bpy.context.scene).clip.path == strings[1]
    assert all_there(reangle)
