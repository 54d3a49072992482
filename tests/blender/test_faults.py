# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to the scene while a job runs, lost backends, and errors."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import bpy
import numpy as np
import pytest
from conftest import MODULE, wait_for_jobs


def start_render(desk: SimpleNamespace, amount: float = 5) -> str:
    bpy.ops.reangle.apply_move(move="truck-left", amount=amount, name="Side")
    assert bpy.ops.reangle.render() == {"FINISHED"}
    return desk.state.of(bpy.context.scene).jobs[-1].name


def kill_backend(desk: SimpleNamespace) -> None:
    os.kill(desk.connection.now.backend.pid, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)


def test_rename_and_delete_while_a_job_runs(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    job = start_render(shot)
    scene.name = "Renamed"
    bpy.data.objects.remove(scene.objects["Side"])
    bpy.data.objects.remove(shot.state.of(scene).cloud)
    scene.frame_set(3)
    wait_for_jobs(shot)
    item = shot.state.of(scene).jobs[job]
    assert item.loaded
    assert item.cameras["Side"].camera is None
    assert bpy.ops.reangle.results_to_sequencer() == {"FINISHED"}


def test_undo_while_a_job_runs(shot: SimpleNamespace) -> None:
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="before")
    job = start_render(shot)
    bpy.ops.ed.undo_push(message="rendering")
    bpy.ops.ed.undo()
    scene = bpy.context.scene
    assert "Side" not in scene.objects
    assert job in shot.state.of(scene).jobs
    wait_for_jobs(shot)
    bpy.ops.ed.redo()
    assert shot.state.of(bpy.context.scene).jobs[job].loaded


