# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of all jobs, the status bar, reports, retry and deletion, with a running backend."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import bpy
import pytest
from conftest import choose_clip, wait_for_jobs
from test_panels import drawn_by


def until(desk: SimpleNamespace, condition: Callable[[], object], seconds: float = 120) -> None:
    """Do what Blender's timers do until the condition holds, with the list open."""
    deadline, all_jobs = time.monotonic() + seconds, desk.reangle("exchange.all_jobs")
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        all_jobs.show()
        all_jobs.tick()
        desk.main_thread.pump()
        time.sleep(0.02)


@pytest.fixture
def listed(shot: SimpleNamespace) -> Iterator[SimpleNamespace]:
    """The tiny clip imported, and the panel open."""
    all_jobs = shot.reangle("exchange.all_jobs")
    until(shot, lambda: all_jobs.jobs and not all_jobs.active())
    shot.all_jobs = all_jobs
    yield shot
    for job in all_jobs.active():
        bpy.ops.reangle.cancel_listed_job(job=job.id)
    until(shot, lambda: not all_jobs.active() and not shot.reangle("exchange.ledger").active)


def rows() -> dict[str, bpy.types.PropertyGroup]:
    return {row.name: row for row in bpy.context.window_manager.reangle_jobs}


def jobs_of_scene(desk: SimpleNamespace) -> bpy.types.bpy_prop_collection:
    return desk.state.of(bpy.context.scene).jobs


def send(desk: SimpleNamespace, amount: float, engine: str = "preview", name: str = "Side") -> str:
    bpy.ops.reangle.apply_move(move="truck-left", amount=amount, name=name)
    desk.state.of(bpy.context.scene).engine_name = engine
    assert bpy.ops.reangle.render() == {"FINISHED"}
    return jobs_of_scene(desk)[-1].name


def submit_elsewhere(desk: SimpleNamespace, job: str, title: str, **more: object) -> str:
    """Send the request of a job as another Blender would. Returns the new job's id."""
    client, contract = desk.connection.now.backend.client, desk.reangle("core.contract")
    request = replace(client.request_of(job), id=contract.new_job_id(), title=title, **more)
    return client.submit(request).id


def test_jobs_of_other_files_are_listed_and_say_why_they_wait(listed: SimpleNamespace) -> None:
    statusbar, panel = listed.reangle("panels.statusbar"), listed.reangle("panels.all_jobs").REANGLE_PT_all_jobs
    assert statusbar.line() is None
    first = send(listed, 21, "reangle")
    until(listed, lambda: first in rows() and rows()[first].state == "running")
    other = submit_elsewhere(listed, first, "Harbour", seed=5)
    second = send(listed, 22, "reangle", "Other")
    until(listed, lambda: second in rows() and rows()[second].position == 2)
    assert (rows()[first].is_here, rows()[other].is_here, rows()[second].is_here) == (True, False, True)
    assert rows()[other].title == "Harbour"
    words = listed.reangle("panels._job").queue_words
    assert words(rows()[other]).startswith(f"Next, behind {rows()[first].title}")
    assert words(rows()[second]).startswith("2nd, behind Harbour")
    until(listed, lambda: jobs_of_scene(listed)[second].position)
    assert "behind" in listed.reangle("panels._job").headline(jobs_of_scene(listed)[second])
    line = statusbar.line()
    assert (line.job, line.more) == (first, 2)
    bpy.context.window_manager.reangle_job_index = list(rows()).index(other)
    drawn = drawn_by(panel)
    assert {"reangle.cancel_listed_job", "reangle.reseed_job", "reangle.delete_job", "reangle.show_log"} <= set(drawn)
    for job in (other, second, first):
        bpy.ops.reangle.cancel_listed_job(job=job)
    until(listed, lambda: statusbar.line() is None)
    assert {rows()[job].state for job in (first, other, second)} == {"canceled"}
    assert "reangle.retry_job" in drawn_by(panel)


