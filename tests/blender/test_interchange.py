# SPDX-License-Identifier: GPL-3.0-or-later
"""Camera paths through other programs' files, in Blender: what is exported is what Blender renders, and comes back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import bpy
import numpy as np
import pytest
import tiny
from bpy.types import Object
from mathutils import Euler, Matrix

FIRST = 11
NO_LENS, NO_SHIFT = {"TUM"}, {"NERFSTUDIO", "CHAN"}


@pytest.fixture
def animated(shot: SimpleNamespace) -> Object:
    """A camera that turns, zooms and shifts on a parent of its own; the clip's origin is turned, moved and scaled."""
    scene = bpy.context.scene
    known = shot.state.of(scene)
    known.first_frame = FIRST
    known.origin.matrix_world = Matrix.LocRotScale((3, -2, 1), Euler((0.2, -0.4, 1.1)), (2.5, 2.5, 2.5))
    camera = bpy.data.objects.new("Free", bpy.data.cameras.new("Free"))
    scene.collection.objects.link(camera)
    rig = bpy.data.objects.new("Rig", None)
    scene.collection.objects.link(rig)
    rig.matrix_world = Matrix.LocRotScale((1, 2, 3), Euler((0.7, 0.1, -2.0)), (0.5, 0.5, 0.5))
    camera.parent = rig
    for frame, place, turn, lens, shift in (
        (FIRST, (0, 0, 0), (1.2, 0, 0.3), 30, 0.1),
        (FIRST + 4, (1, 2, -1), (1.9, 0.5, 2.9), 55, -0.2),
    ):
        camera.location, camera.rotation_euler, camera.data.lens, camera.data.shift_x = place, turn, lens, shift
        for item, name in ((camera, "location"), (camera, "rotation_euler"), (camera.data, "lens")):
            item.keyframe_insert(name, frame=frame)
        camera.data.keyframe_insert("shift_x", frame=frame)
    bpy.context.view_layer.objects.active = camera
    return camera


