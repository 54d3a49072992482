# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of ended jobs are removed by the artist, and stay removed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest
from conftest import wait_for_jobs
from saving import settle
from test_panels import RecordingLayout, drawn_by


def render(desk: SimpleNamespace, amount: float, *, cancel: bool = False) -> str:
    """A render of one camera; returns its id when it has ended."""
    known = desk.state.of(bpy.context.scene)
    bpy.ops.reangle.apply_move(move="truck-left", amount=amount)
    assert bpy.ops.reangle.render() == {"FINISHED"}
    job = known.jobs[-1]
    if cancel:
        bpy.ops.reangle.cancel_job()
    name = job.name
    desk.main_thread.pump_until(lambda: known.jobs[name].is_final, timeout_s=120)
    if not cancel:
        desk.main_thread.pump_until(lambda: known.jobs[name].loaded, timeout_s=120)
    return name


def names() -> list[str]:
    return [job.name for job in bpy.context.scene.reangle.jobs]


def test_a_removed_row_stays_removed(shot: SimpleNamespace, tmp_path: Path) -> None:
    bpy.context.preferences.edit.use_global_undo = True
    state = shot.state
    clip = names()[0]
    done, canceled = render(shot, 21), render(shot, 22, cancel=True)
    bpy.ops.ed.undo_push(message="before")
    assert names() == [clip, done, canceled]
    assert bpy.ops.reangle.remove_job(job=canceled) == {"FINISHED"}
    assert names() == [clip, done]
    bpy.ops.ed.undo_push(message="removed")
    bpy.context.scene.frame_set(2)
    bpy.ops.ed.undo_push(message="later")
    for step in (bpy.ops.ed.undo, bpy.ops.ed.undo, bpy.ops.ed.redo):
        step()
        assert names() == [clip, done]
    # The next connection follows the jobs of the file.
    shot.connection.reset()
    bpy.ops.reangle.start_backend()
    shot.main_thread.pump_until(lambda: shot.connection.now.state == "on", timeout_s=120)
    settle(shot.reangle)
    assert names() == [clip, done]
    folder = Path(bpy.path.abspath(state.of(bpy.context.scene).jobs[done].folder))
    assert bpy.ops.reangle.remove_job(job=done) == {"FINISHED"}
    for reopen in (True, False):
        path = str(tmp_path / "results" / f"{reopen}.blend")
        bpy.ops.wm.save_as_mainfile(filepath=path)
        if reopen:
            bpy.ops.wm.open_mainfile(filepath=path)
        settle(shot.reangle)
        assert names() == [clip]
    assert (folder / "Truck Left 21" / "frames").is_dir(), "its files stay"


def test_what_runs_or_is_needed_is_not_removed(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    known = shot.state.of(scene)
    clip = names()[0]
    with pytest.raises(RuntimeError, match="is the clip of this scene"):
        bpy.ops.reangle.remove_job(job=clip)
    canceled = render(shot, 31, cancel=True)
    bpy.ops.reangle.render()
    running = known.jobs[-1].name
    with pytest.raises(RuntimeError, match="has not ended yet"):
        bpy.ops.reangle.remove_job(job=running)
    known.job_index = 2
    bpy.ops.reangle.remove_job(job=canceled)
    assert (names(), known.job_index) == ([clip, running], 1)
    wait_for_jobs(shot)
    assert names() == [clip, running]
    known.schema += 1
    with pytest.raises(RuntimeError, match="newer Reangle"):
        bpy.ops.reangle.remove_job(job=running)


def test_files_are_deleted_only_where_they_are_the_jobs_alone(shot: SimpleNamespace, tmp_path: Path) -> None:
    first = bpy.context.scene
    known = shot.state.of(first)
    clip, job = names()[0], render(shot, 41)
    folder = Path(known.jobs[job].folder)
    bpy.ops.scene.new(type="FULL_COPY")
    second = bpy.context.scene
    assert job in names()
    with pytest.raises(RuntimeError, match="lists shot_0001 1, too"):
        bpy.ops.reangle.remove_job(job=job, delete_files=True)
    assert bpy.ops.reangle.remove_job(job=job) == {"FINISHED"}
    assert job not in shot.state.of(second).jobs
    shot.reangle("exchange.ledger").write_all()
    assert job in known.jobs, "the original keeps its row"
    bpy.context.window.scene = first
    before, known.jobs[job].folder = known.jobs[job].folder, str(tmp_path)
    with pytest.raises(RuntimeError, match="is not one that Reangle made"):
        bpy.ops.reangle.remove_job(job=job, delete_files=True)
    known.jobs[job].folder = before
    assert bpy.ops.reangle.remove_job(job=job, delete_files=True) == {"FINISHED"}
    shot.main_thread.pump_until(lambda: job not in known.jobs, timeout_s=60)
    assert not folder.exists()
    assert Path(known.shot_folder).is_dir()
    # A new render is not named as one that is there.
    one, two = render(shot, 42, cancel=True), render(shot, 43, cancel=True)
    bpy.ops.reangle.remove_job(job=one)
    assert known.jobs[render(shot, 44, cancel=True)].title == "shot_0001 3"
    assert names()[:2] == [clip, two]


def test_files_that_are_shown_are_not_deleted(rendered: SimpleNamespace) -> None:
    known = rendered.state.of(bpy.context.scene)
    job = known.jobs[-1]
    name, folder = job.name, Path(job.folder)
    bpy.ops.reangle.results_to_sequencer()
    bpy.ops.reangle.results_to_backgrounds()
    with pytest.raises(RuntimeError, match="show the files of shot_0001 1: In, In frames, Left"):
        bpy.ops.reangle.remove_job(job=name, delete_files=True)
    bpy.data.scenes.remove(known.edit)
    with pytest.raises(RuntimeError, match="shot_0001 1: In frames, Left frames"):
        bpy.ops.reangle.remove_job(job=name, delete_files=True)
    for camera in job.cameras:
        camera.camera.data.background_images.clear()
    assert bpy.ops.reangle.remove_job(job=name, delete_files=True) == {"FINISHED"}
    settle(rendered.reangle)
    assert not folder.exists()


def test_a_failed_import_has_a_button_to_remove_it(desk: SimpleNamespace, clip: Path, tmp_path: Path) -> None:
    known = desk.state.of(bpy.context.scene)
    (tmp_path / "z.npz").write_bytes(b"not a depth map")
    known.clip.path, known.clip.camera, known.clip.depth = str(clip), "still", "files"
    known.clip.geometry_folder = str(tmp_path)
    bpy.ops.reangle.import_clip()
    desk.main_thread.pump_until(lambda: known.jobs[0].is_final, timeout_s=120)
    panel = desk.reangle("panels.clip").REANGLE_PT_clip
    assert known.jobs[0].state == "failed"
    assert "reangle.remove_job" in drawn_by(panel)
    bpy.ops.reangle.remove_job(job=known.jobs[0].name)
    settle(desk.reangle)
    assert not known.jobs
    assert "reangle.remove_job" not in drawn_by(panel)
    job = known.jobs.add()
    row = desk.reangle("panels.results").REANGLE_UL_jobs.draw_item
    for state, removable in (("failed", True), ("canceled", True), ("done", True), ("running", False)):
        job.state = state
        layout = RecordingLayout([])
        row(None, None, layout, known, job, 0, known, "job_index")
        assert ("reangle.remove_job" in layout.drawn) == removable
