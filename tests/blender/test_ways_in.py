# SPDX-License-Identifier: GPL-3.0-or-later
"""A clip comes from a file browser, a drop, the sequencer or the Movie Clip Editor, through the same code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import bpy
import numpy as np
import pytest
import tiny
from conftest import wait_for_jobs

Reangle = Callable[[str], ModuleType]


@pytest.fixture
def sent(reangle: Reangle, monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    """What reaches the one import, in a scene whose backend seems to run; nothing is sent."""
    caught: list[SimpleNamespace] = []
    connection, sending = reangle("exchange.connection"), reangle("exchange.sending")
    monkeypatch.setattr(connection.now, "state", "on")
    monkeypatch.setattr(connection.now, "backend", SimpleNamespace(client=None))
    monkeypatch.setattr(sending, "import_clip", lambda scene, choice, framing: caught.append(choice))
    return caught


def files(clip: Path, *numbers: int) -> dict[str, object]:
    names = [f"shot_{number:04d}.png" for number in numbers]
    return {"directory": str(clip.parent), "files": [{"name": name} for name in names]}


def strips(reangle: Reangle) -> object:
    return reangle("compat").strips(bpy.context.scene)


def test_one_image_stands_for_its_sequence_and_options_go_with_it(sent: list, clip: Path) -> None:
    assert bpy.ops.reangle.import_footage(filepath=str(clip), sequence_fps=12, frames=3) == {"FINISHED"}
    assert (sent[0].path, sent[0].start, sent[0].frames, sent[0].sequence_fps) == (clip, 0, 3, 12)


def test_a_selection_of_images_is_a_part_of_the_sequence(sent: list, clip: Path) -> None:
    bpy.ops.reangle.import_footage(**files(clip, 4, 2, 3))
    assert (sent[0].path.name, sent[0].start, sent[0].frames) == ("shot_0002.png", 1, 3)


def test_a_failed_import_leaves_step_1_as_it_was(reangle: Reangle, sent: list, clip: Path) -> None:
    settings = reangle("state").prepare(bpy.context.scene).clip
    settings.path, settings.frames, settings.start = str(clip), 4, 1
    with pytest.raises(RuntimeError, match="no unbroken run of one sequence"):
        bpy.ops.reangle.import_footage(**files(clip, 1, 3))
    with pytest.raises(RuntimeError, match="There is no file"):
        bpy.ops.reangle.import_footage(filepath=str(clip.with_name("gone.mp4")))
    assert (settings.path, settings.frames, settings.start, settings.is_property_set("sequence_fps")) == (
        str(clip), 4, 1, False,
    )  # fmt: skip
    assert sent == []


def test_the_part_that_a_strip_shows_is_imported_where_it_lies(reangle: Reangle, sent: list, clip: Path) -> None:
    scene = bpy.context.scene
    strip = strips(reangle).new_image("Shot", str(clip), 1, 20)
    for number in range(2, tiny.FRAMES + 1):
        strip.elements.append(f"shot_{number:04d}.png")
    strip.frame_offset_start, strip.frame_final_duration = 1, 3
    scene.sequence_editor.active_strip = strip
    scene.render.fps = 12
    if hasattr(bpy.context, "sequencer_scene"):
        bpy.context.workspace.sequencer_scene = scene
    assert bpy.ops.reangle.import_strip() == {"FINISHED"}
    assert (sent[0].path.name, sent[0].start, sent[0].frames, sent[0].sequence_fps) == ("shot_0002.png", 1, 3, 12)
    assert reangle("state").of(scene).first_frame == 21
    strip.use_reverse_frames = True
    with pytest.raises(RuntimeError, match="changes the order"):
        bpy.ops.reangle.import_strip()


def test_a_tracked_clip_is_imported_with_its_solved_camera(reangle: Reangle, sent: list, clip: Path) -> None:
    scene, footage = bpy.context.scene, reangle("scene.other_footage")
    tracked = bpy.data.movieclips.load(str(clip))
    tracked.frame_start = 7
    scene.active_clip = tracked
    assert not footage.is_solved(tracked)
    bpy.ops.reangle.import_movie_clip()
    assert (sent[0].path.name, reangle("state").of(scene).first_frame) == (clip.name, 7)
    camera = footage.add_solved_camera(scene, tracked)
    assert footage.solved_camera(scene, tracked) == camera
    assert camera.data.lens == pytest.approx(tracked.tracking.camera.focal_length)


def test_an_import_by_the_browser_is_seen_at_once_and_comes_with_depth(desk: SimpleNamespace, clip: Path) -> None:
    scene = bpy.context.scene
    shot = desk.state.of(scene)
    shot.clip.geometry_folder = str(clip.parents[1] / "depth")
    options = {"camera_name": "files", "depth_name": "files", "sequence_fps": tiny.FPS}
    assert bpy.ops.reangle.import_footage(filepath=str(clip), **options) == {"FINISHED"}
    assert shot.plane is not None
    assert (scene.camera, shot.clip.make_active) == (shot.source, True)
    wait_for_jobs(desk)
    floor = np.array([[-1, 3, -1], [1, 3, -1], [0, 2, -1.2]])
    assert bpy.ops.reangle.set_floor(first=floor[0], second=floor[1], third=floor[2], length=4) == {"FINISHED"}


def test_an_import_waits_for_the_backend_that_it_starts(desk: SimpleNamespace, clip: Path) -> None:
    shot = desk.state.prepare(bpy.context.scene)
    shot.clip.geometry_folder = str(clip.parents[1] / "depth")
    desk.connection.reset()
    options = {"camera_name": "files", "depth_name": "files", "sequence_fps": tiny.FPS}
    assert bpy.ops.reangle.import_footage(filepath=str(clip), **options) == {"FINISHED"}
    assert len(shot.jobs) == 0
    desk.main_thread.pump_until(lambda: len(shot.jobs) > 0, timeout_s=60)
    wait_for_jobs(desk)
    assert shot.shot_request