def test_reload_without_saving_while_a_job_runs(shot: SimpleNamespace, tmp_path: Path) -> None:
    path = str(tmp_path / "shot.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    job = start_render(shot)
    bpy.ops.wm.open_mainfile(filepath=path)
    assert "Side" not in bpy.context.scene.objects
    wait_for_jobs(shot)
    assert shot.state.of(bpy.context.scene).jobs[job].loaded


def test_another_blender_resumes_the_job_by_its_id(shot: SimpleNamespace, tmp_path: Path) -> None:
    path = str(tmp_path / "shot.blend")
    job = start_render(shot)
    shot.main_thread.pump_until(lambda: shot.state.of(bpy.context.scene).jobs[job].state != "sending", timeout_s=300)
    bpy.ops.wm.save_as_mainfile(filepath=path)
    shot.reangle("exchange.ledger").forget_all()
    shot.connection.reset()
    shot.main_thread.pump_until(lambda: not shot.reangle("exchange.ledger").active, timeout_s=300)
    bpy.ops.wm.open_mainfile(filepath=path)
    wait_for_jobs(shot)
    scene = bpy.context.scene
    item = shot.state.of(scene).jobs[job]
    assert (item.state, item.loaded) == ("done", True)
    assert item.cameras["Side"].camera == scene.objects["Side"]

    # The cloud is loaded again and follows the frame.
    shot.main_thread.pump_until(lambda: shot.reangle("scene.point_cloud").cloud_of(scene) is not None, timeout_s=300)
    vertices = shot.state.of(scene).cloud.data.vertices
    places = []
    for frame in (1, 4):
        scene.frame_set(frame)
        places.append(np.array([vertex.co for vertex in vertices[:50]]))
    assert not np.allclose(*places)


def test_jobs_resume_when_a_killed_backend_restarts(shot: SimpleNamespace) -> None:
    # No other test renders this camera: a cached job would be done before the backend is killed.
    job = start_render(shot, amount=7)
    shot.main_thread.pump_until(lambda: shot.state.of(bpy.context.scene).jobs[job].state != "sending", timeout_s=300)
    kill_backend(shot)
    shot.main_thread.pump_until(lambda: shot.connection.now.state == "off", timeout_s=300)
    item = shot.state.of(bpy.context.scene).jobs[job]
    assert "cannot be reached" in item.message
    assert not item.is_final
    bpy.ops.reangle.start_backend()
    wait_for_jobs(shot)
    assert item.message == ""

    kill_backend(shot)
    assert bpy.ops.reangle.fetch_results(job=job) == {"FINISHED"}
    shot.main_thread.pump_until(lambda: shot.connection.now.state == "off", timeout_s=300)
    assert "cannot be reached" in item.message
    bpy.ops.reangle.start_backend()
    shot.main_thread.pump_until(lambda: shot.connection.now.state == "on", timeout_s=300)
    assert bpy.ops.reangle.fetch_results(job=job) == {"FINISHED"}
    wait_for_jobs(shot)
    assert (item.message, item.loaded) == ("", True)


def test_cancel(shot: SimpleNamespace) -> None:
    job = start_render(shot)
    bpy.ops.reangle.cancel_job(job=job)
    item = shot.state.of(bpy.context.scene).jobs[job]
    shot.main_thread.pump_until(lambda: item.is_final, timeout_s=300)
    assert item.state == "canceled"
    assert bpy.ops.reangle.cancel_job(job=job) == {"FINISHED"}


def test_cancel_just_after_the_request_was_sent(shot: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    transfer = shot.reangle("exchange.transfer")
    send = transfer.send

    def send_late(*arguments: object) -> object:
        status = send(*arguments)
        arguments[-1].set()  # what Cancel sets while the state is "sending"
        return status

    monkeypatch.setattr(transfer, "send", send_late)
    job = start_render(shot, amount=13)
    item = shot.state.of(bpy.context.scene).jobs[job]
    shot.main_thread.pump_until(lambda: item.is_final, timeout_s=60)
    assert item.state == "canceled"


def test_a_failure_shows_its_advice(desk: SimpleNamespace, clip: Path, tmp_path: Path) -> None:
    scene = bpy.context.scene
    (tmp_path / "depth").mkdir()
    (tmp_path / "depth" / "z.npz").write_bytes(b"not a depth map")
    settings = desk.state.of(scene).clip
    settings.path, settings.camera, settings.depth = str(clip), "still", "files"
    settings.geometry_folder = str(tmp_path / "depth")
    bpy.ops.reangle.import_clip()
    item = desk.state.of(scene).jobs[0]
    desk.main_thread.pump_until(lambda: item.is_final, timeout_s=300)
    assert item.state == "failed"
    assert "z.npz" in item.message
    assert item.advice
    gone = tmp_path / "gone.mp4"
    gone.write_bytes(b"")
    settings.path = str(gone)
    assert bpy.ops.reangle.import_clip.poll()
    bpy.ops.reangle.import_clip()
    gone.unlink()  # before the thread hashes it, or it is refused as no movie
    item = desk.state.of(scene).jobs[1]
    desk.main_thread.pump_until(lambda: item.is_final, timeout_s=300)
    assert (item.state, "gone.mp4" in item.message) == ("failed", True)


def test_an_unexpected_error_is_shown_with_its_traceback(desk: SimpleNamespace, clip: Path) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("deep inside")

    transfer = desk.reangle("exchange.transfer")
    gather, transfer.gather = transfer.gather, broken
    try:
        settings = desk.state.of(bpy.context.scene).clip
        settings.path, settings.depth = str(clip), "files"
        settings.geometry_folder = str(clip.parents[1] / "depth")
        bpy.ops.reangle.import_clip()
        item = desk.state.of(bpy.context.scene).jobs[0]
        desk.main_thread.pump_until(lambda: item.is_final, timeout_s=300)
    finally:
        transfer.gather = gather
    assert item.message == "ZeroDivisionError: deep inside"
    assert "in broken" in item.traceback


def test_pump_stops_at_its_deadline(reangle: Callable[[str], ModuleType]) -> None:
    main_thread = reangle("exchange.main_thread")

    def a_millisecond() -> None:
        end = time.perf_counter() + 0.001
        while time.perf_counter() < end:
            pass

    def steps():
        for _ in range(30):
            a_millisecond()
            yield

    for _ in range(30):
        main_thread.post(a_millisecond)
    main_thread.post(steps)
    calls = 0
    while main_thread.is_busy():
        started = time.process_time()
        main_thread.pump(0.004)
        calls += 1
        assert time.process_time() - started < 0.008
    assert calls >= 10


def test_a_broken_delivery_does_not_stop_the_pump(reangle: Callable[[str], ModuleType], capsys) -> None:
    main_thread, seen = reangle("exchange.main_thread"), []

    def broken_steps():
        yield
        raise ValueError("broken step")

    main_thread.post(lambda: 1 / 0)
    main_thread.post(broken_steps)
    main_thread.post(lambda: seen.append(1))
    main_thread.pump_until(lambda: bool(seen), timeout_s=300)
    assert "broken step" in capsys.readouterr().err


def test_register_and_unregister_twice(reangle: Callable[[str], ModuleType]) -> None:
    handlers = bpy.app.handlers
    before = [len(group) for group in (handlers.load_post, handlers.undo_post, handlers.frame_change_pre)]
    for _ in range(2):
        reangle("").unregister()
        assert not hasattr(bpy.types.Scene, "reangle")
        assert not bpy.app.timers.is_registered(reangle("exchange.main_thread")._tick)
        reangle("").register()
    assert [len(group) for group in (handlers.load_post, handlers.undo_post, handlers.frame_change_pre)] == before
    assert bpy.app.timers.is_registered(reangle("exchange.main_thread")._tick)
    assert hasattr(bpy.types, "REANGLE_PT_clip")


def test_results_of_unsaved_files_outlive_the_add_on(reangle: Callable[[str], ModuleType]) -> None:
    assert reangle("preferences").get() == bpy.context.preferences.addons[MODULE].preferences
    bpy.context.preferences.addons[MODULE].preferences.results_folder = "//reangle"
    folder = reangle("preferences").results_folder("a/b", "0123456789abcdef")
    assert folder.name == "a_b-012345"
    assert folder.parent == reangle("core.backend_process").data_folder() / "unsaved results"
    assert Path(bpy.utils.resource_path("USER")) not in folder.parents
