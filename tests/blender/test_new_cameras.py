# SPDX-License-Identifier: GPL-3.0-or-later
"""The Cameras panel: moves as keyframes, and their exported paths."""

from __future__ import annotations

import math
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
import tiny


def angle_between(first: np.ndarray, second: np.ndarray) -> float:
    cosine = (np.trace(first[:3, :3].T @ second[:3, :3]) - 1) / 2
    return math.degrees(math.acos(min(1.0, cosine)))


@pytest.mark.parametrize(
    ("move", "amount"),
    [("orbit-left", 14), ("arc-right", 30), ("dolly-zoom-out", 50), ("crane-up", 30), ("handheld", 1)],
)
def test_keys_reproduce_the_move(shot: SimpleNamespace, move: str, amount: float) -> None:
    scene = bpy.context.scene
    assert bpy.ops.reangle.apply_move(move=move, amount=amount, name="View") == {"FINISHED"}
    path = shot.reangle("scene.cameras").export_paths(scene, [scene.objects["View"]])[0]
    moves, Move = shot.reangle("core.moves"), shot.reangle("core.contract.moves").Move
    focus = shot.reangle("scene.moves").focus_depth(scene)
    assert 2.4 < focus < 4.1
    times = np.linspace(0, 1, tiny.FRAMES)
    wanted = moves.move_camera(Move(move, amount), times, tiny.world_from_camera(), focus)
    for index in range(tiny.FRAMES):
        got, want = np.asarray(path.world_from_camera)[index], wanted.world_from_camera[index]
        assert np.linalg.norm(got[:3, 3] - want[:3, 3]) < 5e-4 * focus
        assert angle_between(got, want) < 0.03
    assert np.allclose(np.asarray(path.K)[:, 0, 0], tiny.FOCAL * wanted.lens_factor, rtol=1e-3)
    assert np.allclose(np.asarray(path.K)[:, :2, 2], tiny.K()[:2, 2], atol=1e-3)


def test_a_long_move_has_few_keys_that_can_be_edited(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    known = shot.state.of(scene)
    known.shot_frames = 97
    bpy.ops.reangle.apply_move(move="orbit-right", amount=10, follow=False, name="View")
    curve = shot.reangle("compat").find_fcurve(scene.objects["View"], "location", 0)
    assert 2 <= len(curve.keyframe_points) <= 8
    before = curve.evaluate(50)
    curve.keyframe_points[-1].co.y += 1
    curve.update()
    assert curve.evaluate(50) != before


def test_moves_add_up(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    cameras = shot.reangle("scene.cameras")
    bpy.ops.reangle.apply_move(move="truck-left", amount=10, follow=False, name="View")
    once = np.asarray(cameras.export_paths(scene, [scene.objects["View"]])[0].world_from_camera[-1])
    bpy.ops.reangle.apply_move(move="truck-left", amount=10, new=False)
    twice = np.asarray(cameras.export_paths(scene, [scene.objects["View"]])[0].world_from_camera[-1])
    assert np.allclose(twice[:3, 3], 2 * once[:3, 3], atol=1e-4)


def test_a_new_camera_starts_at_the_clips_camera(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    bpy.ops.reangle.add_camera(name="Follows", follow=True)
    scene.frame_set(3)
    bpy.ops.reangle.add_camera(name="Stands", follow=False)
    follows, stands = shot.reangle("scene.cameras").export_paths(
        scene, [scene.objects["Follows"], scene.objects["Stands"]]
    )
    assert np.allclose(np.asarray(follows.world_from_camera), tiny.world_from_camera(), atol=1e-5)
    assert np.allclose(np.asarray(stands.world_from_camera), tiny.world_from_camera()[2], atol=1e-5)
    assert scene.frame_current == 3


def test_an_exported_path_restores_the_camera(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    cameras = shot.reangle("scene.cameras")
    bpy.ops.reangle.apply_move(move="dolly-zoom-in", amount=30, name="View")
    scene.objects["View"].data.shift_y = 0.07
    path = cameras.export_paths(scene, [scene.objects["View"]])[0]
    copy = cameras.add_from_path(scene, scene.collection, path, shot.state.of(scene).origin, 1)
    again = cameras.export_paths(scene, [copy])[0]
    assert np.allclose(np.asarray(again.world_from_camera), np.asarray(path.world_from_camera), atol=1e-5)
    assert np.allclose(np.asarray(again.K), np.asarray(path.K), atol=1e-3)


def test_markers_switch_the_scene_camera(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    bpy.ops.reangle.add_camera(name="A", follow=False)
    bpy.ops.reangle.apply_move(move="truck-right", amount=20, hold=True, follow=False, name="B")
    for frame, name in ((1, "A"), (4, "B")):
        scene.timeline_markers.new(name, frame=frame).camera = scene.objects[name]
    exported = shot.reangle("scene.cameras").export_paths(scene, [], use_markers=True)[0]
    assert exported.name == "Scene Camera"
    x = np.asarray(exported.world_from_camera)[:, 0, 3]
    assert np.allclose(x[:3], 0, atol=1e-5)
    assert (x[3:] > 0.3).all()


def test_errors_name_the_camera_and_the_frame(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    export = shot.reangle("scene.cameras").export_paths
    bpy.ops.reangle.add_camera(name="Flat", follow=False)
    camera = scene.objects["Flat"]
    camera.data.type = "ORTHO"
    with pytest.raises(Exception, match=r"'Flat' at frame 1 is orthographic"):
        export(scene, [camera])
    camera.data.type = "PERSP"
    camera.scale.x = -1
    camera.keyframe_insert("scale", frame=3)
    camera.scale.x = 1
    camera.keyframe_insert("scale", frame=2)
    with pytest.raises(Exception, match=r"'Flat' at frame 3 is mirrored"):
        export(scene, [camera])
    camera.animation_data_clear()
    camera.scale = (1, 1, 1)
    shot.state.of(scene).origin.scale = (1, 2, 1)
    with pytest.raises(Exception, match="origin is scaled differently"):
        export(scene, [camera])


def test_names_become_different_file_names(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    for name in ("a/b", "A?B", "con"):
        bpy.ops.reangle.add_camera(name=name, follow=False)
    names = shot.reangle("scene.cameras").path_names([scene.objects[name] for name in ("a/b", "A?B", "con")])
    assert names == ["a_b", "A_B 2", "con_"]


def test_exporting_leaves_the_scene_alone(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    scene.frame_set(2, subframe=0.5)
    cloud = shot.state.of(scene).cloud
    before = tuple(cloud.data.vertices[100].co)
    shot.reangle("scene.cameras").export_paths(scene, [shot.state.of(scene).source])
    assert (scene.frame_current, scene.frame_subframe) == (2, 0.5)
    assert tuple(cloud.data.vertices[100].co) == before