def test_retry_and_another_seed_are_jobs_of_the_scene(listed: SimpleNamespace) -> None:
    job = send(listed, 23)
    wait_for_jobs(listed)
    until(listed, lambda: rows().get(job) and rows()[job].state == "done")
    with pytest.raises(RuntimeError, match="no random numbers"):
        bpy.ops.reangle.reseed_job(job=job)
    assert bpy.ops.reangle.retry_job(job=job) == {"FINISHED"}
    wait_for_jobs(listed)
    before, again = jobs_of_scene(listed)[job], jobs_of_scene(listed)[-1]
    assert again.name != job
    assert (again.title, again.kind, again.clip) == (before.title, before.kind, before.clip)
    assert again.cameras["Side"].camera == bpy.data.objects["Side"]
    assert again.folder != before.folder
    assert Path(bpy.path.abspath(again.cameras["Side"].folder)).is_dir()
    client = listed.connection.now.backend.client
    assert all(event.cached for event in client.events(again.name).events if event.type == "stage")
    # A job of another file appears in no scene, and its end is told.
    other = submit_elsewhere(listed, job, "Elsewhere")
    until(listed, lambda: rows().get(other) and rows()[other].state == "done")
    bpy.ops.reangle.retry_job(job=other)
    messages = listed.reangle("exchange.telling").messages
    until(listed, lambda: any(one.text == "Elsewhere is done." for one in messages))
    assert len(jobs_of_scene(listed)) == 3


def test_a_failed_import_is_retried_into_the_scene(listed: SimpleNamespace, clip: Path) -> None:
    imported = jobs_of_scene(listed)[0].name
    assert bpy.ops.reangle.retry_job(job=imported) == {"FINISHED"}
    wait_for_jobs(listed)
    again = jobs_of_scene(listed)[-1]
    assert (again.kind, again.request) == ("IMPORT", jobs_of_scene(listed)[imported].request)
    assert listed.state.of(bpy.context.scene).shot == again.name


def test_delete_leaves_what_was_fetched_and_takes_out_the_rest(listed: SimpleNamespace) -> None:
    fetched = send(listed, 24)
    wait_for_jobs(listed)
    folder = Path(bpy.path.abspath(jobs_of_scene(listed)[fetched].folder))
    running = send(listed, 25, "reangle", "Long")
    until(listed, lambda: running in rows() and rows()[running].state == "running")
    for job in (running, fetched):
        assert bpy.ops.reangle.delete_job(job=job) == {"FINISHED"}
    until(listed, lambda: running not in rows() and fetched not in rows())
    until(listed, lambda: running not in jobs_of_scene(listed))
    assert fetched in jobs_of_scene(listed)
    assert folder.is_dir()
    known = {job.id for job in listed.connection.now.backend.client.jobs()}
    assert not known & {running, fetched}
    assert not [one for one in listed.reangle("exchange.telling").messages if one.is_problem]
    with pytest.raises(RuntimeError, match="does not know"):
        bpy.ops.reangle.delete_job(job=running)


def test_the_end_of_a_job_is_told_once(listed: SimpleNamespace, clip: Path, tmp_path: Path) -> None:
    messages = listed.reangle("exchange.telling").messages
    messages.clear()
    job = send(listed, 26)
    until(listed, lambda: jobs_of_scene(listed)[job].loaded)
    until(listed, lambda: messages)
    title = jobs_of_scene(listed)[job].title
    assert [(one.text, one.is_problem) for one in messages] == [(f"{title} is done: its results are loaded.", False)]
    (tmp_path / "depth").mkdir()
    (tmp_path / "depth" / "z.npz").write_bytes(b"not a depth map")
    choose_clip(listed, clip)
    settings = listed.state.of(bpy.context.scene).clip
    settings.camera, settings.geometry_folder = "still", str(tmp_path / "depth")
    bpy.ops.reangle.import_clip()
    until(listed, lambda: len(messages) == 2)
    assert messages[1].is_problem
    assert "z.npz" in messages[1].text
    for _ in range(20):
        listed.all_jobs.tick()
    assert len(messages) == 2