def seen_by(camera: Object) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Place and projection in each frame of the clip, as Blender renders it."""
    scene = bpy.context.scene
    for frame in range(FIRST, FIRST + tiny.FRAMES):
        scene.frame_set(frame)
        depsgraph = bpy.context.evaluated_depsgraph_get()
        evaluated = camera.evaluated_get(depsgraph)
        projection = evaluated.calc_matrix_camera(depsgraph, x=tiny.WIDTH, y=tiny.HEIGHT)
        yield np.array(evaluated.matrix_world.normalized()), np.array(projection)


@pytest.mark.parametrize("world", ["CLIP", "BLENDER"])
def test_exported_paths_come_back_as_the_same_camera(
    shot: SimpleNamespace, animated: Object, world: str, tmp_path: Path
) -> None:
    scene = bpy.context.scene
    formats = shot.reangle("core.interchange").FORMATS
    both = [one for one in formats.values() if one.read and one.write]
    assert len(both) == 8
    for one in both:
        file = tmp_path / one.id / f"free{one.suffix}"
        bpy.context.view_layer.objects.active = animated
        options = {"filepath": str(file), "world": world, "rotation_order": "XZY"}
        assert bpy.ops.reangle.export_path(format=one.id, **options) == {"FINISHED"}
        assert bpy.ops.reangle.import_path(name=f"Back {one.id}", **options) == {"FINISHED"}
        back = bpy.context.active_object
        assert back.name == f"Back {one.id}"
        assert back.reangle.render
        assert back.parent == (shot.state.of(scene).origin if world == "CLIP" else None)
        for (place, projection), (true_place, true_projection) in zip(seen_by(back), seen_by(animated), strict=True):
            assert place == pytest.approx(true_place, abs=2e-5)
            if one.id in NO_SHIFT:
                true_projection[:2, 2] = 0
            if one.id not in NO_LENS:
                assert projection[:2] == pytest.approx(true_projection[:2], abs=2e-5)


def test_the_ticked_cameras_and_the_clips_own_are_written(shot: SimpleNamespace, tmp_path: Path) -> None:
    scene = bpy.context.scene
    known = shot.state.of(scene)
    bpy.ops.reangle.apply_move(move="orbit-left", amount=5, name="Left")
    bpy.ops.reangle.apply_move(move="dolly-in", amount=10, name="In")
    write = bpy.ops.reangle.export_path
    for one in (item for item in shot.reangle("core.interchange").FORMATS.values() if item.write):
        file = tmp_path / one.id / f"paths{one.suffix}"
        assert write(filepath=str(file), format=one.id, which="TICKED") == {"FINISHED"}
        assert sorted(item.name for item in file.parent.iterdir()) == [
            f"paths In{one.suffix}",
            f"paths Left{one.suffix}",
        ]
    bpy.context.view_layer.objects.active = known.source
    write(filepath=str(tmp_path / "clip.json"))
    path = json.loads((tmp_path / "clip.json").read_text())
    assert np.array(path["world_from_camera"]) == pytest.approx(tiny.world_from_camera(), abs=1e-5)
    assert np.array(path["K"])[0] == pytest.approx(tiny.K(), abs=1e-3)


def test_a_path_with_a_world_of_its_own_starts_at_the_clips_camera(shot: SimpleNamespace, tmp_path: Path) -> None:
    scene = bpy.context.scene
    (tmp_path / "slam.txt").write_text(
        "".join(f"{n} 5 {n} 0 0 0 0.7071067811865476 0.7071067811865476\n" for n in range(5))
    )
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.reangle.import_path(filepath=str(tmp_path / "slam.txt"), start=True, scale=0.5)
    camera = bpy.context.active_object
    assert camera.name == "slam"
    path = shot.reangle("scene.cameras").export_paths(scene, [camera])[0]
    matrices = np.asarray(path.world_from_camera)
    assert matrices[:, :3, :3] == pytest.approx(np.tile(np.eye(3), (5, 1, 1)), abs=1e-5)
    assert matrices[:, 0, 3] == pytest.approx(0.5 * np.arange(5), abs=1e-5)
    assert path.K[0][0] == pytest.approx(tiny.K()[0], abs=1e-3), "the clip's lens"
    bpy.ops.ed.undo_push(message="imported")
    bpy.ops.ed.undo()
    assert "slam" not in bpy.data.objects


def test_a_path_without_a_clip_can_be_its_camera(reangle: Callable[[str], ModuleType], tmp_path: Path) -> None:
    scene = bpy.context.scene
    scene.frame_start = 5
    scene.render.resolution_x, scene.render.resolution_y = 720, 480
    (tmp_path / "nuke.chan").write_text("1001 2 1 0 0 0 0 43.602818972\n1003 2 1 0 0 -90 0 43.602818972\n")
    bpy.ops.reangle.import_path(filepath=str(tmp_path / "nuke.chan"))
    camera = bpy.context.active_object
    scene.frame_set(7)
    turned = bpy.context.evaluated_depsgraph_get().id_eval_get(camera).matrix_world
    assert np.array(turned)[:3, 2] == pytest.approx([-1, 0, 0], abs=1e-6), "it looks along Blender's x"
    assert np.array(turned)[:3, 3] == pytest.approx([2, 0, 1], abs=1e-6)
    assert camera.data.lens == pytest.approx(30, abs=1e-4)
    state = reangle("state").prepare(scene)
    state.clip.given_camera = camera
    assert reangle("scene.given").check(scene) == camera


def test_buttons_say_what_they_need(desk: SimpleNamespace, tmp_path: Path) -> None:
    for call, words in (
        (lambda: bpy.ops.reangle.export_path(filepath="x.json"), "Import a clip first"),
        (lambda: bpy.ops.reangle.import_path(), "No file is chosen"),
        (lambda: bpy.ops.reangle.import_path(filepath=str(tmp_path / "gone.json")), "There is no file"),
    ):
        with pytest.raises(RuntimeError, match=words):
            call()
    assert not bpy.data.cameras


def test_export_needs_a_camera_and_a_place(shot: SimpleNamespace, tmp_path: Path) -> None:
    bpy.context.view_layer.objects.active = None
    with pytest.raises(RuntimeError, match="No camera is active or ticked"):
        bpy.ops.reangle.export_path(filepath=str(tmp_path / "x.json"))
    bpy.ops.reangle.add_camera(name="Side")
    (tmp_path / "file").write_text("")
    with pytest.raises(RuntimeError, match="cannot be made"):
        bpy.ops.reangle.export_path(filepath=str(tmp_path / "file" / "x.json"))


def test_both_are_in_the_file_menus(reangle: Callable[[str], ModuleType]) -> None:
    operators = reangle("operators.interchange")
    for file, suffix, expected in (
        ("a/View.001", ".json", "a/View.001.json"),
        ("a/b.json", "", "a/b"),
        ("x.npz", ".chan", "x.chan"),
    ):
        assert operators.with_suffix(file, suffix) == expected
    assert operators._import_menu in bpy.types.TOPBAR_MT_file_import._dyn_ui_initialize()
    assert operators._export_menu in bpy.types.TOPBAR_MT_file_export._dyn_ui_initialize()
