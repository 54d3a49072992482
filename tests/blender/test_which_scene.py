# SPDX-License-Identifier: GPL-3.0-or-later
"""What belongs to one scene, camera or file is never written into another."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import bpy
import numpy as np
import pytest
import tiny
from bpy.types import Depsgraph, Object, Scene
from conftest import choose_clip, import_clip, wait_for_jobs
from saving import settle

Reangle = Callable[[str], ModuleType]


@pytest.fixture(scope="session")
def other_clip(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip without its last two frames, under another name."""
    folder = tmp_path_factory.mktemp("other") / "clip"
    shutil.copytree(clip.parents[1], folder)
    for number in range(1, tiny.FRAMES + 1):
        file = folder / clip.parent.name / f"shot_{number:04d}.png"
        file.rename(file.with_name(f"other_{number:04d}.png"))
    return folder / clip.parent.name / "other_0001.png"


def contents(scene: Scene) -> dict[str, tuple[object, ...]]:
    """The scene's objects, where they are at each frame, and what they show."""
    found: dict[str, list[object]] = {item.name: [item.data.name if item.data else ""] for item in scene.objects}
    current = scene.frame_current
    for frame in range(1, tiny.FRAMES + 1):
        scene.frame_set(frame)
        for item in scene.objects:
            found[item.name].append(tuple(np.round(np.array(item.matrix_world), 5).ravel()))
            if item.type == "MESH":
                found[item.name].append(tuple(np.round(item.data.vertices[7].co, 5)))
    scene.frame_set(current)
    return {name: tuple(values) for name, values in found.items()}


@pytest.mark.parametrize("kind", ["FULL_COPY", "LINK_COPY", "EMPTY"])
def test_a_copied_scene_is_a_scene_of_its_own(shot: SimpleNamespace, other_clip: Path, kind: str) -> None:
    first = bpy.context.scene
    bpy.ops.reangle.apply_move(move="truck-left", amount=5, name="Side")
    before, jobs = contents(first), [job.name for job in shot.state.of(first).jobs]
    bpy.ops.scene.new(type=kind)
    second = bpy.context.scene
    assert second != first
    import_clip(shot, other_clip)
    one, two = shot.state.of(first), shot.state.of(second)
    assert one.uid != two.uid
    assert contents(first) == before
    assert [job.name for job in one.jobs] == jobs
    assert two.jobs[-1].title == "other_0001"
    assert two.shot == two.jobs[-1].name
    assert two.cloud.name.startswith("other_0001 Points")
    assert not {two.origin, two.cloud, two.source, two.plane} & {one.origin, one.cloud, one.source, one.plane}
    bpy.ops.reangle.add_camera(name="Second's", follow=False)
    assert contents(first) == before
    # A job that is sent from the first scene while the second is shown ends in the first.
    with bpy.context.temp_override(scene=first):
        assert bpy.ops.reangle.import_clip() == {"FINISHED"}
    wait_for_jobs(shot)
    shot.main_thread.pump_until(lambda: one.jobs[-1].loaded, timeout_s=120)
    assert one.jobs[-1].name not in two.jobs


def test_each_linked_copy_shows_its_own_frame(shot: SimpleNamespace, tmp_path: Path) -> None:
    first = bpy.context.scene
    bpy.ops.scene.new(type="LINK_COPY")
    second, cloud = bpy.context.scene, shot.state.of(first).cloud
    assert shot.state.of(second).cloud == cloud

    def shown(item: Object) -> tuple[float, ...]:
        return tuple(np.round(item.data.vertices[7].co, 5))

    places = []
    for scene, frame in ((first, 2), (second, 5)):
        scene.frame_set(frame)
        places.append(shown(cloud))
    assert places[0] != places[1]
    for scene, place in ((first, places[0]), (second, places[1]), (first, places[0])):
        bpy.context.window.scene = scene
        assert shown(cloud) == place

    # Rendered from a window that shows the other scene.
    rendered = []

    def note(scene: Scene, depsgraph: Depsgraph) -> None:
        if scene == second:
            rendered.append(shown(cloud.evaluated_get(depsgraph)))

    second.frame_start = second.frame_end = 5
    second.cycles.samples, second.render.resolution_percentage = 1, 10
    second.render.filepath = str(tmp_path / "frame")
    bpy.app.handlers.frame_change_post.append(note)
    bpy.ops.render.render(animation=True, scene=second.name)
    bpy.app.handlers.frame_change_post.remove(note)
    assert set(rendered) == {places[1]}
    assert shown(cloud) == places[0], "the window's scene is evaluated again"


