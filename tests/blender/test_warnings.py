# SPDX-License-Identifier: GPL-3.0-or-later
"""Trouble with a camera, where the artist looks; and cameras that freeze the clip."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
import tiny
from test_panels import RecordingLayout, drawn_by


def render(shot: SimpleNamespace) -> None:
    job = len(shot.state.of(bpy.context.scene).jobs)
    assert bpy.ops.reangle.render() == {"FINISHED"}
    jobs = shot.state.of(bpy.context.scene).jobs
    shot.main_thread.pump_until(lambda: jobs[job].loaded or jobs[job].state == "failed", timeout_s=300)
    assert jobs[job].loaded, jobs[job].message


def test_trouble_is_told_at_the_job_and_the_camera_and_leads_to_its_frame(
    shot: SimpleNamespace, tmp_path: Path
) -> None:
    scene = bpy.context.scene
    known = shot.state.of(scene)
    bpy.ops.reangle.apply_move(move="dolly-out", amount=200, easing="linear", name="Far")
    bpy.ops.reangle.apply_move(move="dolly-in", amount=5, name="Fine")
    render(shot)
    job = known.jobs[-1]
    (warning,) = job.warnings
    assert warning.name == "Far"
    assert (warning.last, warning.worst) == (tiny.FRAMES, tiny.FRAMES)
    assert warning.message.startswith(f"Far, frames {warning.first} to {tiny.FRAMES}: ")
    panel = shot.reangle("panels.render").REANGLE_PT_render
    drawn = drawn_by(panel)
    assert all(part in " ".join(drawn) for part in warning.message.partition(". ")[::2])
    rows = shot.reangle("panels.cameras")
    drawn_rows = {}
    for name in ("Far", "Fine"):
        layout = RecordingLayout([])
        context = SimpleNamespace(scene=scene, region=None, preferences=bpy.context.preferences)
        rows.draw_row(layout, context, scene.objects[name], shot.reangle("scene.camera_status").NEW)
        drawn_rows[name] = layout.drawn
    assert [name for name, row in drawn_rows.items() if "reangle.show_warning" in row] == ["Far"]
    assert "reangle.show_warning" not in drawn_by(shot.reangle("panels.results").REANGLE_PT_results), "not twice"

    known.first_frame = 101
    assert bpy.ops.reangle.show_warning(job=job.name, index=0) == {"FINISHED"}
    assert scene.frame_current == 100 + tiny.FRAMES
    with pytest.raises(RuntimeError, match="no such warning"):
        bpy.ops.reangle.show_warning(job=job.name, index=1)

    path = str(tmp_path / "saved.blend")
    message = warning.message
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    opened = shot.state.of(bpy.context.scene).jobs[-1]
    assert [one.message for one in opened.warnings] == [message]
    entry = shot.reangle("exchange.ledger").read(bpy.context.scene, opened)
    assert [(one.camera, one.worst) for one in entry.warnings] == [("Far", tiny.FRAMES)]


def test_bullet_time_shows_one_instant_from_a_moving_camera(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    scene.frame_set(3)
    bpy.ops.reangle.apply_move(move="orbit-left", amount=10, freeze=True, name="Bullet")
    camera = scene.objects["Bullet"]
    assert (camera.reangle.is_frozen, camera.reangle.freeze_frame) == (True, 3)
    (path,) = shot.reangle("scene.cameras").export_paths(scene, [camera])
    assert path.frames == (2,) * tiny.FRAMES
    places = np.asarray(path.world_from_camera)
    assert np.allclose(places[0], tiny.world_from_camera()[2], atol=1e-5), "at the instant, the clip's camera stands"
    assert len(np.unique(places[:, 0, 3].round(5))) == tiny.FRAMES
    render(shot)
    job = shot.state.of(scene).jobs[-1]
    folder = Path(job.cameras["Bullet"].folder)
    assert len(list((folder / "frames").iterdir())) == tiny.FRAMES
    assert bpy.ops.reangle.results_to_sequencer() == {"FINISHED"}
    (strip,) = shot.reangle("compat").strips_of(shot.state.of(scene).edit)
    assert (strip.frame_final_start, strip.frame_final_duration) == (1, tiny.FRAMES)
    assert bpy.ops.reangle.results_to_backgrounds() == {"FINISHED"}
    user = camera.data.background_images[0].image_user
    assert (user.frame_start, user.frame_duration) == (1, tiny.FRAMES)


def test_a_frozen_frame_moves_with_the_clip_and_must_be_in_it(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    known = shot.state.of(scene)
    bpy.ops.reangle.apply_move(move="truck-left", amount=10, freeze=True, name="Bullet")
    camera = scene.objects["Bullet"]
    known.first_frame = 51
    assert camera.reangle.freeze_frame == 51
    export = shot.reangle("scene.cameras").export_paths
    assert export(scene, [camera])[0].frames == (0,) * tiny.FRAMES
    camera.reangle.freeze_frame = 56
    with pytest.raises(Exception, match="'Bullet' freezes the clip at frame 56, but the clip has frames 51 to 55"):
        export(scene, [camera])


@pytest.mark.parametrize(("move", "side"), [("stereo-left", -1), ("stereo-right", 1)])
def test_a_stereo_camera_follows_with_a_shifted_lens(shot: SimpleNamespace, move: str, side: int) -> None:
    scene = bpy.context.scene
    assert bpy.ops.reangle.apply_move(move=move, amount=4, name="Second") == {"FINISHED"}
    (path,) = shot.reangle("scene.cameras").export_paths(scene, [scene.objects["Second"]])
    focus = shot.reangle("scene.moves").focus_depth(scene)
    beside = np.linalg.inv(tiny.world_from_camera()) @ np.asarray(path.world_from_camera)
    assert np.allclose(beside[:, :3, 3], [side * 0.04 * focus, 0, 0], atol=1e-4)
    assert np.allclose(np.asarray(path.K)[:, 0, 2], tiny.K()[0, 2] + side * 0.04 * tiny.FOCAL, atol=1e-3)
    assert shot.reangle("compat").find_fcurve(scene.objects["Second"].data, "shift_x", 0) is None


def test_the_shift_is_keyed_with_a_lens_that_zooms(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    bpy.ops.reangle.apply_move(move="dolly-zoom-in", amount=30, name="View")
    before = shot.reangle("scene.cameras").export_paths(scene, [scene.objects["View"]])[0]
    bpy.ops.reangle.apply_move(move="stereo-right", amount=4, new=False)
    after = shot.reangle("scene.cameras").export_paths(scene, [scene.objects["View"]])[0]
    first, second = np.asarray(before.K), np.asarray(after.K)
    assert np.allclose(second[:, 0, 2] - first[:, 0, 2], 0.04 * first[:, 0, 0], rtol=2e-3)
    assert np.ptp(second[:, 0, 2]) > 0.1