def test_titles_of_other_files_are_not_saved(listed: SimpleNamespace, tmp_path: Path) -> None:
    other = submit_elsewhere(listed, jobs_of_scene(listed)[0].name, "Confidential Project")
    until(listed, lambda: other in rows())
    path = tmp_path / "mine.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=False)
    assert b"Confidential" not in path.read_bytes()
    assert other in rows()
    bpy.ops.wm.open_mainfile(filepath=str(path))
    assert other in rows()


def test_the_log_of_a_job(listed: SimpleNamespace) -> None:
    seen: list[Path] = []
    listed.reangle("exchange.again").fetch_log(jobs_of_scene(listed)[0].name, seen.append)
    until(listed, lambda: seen)
    assert "decode" in seen[0].read_text(encoding="utf-8")


def test_the_list_ends_with_the_backend(listed: SimpleNamespace) -> None:
    bpy.ops.reangle.stop_backend()
    until(listed, lambda: not rows())
    assert "not running" in " ".join(drawn_by(listed.reangle("panels.all_jobs").REANGLE_PT_all_jobs))
    bpy.ops.reangle.start_backend()
    until(listed, lambda: rows(), 300)


def first_estimate(desk: SimpleNamespace, job: str) -> float:
    events = desk.connection.now.backend.client.events(job).events
    return next(event.eta_s for event in events if event.type == "stage")


def test_the_estimate_before_sending_is_the_first_time_left(desk: SimpleNamespace, clip: Path) -> None:
    estimates, scene = desk.reangle("exchange.estimates"), bpy.context.scene
    choose_clip(desk, clip)
    desk.state.of(scene).clip.frames = 3
    drawn_by(desk.reangle("panels.clip").REANGLE_PT_clip)
    until(desk, lambda: estimates.of_import(scene))
    told = estimates.of_import(scene)
    assert told.seconds > 0
    assert not told.guessed
    bpy.ops.reangle.import_clip()
    wait_for_jobs(desk)
    until(desk, lambda: (now := estimates.of_import(scene)) and now.seconds == 0, 60)
    bpy.ops.reangle.apply_move(move="truck-left", amount=27, name="Side")
    until(desk, lambda: estimates.of_render(scene))
    told = estimates.of_render(scene)
    assert [stage.cached for stage in told.stages[:3]] == [True] * 3
    bpy.ops.reangle.render()
    job = jobs_of_scene(desk)[-1].name
    wait_for_jobs(desk)
    assert first_estimate(desk, job) == pytest.approx(told.seconds, abs=0.2)


def test_advanced_numbers_are_those_of_the_suite(desk: SimpleNamespace) -> None:
    shot, panel = desk.state.of(bpy.context.scene), desk.reangle("panels.render").REANGLE_PT_learning
    shot.engine_name = "reangle"
    drawn = " ".join(drawn_by(panel))
    assert "Rank 32" in drawn
    assert "Guidance 1" in drawn
    assert "Learning Rate 0.003" in drawn
    shot.learning.use_own = True
    assert (shot.learning.rank, shot.learning.path_steps, shot.learning.shared_steps) == (32, 5, 0)
    shot.learning.rank = 16
    shot.learning.use_own = False
    shot.learning.use_own = True
    assert shot.learning.rank == 16


def test_nothing_is_left_behind(reangle: Callable[[str], ModuleType]) -> None:
    all_jobs = reangle("exchange.all_jobs")
    header, handlers = bpy.types.STATUSBAR_HT_header, bpy.app.handlers
    groups = (handlers.save_pre, handlers.save_post, handlers.load_post)
    before = [len(group) for group in groups], len(header.draw._draw_funcs)
    reangle("").unregister()
    assert not bpy.app.timers.is_registered(all_jobs._tick)
    assert not hasattr(bpy.types.WindowManager, "reangle_jobs")
    assert len(header.draw._draw_funcs) == before[1] - 1
    reangle("").register()
    assert ([len(group) for group in groups], len(header.draw._draw_funcs)) == before
    assert bpy.app.timers.is_registered(all_jobs._tick)