def test_an_appended_scene_is_a_scene_of_its_own(reangle: Reangle, tmp_path: Path) -> None:
    state = reangle("state")
    state.prepare(bpy.context.scene)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"), copy=True)
    for _ in range(2):
        with bpy.data.libraries.load(str(tmp_path / "a.blend")) as (source, target):
            target.scenes = list(source.scenes)
    with bpy.data.libraries.load(str(tmp_path / "a.blend"), link=True) as (source, target):
        target.scenes = list(source.scenes)
    uid = state.of(bpy.context.scene).uid
    assert state.find_scene(uid) == bpy.context.scene
    assert len({state.of(scene).uid for scene in state.scenes()}) == len(state.scenes()) == 3
    assert len(bpy.data.scenes) == 4


def test_nothing_is_imported_into_a_linked_scene(desk: SimpleNamespace, clip: Path, tmp_path: Path) -> None:
    bpy.context.scene.name = "Of the library"
    choose_clip(desk, clip)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.read_homefile(use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "a.blend"), link=True) as (_, target):
        target.scenes = ["Of the library"]
    bpy.context.window.scene = target.scenes[0]
    with pytest.raises(RuntimeError, match=r"linked from a\.blend.*Make the scene local"):
        bpy.ops.reangle.import_clip()
    assert not desk.state.of(target.scenes[0]).jobs
    # Made local, it is a scene like any other.
    bpy.context.window.scene = scene = target.scenes[0].make_local()
    scene.collection.objects.link(bpy.data.objects.new("Anything", None))
    bpy.context.view_layer.update()
    settle(desk.reangle)
    assert bpy.ops.reangle.import_clip() == {"FINISHED"}
    wait_for_jobs(desk)
    assert desk.state.of(bpy.context.scene).cloud is not None


def test_undo_of_an_import_keeps_its_job(desk: SimpleNamespace, clip: Path) -> None:
    bpy.context.preferences.edit.use_global_undo = True
    choose_clip(desk, clip)
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.reangle.import_clip() == {"FINISHED"}
    job = desk.state.of(bpy.context.scene).jobs[0].name
    bpy.ops.ed.undo_push(message="import")
    bpy.ops.ed.undo()
    assert [item.name for item in desk.state.of(bpy.context.scene).jobs] == [job]
    wait_for_jobs(desk)
    assert desk.state.of(bpy.context.scene).cloud is not None


def test_another_version_of_the_file_gets_no_jobs_of_this_one(shot: SimpleNamespace, tmp_path: Path) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "one.blend"))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "two.blend"))
    bpy.ops.reangle.apply_move(move="truck-left", amount=6, name="Side")
    bpy.ops.reangle.render()
    job = shot.state.of(bpy.context.scene).jobs[-1].name
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "one.blend"))
    settle(shot.reangle)
    assert job not in shot.state.of(bpy.context.scene).jobs


def rig(tmp_path: Path) -> Object:
    """A camera of a library, overridden, in the open file."""
    scene = bpy.context.scene
    with bpy.data.libraries.load(str(tmp_path / "rig.blend"), link=True) as (_, target):
        target.collections = ["Rig"]
    scene.collection.children.link(target.collections[0])
    target.collections[0].override_hierarchy_create(scene, bpy.context.view_layer)
    return next(item for item in scene.objects if item.override_library and item.type == "CAMERA")


