# SPDX-License-Identifier: GPL-3.0-or-later
"""A clip is shown at once, then with a first guess of its depth, then with its whole geometry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import bpy
import numpy as np
import pytest
import tiny
from bpy.types import Object
from conftest import choose_clip, wait_for_jobs

Reangle = Callable[[str], ModuleType]
FIRST = 5
GUESS = 2.3
"""How many times as deep as the truth the first guess is."""


@pytest.fixture
def shown(reangle: Reangle, clip: Path) -> Reangle:
    """The tiny clip from its second frame on, as it is shown when its import begins."""
    scene = bpy.context.scene
    shot = reangle("state").prepare(scene)
    shot.first_frame, shot.clip.path, shot.clip.start, shot.clip.sequence_fps = FIRST, str(clip), 1, tiny.FPS
    footage = reangle("state.footage").measure(clip)
    choice = reangle("readiness").choice_of(scene)
    path = reangle("exchange.sending").first_path(choice, footage, tiny.FRAMES - 1)
    reangle("scene.shot").show_clip(scene, "Clip", footage, path, 1, None)
    return reangle


def build(reangle: Reangle, folder: Path, *, is_glance: bool) -> list[str]:
    """Build the truth, or a first guess of one frame and in another unit. Returns the notes."""
    frames = slice(1, 2) if is_glance else slice(1, None)
    cloud = reangle("core.cloud").Cloud(
        depth=tiny.depth()[frames] * (GUESS if is_glance else 1),
        rgb=tiny.rgb()[frames],
        K=np.tile(tiny.K(), (len(tiny.rgb()[frames]), 1, 1)),
        world_from_camera=tiny.world_from_camera()[: len(tiny.rgb()[frames])],
        dynamic=np.zeros(tiny.depth()[frames].shape, bool),
    )
    path = reangle("core.contract").CameraPath(
        name="source", fps=tiny.FPS, width=tiny.WIDTH, height=tiny.HEIGHT, frames=tuple(range(cloud.frame_count)),
        world_from_camera=cloud.world_from_camera.tolist(), K=cloud.K.tolist(),
    )  # fmt: skip
    fetched_shot = reangle("exchange.fetched_shot")
    about = (
        None if is_glance else fetched_shot.About("solve", "moving", "solved", (50, 50), "mini", "relative", ("Note.",))
    )
    shot = fetched_shot.Shot("1" * 32, "Clip", folder, None, tiny.FRAMES - 1, path, cloud, about)
    notes: list[str] = []
    for _ in reangle("scene.shot").build(bpy.context.scene, shot, "request", None, notes, match=False):
        pass
    return notes


def world_points(cloud: Object) -> np.ndarray:
    return np.array([cloud.matrix_world @ vertex.co for vertex in cloud.data.vertices])


def test_the_clip_is_shown_at_once(shown: Reangle, clip: Path) -> None:
    scene = bpy.context.scene
    shot = shown("state").of(scene)
    assert (shot.shot_frames, shot.shot_width, shot.shot_height) == (tiny.FRAMES - 1, tiny.WIDTH, tiny.HEIGHT)
    background = shot.source.data.background_images[0]
    assert Path(background.image.filepath) == clip
    user = background.image_user
    assert (user.frame_start, user.frame_duration, user.frame_offset) == (FIRST, tiny.FRAMES - 1, 1)
    assert np.degrees(shot.source.data.angle_x) == pytest.approx(55, abs=0.01)
    plane = shot.plane
    assert (plane.parent, plane.data, plane.image_user.frame_offset) == (shot.source, background.image, 1)
    corner = shot.source.data.view_frame(scene=scene)[0] * shot.source.data.display_size
    assert plane.location.z == pytest.approx(corner.z)
    assert plane.empty_display_size == pytest.approx(2 * corner.x)
    assert plane.empty_image_depth == "FRONT", "nothing of the scene hides the clip while it has no cloud"
    assert bpy.ops.reangle.add_camera(name="Early") == {"FINISHED"}
    assert scene.objects["Early"].parent == shot.origin
    with pytest.raises(RuntimeError, match="no depth yet"):
        bpy.ops.reangle.apply_move(move="orbit-left", amount=5)


def test_the_whole_geometry_keeps_what_was_placed_by_the_first_guess(shown: Reangle, tmp_path: Path) -> None:
    scene, export = bpy.context.scene, shown("scene.cameras").export_paths
    shot = shown("state").of(scene)
    source = shot.source
    scene.camera = source
    assert build(shown, tmp_path, is_glance=True) == []
    assert (shot.shot_is_glance, shot.shot_request, shot.unit) == (True, "", 1)
    assert shot.plane.empty_image_depth == "BACK"
    cloud = shot.cloud
    cloud.data.materials.append(bpy.data.materials.new("Mine"))
    cloud.modifiers.new("Mine", "WEIGHTED_NORMAL")
    scene.frame_set(FIRST + 3)
    bpy.context.view_layer.update()
    guessed = world_points(cloud)

    bpy.ops.reangle.apply_move(move="truck-right", amount=10, name="Side")
    side = scene.objects["Side"]
    before = np.asarray(export(scene, [side])[0].world_from_camera)
    placed = np.array(side.matrix_world)
    notes = build(shown, tmp_path, is_glance=False)
    assert (shot.shot_is_glance, shot.shot_request) == (False, "request")
    lines = ["Camera: Solve, moves", "Lens: 50.0 degrees wide, solved", "Depth: Mini", "Unit: arbitrary", "Note."]
    assert shot.about.splitlines() == lines
    assert any("0.435 times" in note for note in notes)
    assert (shot.source, shot.cloud, scene.camera) == (source, cloud, source)
    assert cloud.data.materials[0].name == "Mine"
    assert cloud.modifiers[0].name == "Mine"

    scene.frame_set(FIRST)
    assert world_points(cloud)[:, 1].max() == pytest.approx(guessed[:, 1].max(), rel=1e-4), "the cloud keeps its size"
    scene.frame_set(FIRST + 3)
    assert np.array(side.matrix_world) == pytest.approx(placed, abs=1e-6)
    after = np.asarray(export(scene, [side])[0].world_from_camera)
    assert after[:, :3, 3] * GUESS == pytest.approx(before[:, :3, 3], abs=1e-4), "in the geometry's own unit"
    assert np.asarray(export(scene, [source])[0].world_from_camera) == pytest.approx(
        tiny.world_from_camera()[: tiny.FRAMES - 1], abs=1e-5
    )
    bpy.ops.reangle.apply_move(move="truck-right", amount=10, name="Later", follow=False)
    later = np.asarray(export(scene, [scene.objects["Later"]])[0].world_from_camera)
    focus = shown("scene.moves").focus_depth(scene)
    assert later[-1, 0, 3] - later[0, 0, 3] == pytest.approx(0.1 * focus, rel=1e-3)


def test_the_unit_is_the_geometrys_own_while_nothing_was_placed(shown: Reangle, tmp_path: Path) -> None:
    shot = shown("state").of(bpy.context.scene)
    build(shown, tmp_path, is_glance=True)
    assert not any("times the former" in note for note in build(shown, tmp_path, is_glance=False))
    assert shot.unit == 1


def test_pressing_import_shows_the_clip_before_the_backend_answers(desk: SimpleNamespace, clip: Path) -> None:
    scene = bpy.context.scene
    shot = desk.state.of(scene)
    choose_clip(desk, clip)
    assert (shot.clip.used_frames, shot.clip.used_size) == (tiny.FRAMES, (tiny.WIDTH, tiny.HEIGHT))
    assert bpy.ops.reangle.import_clip() == {"FINISHED"}
    source = shot.source
    assert Path(source.data.background_images[0].image.filepath) == clip
    assert (scene.render.resolution_x, scene.frame_end) == (tiny.WIDTH, tiny.FRAMES)
    bpy.ops.reangle.add_camera(name="Early")
    with pytest.raises(RuntimeError, match="not ready yet"):
        bpy.ops.reangle.render()
    scene.render.resolution_x = 1000
    wait_for_jobs(desk)
    assert shot.source == source
    assert [item.image.filepath.endswith("000001.png") for item in source.data.background_images] == [True]
    assert scene.render.resolution_x == 1000, "what the artist changed meanwhile stays"
    notes = shot.jobs[0].notes
    assert "AgX" in notes
    assert "The scene has 1000 x 48 pixels" in notes
    assert "degrees wide" in shot.about


@pytest.mark.slow
def test_the_backends_first_guess_is_shown_before_the_rest(desk: SimpleNamespace, clip: Path) -> None:
    shot = desk.state.of(bpy.context.scene)
    shot.clip.path, shot.clip.sequence_fps = str(clip), tiny.FPS
    shot.clip.camera, shot.clip.depth = "still", "mini"
    bpy.ops.reangle.import_clip()
    job = shot.jobs[0]
    desk.main_thread.pump_until(lambda: shot.shot_is_glance or job.is_final, timeout_s=300)
    assert shot.shot_is_glance, f"{job.message}\n{job.traceback}"
    assert (shot.shot_frames, len(shot.cloud.data.vertices) > 100) == (tiny.FRAMES, True)
    assert shot.source.data.background_images[0].image.filepath == str(clip)
    cloud = shot.cloud
    wait_for_jobs(desk)
    assert (shot.shot_is_glance, shot.cloud) == (False, cloud)
    assert "Camera: Still, stands still" in shot.about
