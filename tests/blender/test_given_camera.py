# SPDX-License-Identifier: GPL-3.0-or-later
"""The artist's own camera, such as one that Blender's tracker solved, becomes the clip's camera."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import bpy
import numpy as np
import pytest
import tiny
from bpy.types import Object
from conftest import wait_for_jobs
from mathutils import Euler, Matrix

Reangle = Callable[[str], ModuleType]
FIRST = 11
SCENE_FRAMES = range(FIRST, FIRST + tiny.FRAMES)


def solved_clip(path: Path) -> bpy.types.MovieClip:
    """The tiny clip with tracks of a camera that moves to the right and down, solved by Blender's tracker."""
    clip = bpy.data.movieclips.load(str(path))
    clip.frame_start = FIRST
    tracking = clip.tracking
    tracking.camera.sensor_width, tracking.camera.focal_length_pixels = 36, tiny.FOCAL
    random = np.random.default_rng(0)
    for number, point in enumerate(random.uniform((-1.2, -0.9, 2.5), (1.2, 0.9, 5), (24, 3))):
        track = tracking.tracks.new(name=str(number), frame=1)
        for index in range(tiny.FRAMES):
            x, y, z = point - (0.15 * index, 0.02 * index, 0)
            u, v = x / z * tiny.FOCAL / tiny.WIDTH + 0.5, y / z * tiny.FOCAL / tiny.HEIGHT + 0.5
            track.markers.insert_frame(index + 1, co=(u, 1 - v))
    tracking.objects[0].keyframe_a, tracking.objects[0].keyframe_b = 1, tiny.FRAMES
    window = bpy.context.window_manager.windows[0]
    area = window.screen.areas[0]
    kind, area.type = area.type, "CLIP_EDITOR"
    area.spaces.active.clip = clip
    region = next(region for region in area.regions if region.type == "WINDOW")
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.clip.solve_camera()
    area.type = kind
    assert tracking.reconstruction.is_valid
    return clip


def new_camera(name: str) -> Object:
    camera = bpy.data.objects.new(name, bpy.data.cameras.new(name))
    bpy.context.scene.collection.objects.link(camera)
    return camera


@pytest.fixture
def matchmove(reangle: Reangle, clip: Path) -> Object:
    """A camera of Blender's tracker, whose scene the artist turned, moved and scaled, with a zooming, shifted lens."""
    scene = bpy.context.scene
    # The scene may render at any size: the lens is that of the clip.
    scene.render.resolution_x, scene.render.resolution_y = 1920, 800
    camera = new_camera("Solved")
    solver = camera.constraints.new("CAMERA_SOLVER")
    solver.use_active_clip, solver.clip = False, solved_clip(clip)
    rig = bpy.data.objects.new("Rig", None)
    scene.collection.objects.link(rig)
    rig.matrix_world = Matrix.LocRotScale((30, -12, 4), Euler((1.1, 0.3, -2.0)), (2.5, 2.5, 2.5))
    camera.parent = rig
    camera.data.sensor_fit = "VERTICAL"
    for frame, lens, shift in ((FIRST, 30, 0.1), (FIRST + 4, 45, -0.05)):
        camera.data.lens, camera.data.shift_x, camera.data.shift_y = lens, shift, 0.07
        for path in ("lens", "shift_x", "shift_y"):
            camera.data.keyframe_insert(path, frame=frame)
    shot = reangle("state").prepare(scene)
    shot.first_frame, shot.clip.path, shot.clip.sequence_fps = FIRST, str(clip), tiny.FPS
    shot.clip.camera, shot.clip.depth, shot.clip.given_camera = "given", "files", camera
    return camera


def read(reangle: Reangle, clip: Path, camera: Object) -> object:
    """The camera as it is sent."""
    given, scene = reangle("scene.given"), bpy.context.scene
    footage = reangle("state.footage").measure(clip)
    sent: list[object] = []
    for _ in given.read_steps(scene, camera, footage, given.frames_to_read(footage, 0, 0), sent):
        pass
    return sent[0]


def seen_by(camera: Object) -> tuple[np.ndarray, np.ndarray]:
    """Place and projection of a camera at the scene's frame, in the clip's picture."""
    depsgraph = bpy.context.evaluated_depsgraph_get()
    evaluated = camera.evaluated_get(depsgraph)
    projection = evaluated.calc_matrix_camera(depsgraph, x=tiny.WIDTH, y=tiny.HEIGHT)
    return np.array(evaluated.matrix_world.normalized()), np.array(projection)


