# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras are sent as Blender renders them, wherever they are, and a key moves no other camera."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import bpy
import numpy as np
import pytest
import tiny
from bpy.types import Collection, Object, Scene

Reangle = Callable[[str], ModuleType]
TIMES = np.linspace(0, 1, tiny.FRAMES)
RAMP = 4 * (3 * TIMES**2 - 2 * TIMES**3)  # two keys with Blender's own easing


@pytest.fixture
def placed(reangle: Reangle) -> Reangle:
    """A scene with the clip's origin and its still camera, as after an import."""
    scene, contract = bpy.context.scene, reangle("core.contract")
    path = contract.CameraPath(
        name="source", fps=tiny.FPS, width=tiny.WIDTH, height=tiny.HEIGHT, frames=tuple(range(tiny.FRAMES)),
        world_from_camera=tiny.world_from_camera().tolist(), K=[tiny.K().tolist()] * tiny.FRAMES,
    )  # fmt: skip
    shot = reangle("state").prepare(scene)
    shot.shot_fps, shot.shot_frames, shot.focus = tiny.FPS, tiny.FRAMES, 3
    origin = shot.origin = bpy.data.objects.new("Origin", None)
    own = collection("Clip")
    own.objects.link(origin)
    shot.source = reangle("scene.cameras").add_from_path(scene, own, path, origin, 1)
    return reangle


def collection(name: str) -> Collection:
    made = bpy.data.collections.new(name)
    bpy.context.scene.collection.children.link(made)
    return made


def ramp(name: str, into: Collection) -> Object:
    """A camera that slides by 4 along x while its lens shifts by 0.4."""
    camera = bpy.data.objects.new(name, bpy.data.cameras.new(name))
    into.objects.link(camera)
    for frame, x in ((1, 0), (tiny.FRAMES, 4)):
        camera.location.x, camera.data.shift_x = x, x / 10
        camera.keyframe_insert("location", frame=frame)
        camera.data.keyframe_insert("shift_x", frame=frame)
    return camera


def track(reangle: Reangle, camera: Object) -> tuple[np.ndarray, np.ndarray]:
    """x of the camera, and its shift, as they are sent."""
    path = reangle("scene.cameras").export_paths(bpy.context.scene, [camera])[0]
    shift = (path.width / 2 - np.asarray(path.K)[:, 0, 2]) / path.width
    return np.asarray(path.world_from_camera)[:, 0, 3], shift


def hide_everywhere(scene: Scene) -> dict[str, Object]:
    """One camera for each way in which the viewport does not show it."""
    excluded, monitor, other = collection("Excluded"), collection("Monitor"), collection("Second layer")
    cameras = {
        "disabled in viewports": ramp("Disabled", scene.collection),
        "closed eye": ramp("Eye", scene.collection),
        "in an excluded collection": ramp("Excluded", excluded),
        "in a disabled collection": ramp("Monitor", monitor),
        "only in the second view layer": ramp("Second", other),
    }
    cameras["disabled in viewports"].hide_viewport = monitor.hide_viewport = True
    cameras["closed eye"].hide_set(True)
    second, first = scene.view_layers.new("Second"), scene.view_layers[0].layer_collection.children
    first["Excluded"].exclude = first["Second layer"].exclude = True
    second.layer_collection.children["Excluded"].exclude = True
    return cameras


def test_hidden_cameras_move(placed: Reangle) -> None:
    scene = bpy.context.scene
    scene.camera = placed("state").of(scene).source  # Blender always evaluates the scene's own
    cameras = hide_everywhere(scene)
    parent = bpy.data.objects.new("Crane", None)
    bpy.data.collections["Excluded"].objects.link(parent)
    for frame, z in ((1, 0), (tiny.FRAMES, 8)):
        parent.location.z = z
        parent.keyframe_insert("location", frame=frame)
    cameras["only in the second view layer"].parent = parent
    names = {item.name for item in bpy.data.objects}
    for camera in cameras.values():
        x, shift = track(placed, camera)
        assert x == pytest.approx(RAMP, abs=1e-5), camera.name
        assert shift == pytest.approx(RAMP / 10, abs=1e-5), camera.name
    path = placed("scene.cameras").export_paths(scene, [cameras["only in the second view layer"]])[0]
    assert np.asarray(path.world_from_camera)[-1, 1, 3] == pytest.approx(-8, abs=1e-5)
    assert {item.name for item in bpy.data.objects} == names
    given, sent = placed("scene.given"), []
    footage = placed("state.footage").Footage(None, tiny.FRAMES, tiny.WIDTH, tiny.HEIGHT, 0, 1)
    list(given.read_steps(scene, cameras["in an excluded collection"], footage, tiny.FRAMES, sent))
    assert np.asarray(sent[0].world_from_camera)[:, 0, 3] == pytest.approx(RAMP, abs=1e-5)


def test_a_hidden_clip_collection_freezes_nothing(placed: Reangle) -> None:
    scene = bpy.context.scene
    shot = placed("state").of(scene)
    scene.camera = None
    own = bpy.data.collections["Clip"]
    for frame, y in ((1, 0), (tiny.FRAMES, -2)):
        shot.origin.location.y = y
        shot.origin.keyframe_insert("location", frame=frame)
    standing = ramp("Standing", scene.collection)
    before = [track(placed, camera)[0] for camera in (shot.source, standing)]
    path = placed("scene.cameras").export_paths(scene, [standing])[0]
    scene.view_layers[0].layer_collection.children["Clip"].exclude = True
    for camera, x in zip((shot.source, standing), before, strict=True):
        assert track(placed, camera)[0] == pytest.approx(x, abs=1e-5)
    hidden = placed("scene.cameras").export_paths(scene, [standing])[0]
    assert np.asarray(hidden.world_from_camera) == pytest.approx(np.asarray(path.world_from_camera), abs=1e-5)
    assert bpy.ops.reangle.apply_move(move="roll-left", amount=1, name="Follows", follow=True) == {"FINISHED"}
    assert np.ptp(track(placed, own.objects["Follows"])[0]) == pytest.approx(0.2, abs=1e-4)


