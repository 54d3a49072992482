# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of cameras: statuses, colours, order, deleting, and drawn paths."""

from __future__ import annotations

import time
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from conftest import wait_for_jobs


def statuses(shot: SimpleNamespace) -> dict[str, str]:
    """The status of each camera, as a panel shows it after the add-on has read what changed."""
    bpy.context.view_layer.update()
    shot.main_thread.pump_until(lambda: not shot.main_thread.is_busy(), timeout_s=30)
    scene = bpy.context.scene
    found = shot.reangle("scene.camera_status").statuses(scene)
    cameras = shot.reangle("scene.cameras").artist_cameras(scene)
    return {camera.name: found[camera.session_uid].text for camera in cameras}


def test_a_camera_is_outdated_while_it_differs_from_what_was_sent(rendered: SimpleNamespace) -> None:
    scene = bpy.context.scene
    left, into = scene.objects["Left"], scene.objects["In"]
    assert statuses(rendered) == {"In": "v001", "Left": "v001"}
    coverage = rendered.reangle("scene.camera_status").coverage_of
    assert 0.5 < coverage(left) <= 1

    curve = rendered.reangle("compat").find_fcurve(left, "location", 0)
    key = curve.keyframe_points[-1]
    place, focal = key.co.y, into.data.lens
    key.co.y += 0.1
    left.animation_data.action.update_tag()
    assert statuses(rendered) == {"In": "v001", "Left": "Outdated"}
    key.co.y = place
    left.animation_data.action.update_tag()
    into.data.lens += 1
    assert statuses(rendered) == {"In": "Outdated", "Left": "v001"}
    into.data.lens = focal

    # What does not change a path changes no status.
    bpy.ops.reangle.add_camera(name="Other")
    left.name, scene.frame_current = "Renamed", 3
    rendered.state.of(scene).origin.location.x += 2
    assert statuses(rendered)["In"] == "v001"
    rendered.state.of(scene).first_frame = 101
    assert statuses(rendered)["In"] == "v001"
    assert statuses(rendered)["Other"] == "New"
    rendered.state.of(scene).preview.memory = not rendered.state.of(scene).preview.memory
    assert statuses(rendered)["In"] == "Outdated"


def test_only_what_changed_is_ticked_and_its_new_result_counts(rendered: SimpleNamespace) -> None:
    scene = bpy.context.scene
    left = scene.objects["Left"]
    left.data.lens *= 1.2
    statuses(rendered)
    bpy.ops.reangle.tick_cameras(which="OUTDATED")
    assert (left.reangle.render, scene.objects["In"].reangle.render) == (True, False)
    assert bpy.ops.reangle.render() == {"FINISHED"}
    wait_for_jobs(rendered)
    assert statuses(rendered) == {"In": "v001", "Left": "v002"}


def test_a_status_survives_saving_and_undo(rendered: SimpleNamespace, tmp_path) -> None:
    path = str(tmp_path / "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    assert statuses(rendered) == {"In": "v001", "Left": "v001"}
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="before")
    bpy.context.scene.objects["Left"].location.x += 1
    bpy.context.scene.objects["Left"].data.lens = 20
    bpy.ops.ed.undo_push(message="lens")
    assert statuses(rendered)["Left"] == "Outdated"
    bpy.ops.ed.undo()
    assert statuses(rendered)["Left"] == "v001"


def test_what_a_parented_and_constrained_camera_follows_from_counts(rendered: SimpleNamespace) -> None:
    scene = bpy.context.scene
    status = rendered.reangle("scene.camera_status")
    target = bpy.data.objects.new("Target", None)
    scene.collection.objects.link(target)
    left = scene.objects["Left"]
    left.constraints.new("TRACK_TO").target = target
    before = status.signature(scene, left)
    target.location.x += 1
    after = status.signature(scene, left)
    assert before != after
    left.constraints[0].influence = 0.5
    assert status.signature(scene, left) != after
    curve = bpy.data.curves.new("Way", "CURVE")
    spline = curve.splines.new("POLY")
    spline.points.add(1)
    way = bpy.data.objects.new("Way", curve)
    scene.collection.objects.link(way)
    left.constraints.new("FOLLOW_PATH").target = way
    before = status.signature(scene, left)
    spline.points[1].co = (1, 2, 3, 1)
    assert status.signature(scene, left) != before