def assert_same_cameras(one: Object, other: Object) -> None:
    places = []
    for frame in SCENE_FRAMES:
        bpy.context.scene.frame_set(frame)
        for first, second in zip(seen_by(one), seen_by(other), strict=True):
            assert first == pytest.approx(second, abs=1e-4)
        places.append(seen_by(one)[0][:3, 3])
    assert np.linalg.norm(places[-1] - places[0]) > 1, "the camera moves"


def geometry_of(reangle: Reangle, given: object, folder: Path) -> object:
    """What the backend makes of a given camera: the same path from its first camera on, with depth around it."""
    K, matrices = np.asarray(given.K), np.asarray(given.world_from_camera)
    cloud = reangle("core.cloud").Cloud(
        depth=3 * tiny.depth(),
        rgb=tiny.rgb(),
        K=K,
        world_from_camera=np.linalg.inv(matrices[0]) @ matrices,
        dynamic=np.zeros(tiny.depth().shape, bool),
    )
    path = reangle("core.contract").CameraPath(
        name="source", fps=tiny.FPS, width=tiny.WIDTH, height=tiny.HEIGHT, frames=tuple(range(tiny.FRAMES)),
        world_from_camera=cloud.world_from_camera.tolist(), K=K.tolist(),
    )  # fmt: skip
    fetched_shot = reangle("exchange.fetched_shot")
    about = fetched_shot.About("given", "moving", "files", (40, 60), "mini", "metric", ())
    return fetched_shot.Shot("1" * 32, "Clip", folder, None, tiny.FRAMES, path, cloud, about)


def test_the_clips_camera_lies_on_the_tracked_camera(
    reangle: Reangle, matchmove: Object, clip: Path, tmp_path: Path
) -> None:
    scene, state, shots = bpy.context.scene, reangle("state"), reangle("scene.shot")
    scene.frame_set(FIRST + 3)
    given = read(reangle, clip, matchmove)
    notes = reangle("scene.given").notes
    assert notes(scene, matchmove) == []
    matchmove.constraints[0].clip.tracking.camera.k1 = 0.1
    assert "lens distortion" in notes(scene, matchmove)[0]
    assert scene.frame_current == FIRST + 3
    assert (given.width, given.height, len(given.K)) == (tiny.WIDTH, tiny.HEIGHT, tiny.FRAMES)

    footage = reangle("state.footage").measure(clip)
    choice = reangle("readiness").choice_of(scene)
    choice = replace(choice, geometry=replace(choice.geometry, given=given))
    shown = reangle("exchange.sending").first_path(choice, footage, tiny.FRAMES)
    shots.match_scene(scene, shown, tiny.FRAMES)
    shots.show_clip(scene, "Clip", footage, shown, 0, given)
    assert_same_cameras(state.of(scene).source, matchmove)

    scene.frame_set(FIRST)
    bpy.ops.reangle.add_camera(name="Mine")
    state.of(scene).origin.location.x += 5
    for _ in shots.build(scene, geometry_of(reangle, given, tmp_path), "", given, [], match=True):
        pass
    assert_same_cameras(state.of(scene).source, matchmove)
    scene.frame_set(FIRST + 2)
    cloud = state.of(scene).cloud
    camera_from_cloud = matchmove.matrix_world.normalized().inverted() @ cloud.matrix_world
    depths = np.unique([round(-(camera_from_cloud @ vertex.co).z, 3) for vertex in cloud.data.vertices])
    assert depths == pytest.approx([3 * tiny.BOX, 3 * tiny.WALL], abs=1e-3), "depth is in Blender's units"
    path = reangle("scene.cameras").export_paths(scene, [scene.objects["Mine"]])[0]
    assert np.asarray(path.world_from_camera)[0] == pytest.approx(np.eye(4), abs=1e-5)


def test_the_backend_keeps_the_camera_that_is_given(matchmove: Object, desk: SimpleNamespace, clip: Path) -> None:
    scene = bpy.context.scene
    shot = desk.state.of(scene)
    shot.clip.geometry_folder = str(clip.parents[1] / "depth")
    assert bpy.ops.reangle.import_clip() == {"FINISHED"}
    assert shot.source is None, "the camera is read in steps"
    wait_for_jobs(desk)
    assert_same_cameras(shot.source, matchmove)
    assert shot.about.startswith("Camera: My Camera, moves\nLens: ")
    given = desk.reangle("exchange.transfer").read_material(shot.shot_request).geometry.given
    assert len(given.K) == tiny.FRAMES
    bpy.ops.reangle.add_camera(name="View", follow=True)
    bpy.ops.reangle.render()
    wait_for_jobs(desk)