def test_a_camera_that_is_shown_for_a_while_moves_on(placed: Reangle) -> None:
    scene = bpy.context.scene
    scene.camera = placed("state").of(scene).source
    camera = ramp("Blinking", scene.collection)
    for frame, is_hidden in ((1, False), (3, True)):
        camera.hide_viewport = is_hidden
        camera.keyframe_insert("hide_viewport", frame=frame)
    for frame in (1, 4):
        scene.frame_set(frame)
        x, shift = track(placed, camera)
        assert x == pytest.approx(RAMP, abs=1e-5)
        assert shift == pytest.approx(RAMP / 10, abs=1e-5)


def test_a_camera_of_nowhere_is_refused(placed: Reangle) -> None:
    evaluation, cameras = placed("scene.evaluation"), placed("scene.cameras")
    camera = bpy.data.objects.new("Lost", bpy.data.cameras.new("Lost"))
    with pytest.raises(placed("core.errors").UserError, match="does not evaluate camera 'Lost'"):
        cameras.sample(camera, np.eye(4), evaluation.depsgraph_of(bpy.context.scene))


def test_delta_transforms_count_once(placed: Reangle) -> None:
    bpy.ops.reangle.add_camera(name="View", follow=False)
    camera = bpy.context.scene.objects["View"]
    camera.delta_location, camera.delta_rotation_euler.z = (0.5, 0, 0), 0.2
    x, _ = track(placed, camera)
    assert x == pytest.approx(0.5, abs=1e-5)
    path = placed("scene.cameras").export_paths(bpy.context.scene, [camera])[0]
    bpy.ops.reangle.apply_move(move="truck-right", amount=10, new=False)
    moved = placed("scene.cameras").export_paths(bpy.context.scene, [camera])[0]
    start, end = np.asarray(moved.world_from_camera)[[0, -1]]
    assert start == pytest.approx(np.asarray(path.world_from_camera)[0], abs=1e-5)
    assert np.linalg.norm(end[:3, 3] - start[:3, 3]) == pytest.approx(0.3, abs=1e-4)


def test_a_linked_duplicate_keeps_its_lens_and_motion(placed: Reangle) -> None:
    scene = bpy.context.scene
    bpy.ops.reangle.apply_move(move="dolly-zoom-in", amount=30, name="View")
    first = scene.objects["View"]
    second = first.copy()  # shares data and action
    first.users_collection[0].objects.link(second)
    before = placed("scene.cameras").export_paths(scene, [second])[0]
    bpy.context.view_layer.objects.active = first
    bpy.ops.reangle.apply_move(move="dolly-zoom-out", amount=30, new=False)
    after = placed("scene.cameras").export_paths(scene, [second, first])
    assert np.asarray(after[0].K) == pytest.approx(np.asarray(before.K), abs=1e-3)
    assert np.asarray(after[0].world_from_camera) == pytest.approx(np.asarray(before.world_from_camera), abs=1e-5)
    assert not np.allclose(np.asarray(after[1].K), np.asarray(before.K), atol=1)


@pytest.mark.parametrize("what", ["sensor_width", "lens"])
def test_a_move_keeps_an_animated_field_of_view(placed: Reangle, what: str) -> None:
    bpy.ops.reangle.add_camera(name="View", follow=False)
    scene = bpy.context.scene
    camera = scene.objects["View"]
    for frame, factor in ((1, 1.0), (tiny.FRAMES, 0.5)):
        setattr(camera.data, what, getattr(camera.data, what) * factor)
        camera.data.keyframe_insert(what, frame=frame)
    scene.frame_set(2)
    before = placed("scene.cameras").export_paths(scene, [camera])[0]
    bpy.ops.reangle.apply_move(move="roll-left", amount=5, new=False)
    after = placed("scene.cameras").export_paths(scene, [camera])[0]
    focal = np.asarray(before.K)[:, 0, 0]
    assert max(focal) > 1.5 * min(focal)
    assert np.asarray(after.K)[:, 0, 0] == pytest.approx(focal, rel=2e-4)


@pytest.mark.parametrize("cause", ["parent", "constraints", "driven", "offset", "child", "blended"])
def test_a_refused_move_names_its_cause(placed: Reangle, cause: str) -> None:
    bpy.ops.reangle.add_camera(name="View", follow=False)
    camera = bpy.context.scene.objects["View"]
    match cause:
        case "parent":
            camera.parent = camera.parent.copy()
        case "constraints":
            camera.constraints.new("COPY_LOCATION")
        case "driven":
            camera.data.driver_add("lens")
        case "offset":
            camera.matrix_parent_inverse[0][3] = 1
        case "child":
            camera.parent = None
        case "blended":
            camera.keyframe_insert("location", frame=1)
            camera.animation_data.action_influence = 0.5
    with pytest.raises(RuntimeError, match=cause):
        bpy.ops.reangle.apply_move(move="roll-left", amount=1, new=False)