def test_deleting_is_undone_and_only_of_new_cameras(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.reangle.add_angles(angles="THREE")
    names = [camera.name for camera in shot.reangle("scene.camera_list").ordered(scene)]
    assert names[1:] == ["Dolly In 25", "Orbit Left 15", "Orbit Right 15"]
    colors = {tuple(scene.objects[name].reangle.color) for name in names[1:]}
    assert len(colors) == 3, "each has a colour of its own"
    known = shot.state.of(scene)
    index = list(scene.objects).index(scene.objects["Orbit Left 15"])
    known.camera_index = index
    assert (bpy.context.active_object.name, known.camera_index) == ("Orbit Left 15", index)
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.reangle.delete_camera("EXEC_DEFAULT", True) == {"FINISHED"}
    assert "Orbit Left 15" not in bpy.context.scene.objects
    assert bpy.context.active_object.name == "Orbit Right 15"
    bpy.ops.ed.undo()
    scene = bpy.context.scene
    assert "Orbit Left 15" in scene.objects
    source = shot.state.of(scene).source
    bpy.context.view_layer.objects.active = source
    assert not bpy.ops.reangle.delete_camera.poll()
    with pytest.raises(RuntimeError, match="clip's own camera"):
        bpy.ops.reangle.delete_camera(camera=source.name)


def test_a_drawn_path_is_the_rendered_path(shot: SimpleNamespace) -> None:
    """Curves are read without evaluating frames; they give what Blender evaluates."""
    scene = bpy.context.scene
    known, track = shot.state.of(scene), shot.reangle("scene.camera_track")
    cameras, lenses = shot.reangle("scene.cameras"), shot.reangle("core.camera")
    scene.cursor.location = (0.3, 3.5, 0.2)
    bpy.ops.reangle.apply_move(move="arc-left", amount=30, name="Plain")
    bpy.ops.reangle.apply_move(move="truck-right", amount=20, name="Tracks", focus="CURSOR", track=True)
    bpy.ops.reangle.apply_move(move="dolly-zoom-in", amount=20, name="World")
    world = scene.objects["World"]
    world.parent = None
    known.origin.location, known.origin.rotation_euler = (1, 2, 3), (0.1, 0.2, 0.3)
    known.origin.scale = (2, 2, 2)
    bpy.context.view_layer.update()
    before = scene.frame_current
    for name in ("Plain", "Tracks", "World"):
        camera = scene.objects[name]
        path = cameras.export_paths(scene, [camera])[0]
        wanted = lenses.matrix_in_origin(np.asarray(path.world_from_camera))
        got = track.read(scene, camera, np.arange(known.shot_frames))
        wanted[:, :3, 3] *= known.unit
        assert np.allclose(got.poses, wanted, atol=2e-5), name
        K = lenses.intrinsics_from_lens(got.lenses[-1], cameras.render_size(scene))
        assert np.allclose(K, path.K[-1], atol=1e-3)
        lines, focus = shot.reangle("scene.path_drawing").lines_of(scene, camera)
        assert np.isfinite(lines).all()
        assert len(focus) == 6
    assert scene.frame_current == before
    scene.objects["Plain"].constraints.new("COPY_LOCATION").target = world
    assert track.read(scene, scene.objects["Plain"], np.arange(2)) is None


def test_an_orbit_about_a_point_keeps_it_in_place(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    target = bpy.data.objects.new("Target", None)
    scene.collection.objects.link(target)
    target.location = (0.4, 3.0, 0.3)
    bpy.context.view_layer.update()
    bpy.context.view_layer.objects.active = target
    assert bpy.ops.reangle.apply_move(move="orbit-left", amount=20, follow=False, focus="ACTIVE", name="At") == {
        "FINISHED"
    }
    camera = scene.objects["At"]
    path = shot.reangle("scene.cameras").export_paths(scene, [camera])[0]
    point = shot.reangle("scene.focus").from_blender(scene, target.matrix_world.translation)
    project = shot.reangle("core.camera").project
    places = [
        project(point[None], np.asarray(K), np.asarray(pose))[0]
        for K, pose in zip(path.K, path.world_from_camera, strict=True)
    ]
    assert np.abs(np.array(places) - places[0]).max() < 0.02
    distance = np.linalg.norm(np.asarray(path.world_from_camera)[:, :3, 3] - point, axis=1)
    assert np.allclose(distance, distance[0], rtol=1e-3)
    assert np.linalg.norm(np.subtract(path.world_from_camera[-1], path.world_from_camera[0])[:3, 3]) > 0.5


def test_a_camera_follows_the_clips_with_its_offset(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    scene.frame_set(2)
    bpy.ops.reangle.add_camera(name="Beside", follow=False)
    camera = scene.objects["Beside"]
    camera.location.x += 0.7
    camera.rotation_euler.z += 0.2
    camera.data.lens *= 1.5
    assert bpy.ops.reangle.follow_clip_camera() == {"FINISHED"}
    own, source = shot.reangle("scene.cameras").export_paths(scene, [camera, shot.state.of(scene).source])
    offsets = np.linalg.inv(np.asarray(source.world_from_camera)) @ np.asarray(own.world_from_camera)
    assert np.allclose(offsets, offsets[0], atol=1e-5)
    assert np.linalg.norm(offsets[0][:3, 3]) > 0.5
    assert np.allclose(np.asarray(own.K)[:, 0, 0] / np.asarray(source.K)[:, 0, 0], 1.5, rtol=1e-4)
    bpy.context.view_layer.objects.active = shot.state.of(scene).source
    assert not bpy.ops.reangle.follow_clip_camera.poll()


def test_a_move_is_saved_as_a_preset(shot: SimpleNamespace) -> None:
    known = shot.state.of(bpy.context.scene)
    known.move, known.move_degrees, known.easing, known.hold = "arc-right", 33, "linear", True
    assert bpy.ops.reangle.add_move_preset(name="Wide Arc") == {"FINISHED"}
    known.move, known.move_degrees, known.easing, known.hold = "orbit-left", 5, "smooth", False
    (file,) = [
        path
        for folder in bpy.utils.preset_paths("reangle/moves")
        for path in __import__("pathlib").Path(folder).glob("*.py")
    ]
    bpy.ops.script.execute_preset(filepath=str(file), menu_idname="REANGLE_MT_move_presets")
    assert (known.move, round(known.move_degrees), known.easing, known.hold) == ("arc-right", 33, "linear", True)
    file.unlink()


def test_drawing_the_list_and_reading_a_change_take_little_time(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    for _ in range(2):
        bpy.ops.reangle.add_angles(angles="FIVE", held=False)
    status = shot.reangle("scene.camera_status")
    statuses(shot)
    started = time.perf_counter()
    for _ in range(10):
        status.statuses(scene)
    drawing = (time.perf_counter() - started) / 10
    status.forget()
    started = time.perf_counter()
    changed = status.refresh()[scene]
    reading = (time.perf_counter() - started) / len(changed)
    assert len(changed) == 11
    assert drawing < 0.01
    assert reading < 0.01