def test_what_was_placed_by_a_guess_grows_with_the_clip_to_the_scenes_scale(
    reangle: Reangle, matchmove: Object, clip: Path, tmp_path: Path
) -> None:
    scene, shots = bpy.context.scene, reangle("scene.shot")
    shot, export = reangle("state").of(scene), reangle("scene.cameras").export_paths
    given, scene.camera = read(reangle, clip, matchmove), matchmove
    whole = geometry_of(reangle, given, tmp_path)
    guess = replace(whole, about=None, cloud=replace(whole.cloud, depth=whole.cloud.depth * 4))
    list(shots.build(scene, guess, "", given, [], match=True))
    bpy.ops.reangle.apply_move(move="truck-right", amount=10, name="Side")
    before = np.asarray(export(scene, [scene.objects["Side"]])[0].world_from_camera)
    notes: list[str] = []
    list(shots.build(scene, whole, "", given, notes, match=True))
    assert "0.25 times the former; the clip's origin is scaled" in notes[0]
    assert_same_cameras(shot.source, matchmove)
    assert np.array(shot.cloud.matrix_world.to_scale()) == pytest.approx(1, abs=1e-5)
    after = np.asarray(export(scene, [scene.objects["Side"]])[0].world_from_camera)
    assert after[0, :3, 3] * 4 == pytest.approx(before[0, :3, 3], abs=1e-4)


def test_errors_say_what_is_wrong_with_the_camera(reangle: Reangle, clip: Path) -> None:
    scene, given, error = bpy.context.scene, reangle("scene.given"), reangle("core.errors").UserError
    shot = reangle("state").prepare(scene)

    def refused(words: str) -> None:
        with pytest.raises(error, match=words):
            given.check(scene)

    refused("No camera of this scene")
    camera = shot.clip.given_camera = new_camera("Mine")
    assert given.check(scene) == camera
    for kind, word in (("ORTHO", "orthographic"), ("PANO", "panoramic")):
        camera.data.type = kind
        refused(f"'Mine' is {word}")
    camera.data.type = "PERSP"
    shot.source = camera
    refused("'Mine' is the clip's own")
    shot.source = None
    shot.origin, rig = bpy.data.objects.new("Origin", None), bpy.data.objects.new("Rig", None)
    camera.parent, rig.parent = rig, shot.origin
    refused("'Mine' hangs on the clip's origin")
    camera.parent = None
    camera.scale.x = 1
    camera.keyframe_insert("scale", frame=2)
    camera.scale.x = -1
    camera.keyframe_insert("scale", frame=3)
    with pytest.raises(error, match=r"'Mine' at frame 3 is mirrored"):
        read(reangle, clip, camera)
    camera.animation_data_clear()
    footage = reangle("state.footage").measure(clip)
    steps = given.read_steps(scene, camera, footage, 10**6, [])
    next(steps)
    bpy.data.objects.remove(camera)
    with pytest.raises(error, match="'Mine' was deleted"):
        list(steps)
    refused("No camera of this scene")
    with pytest.raises(error, match="has 5 frames"):
        given.frames_to_read(footage, 5, 0)


def test_a_long_path_is_read_in_slices_that_leave_the_frame_alone(
    reangle: Reangle, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, given = bpy.context.scene, reangle("scene.given")
    reangle("state").prepare(scene)
    camera = new_camera("Long")
    camera.keyframe_insert("location", frame=1)
    camera.location.x = 999
    camera.keyframe_insert("location", frame=1000)
    reangle("compat").find_fcurve(camera, "location", 0).keyframe_points[0].interpolation = "LINEAR"
    scene.frame_set(7)
    footage, sent, slices = reangle("state.footage").measure(clip), [], 0
    monkeypatch.setattr(given, "SLICE_S", 0.005)
    for _ in given.read_steps(scene, camera, footage, 1000, sent):
        slices += 1
        assert scene.frame_current == 7
    assert slices > 1
    x = np.asarray(sent[0].world_from_camera)[:, 0, 3]
    assert x == pytest.approx(np.arange(1000), abs=1e-3)