@pytest.fixture
def library(reangle: Reangle, tmp_path: Path) -> Path:
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    collection = bpy.data.collections.new("Rig")
    bpy.context.scene.collection.children.link(collection)
    collection.objects.link(camera)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "rig.blend"))
    bpy.ops.wm.read_homefile(use_empty=True)
    return tmp_path


def test_a_tick_on_a_library_camera_is_saved(reangle: Reangle, library: Path) -> None:
    state = reangle("state")
    camera = rig(library)
    linked = next(item for item in bpy.data.objects if item.library is not None and item.type == "CAMERA")
    bpy.context.scene.collection.objects.link(linked)
    assert {camera.name, linked.name} == {"Camera"}
    with bpy.context.temp_override(reangle_camera=linked):
        assert bpy.ops.reangle.tick_camera() == {"FINISHED"}
    camera.reangle.render = True
    camera.reangle.render = False
    assert not state.is_ticked(bpy.context.scene, camera)
    camera.reangle.render = True
    bpy.ops.wm.save_as_mainfile(filepath=str(library / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(library / "shot.blend"))
    scene = bpy.context.scene
    found = [item for item in scene.objects if item.type == "CAMERA"]
    assert len(found) == 2
    assert all(state.is_ticked(scene, item) and item.reangle.render for item in found)
    assert all(state.alive(scene, item) == item for item in found), "both have the same name"
    with bpy.context.temp_override(reangle_camera=found[1]):
        bpy.ops.reangle.look_through()
    assert scene.camera == found[1]


def test_another_clip_renames_what_the_first_one_named(shot: SimpleNamespace, other_clip: Path) -> None:
    scene = bpy.context.scene
    known = shot.state.of(scene)
    known.plane.name = "Mine"
    bpy.ops.reangle.apply_move(move="truck-left", amount=5, name="Side")
    known.clip.frames = 3
    import_clip(shot, other_clip)
    names = [item.name for item in (known.origin, known.cloud, known.source, known.plane)]
    assert names == ["other_0001 Origin", "other_0001 Points", "other_0001 Camera", "Mine"]
    assert (known.cloud.data.name, known.source.data.name) == ("other_0001 Points", "other_0001 Camera")
    assert known.origin.users_collection[0].name == "Reangle other_0001"
    assert "Keys of 'Side' lie after the clip's last frame, 3" in known.jobs[-1].notes
    action = known.source.animation_data.action
    assert action.frame_range[1] == 3


def test_the_clip_moves_in_time_as_a_whole(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    known, cameras = shot.state.of(scene), shot.reangle("scene.cameras")
    bpy.ops.reangle.apply_move(move="truck-left", amount=5, name="Side")
    bpy.ops.reangle.render()
    wait_for_jobs(shot)
    bpy.ops.reangle.results_to_backgrounds()
    side = scene.objects["Side"]
    before = cameras.export_paths(scene, [known.source, side])
    scene.frame_set(3)
    point = tuple(known.cloud.data.vertices[5].co)
    known.first_frame = 101
    after = cameras.export_paths(scene, [known.source, side])
    for one, two in zip(before, after, strict=True):
        assert np.asarray(one.world_from_camera) == pytest.approx(np.asarray(two.world_from_camera), abs=1e-5)
    assert np.ptp(np.asarray(after[1].world_from_camera)[:, 0, 3]) > 0.05
    assert (scene.frame_start, scene.frame_end) == (101, 100 + tiny.FRAMES)
    scene.frame_set(103)
    assert tuple(known.cloud.data.vertices[5].co) == point
    users = [camera.data.background_images[0].image_user for camera in (known.source, side)]
    assert [user.frame_start for user in [*users, known.plane.image_user]] == [101] * 3
    assert known.jobs[-1].cameras["Side"].first_frame == 101
    shot.reangle("exchange.ledger").write_all()
    assert known.jobs[-1].cameras["Side"].first_frame == 101
