# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting images in the sidebar: approved, made again, painted and replaced, with the real backend."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import bpy
import numpy as np
import pytest
import tiny
from conftest import MODULE, REPOSITORY, end_backend, wait_for_jobs
from saving import all_there, save, settle
from test_panels import RecordingLayout

from reangle_blender.core.contract import JobRequest, StartSettings, read_request

Reangle = Callable[[str], ModuleType]

START = "start.png"


@pytest.fixture
def waiting(shot: SimpleNamespace) -> SimpleNamespace:
    """Three cameras, of which "Push" begins at the clip's, sent until their starting images are there."""
    choose(shot, painter="fill")
    assert bpy.ops.reangle.render() == {"FINISHED"}
    wait_for_jobs(shot)
    return shot


def choose(desk: SimpleNamespace, *, painter: str, approve: bool = True) -> None:
    """Three cameras, and the engine with its smallest settings."""
    bpy.ops.reangle.apply_move(move="orbit-left", amount=5, hold=True, name="Left")
    bpy.ops.reangle.apply_move(move="dolly-in", amount=10, hold=True, name="In")
    bpy.ops.reangle.apply_move(move="dolly-in", amount=10, name="Push")
    shot = desk.state.of(bpy.context.scene)
    shot.engine, shot.learning.use_own, shot.learning.sampling_steps = "reangle", True, 1
    shot.learning.shared_steps = shot.learning.path_steps = 0
    shot.starting.approve, shot.starting.painter, shot.starting.judge = approve, painter, "none"
    shot.starting.use_own, shot.starting.painting_steps, shot.starting.candidates = True, 1, 1


def tiny_flux(desk: SimpleNamespace) -> None:
    """Put a tiny checkpoint into the backend's models, laid out like FLUX.2 klein's."""
    data = Path(bpy.context.preferences.addons[MODULE].preferences.data_folder)
    folder = data / "models" / "FLUX.2-klein-4B"
    write = f"import pathlib; from tests.backend import twins; twins.flux2_klein_4b(pathlib.Path({str(folder)!r}))"
    python = json.loads((data / "backend.json").read_text(encoding="utf-8"))["command"][0]
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "backend")])
    subprocess.run([python, "-c", write], env={**os.environ, "PYTHONPATH": paths}, check=True)
    connection = desk.reangle("exchange.connection")
    before = connection.now.capabilities
    connection.refresh()
    desk.main_thread.pump_until(lambda: connection.now.capabilities is not before, timeout_s=60)


def job_of(desk: SimpleNamespace) -> Any:
    """The latest render."""
    return [job for job in desk.state.of(bpy.context.scene).jobs if job.kind == "RENDER"][-1]


def finish(desk: SimpleNamespace) -> None:
    """Wait until the render has gone on to its results."""
    desk.main_thread.pump_until(lambda: job_of(desk).until == "results" or job_of(desk).message, timeout_s=60)
    wait_for_jobs(desk)
    assert job_of(desk).has_results, job_of(desk).message


def rows(desk: SimpleNamespace) -> dict[str, Any]:
    return {row.name: row for row in job_of(desk).cameras if row.start}


def accepted(desk: SimpleNamespace) -> set[str]:
    return {name for name, row in rows(desk).items() if row.accepted}


def image(desk: SimpleNamespace, camera: str) -> bytes:
    """The starting image that is shown for a camera."""
    return (Path(bpy.path.abspath(rows(desk)[camera].start)) / START).read_bytes()


def request(desk: SimpleNamespace) -> JobRequest:
    """The request that the latest render was sent with."""
    job = job_of(desk)
    place = desk.reangle("exchange.start_files").round_folder(Path(bpy.path.abspath(job.folder)), job.name)
    return read_request((place / "request.json").read_bytes())


def start_of(camera: str) -> Any:
    return bpy.context.scene.objects[camera].reangle.start


def read(file: Path) -> np.ndarray:
    """H x W x 4 in 0 to 255, the first row at the bottom as Blender has it."""
    loaded = bpy.data.images.load(str(file), check_existing=False)
    width, height = loaded.size
    values = np.empty(width * height * 4, np.float32)
    loaded.pixels.foreach_get(values)
    depth = loaded.depth
    bpy.data.images.remove(loaded)
    assert depth == 24, "RGB with 8 bits"
    return np.rint(255 * values).astype(np.uint8).reshape(height, width, 4)


def write(path: Path, width: int, height: int, kind: str = "PNG") -> Path:
    """A red image."""
    made = bpy.data.images.new("made", width, height, float_buffer=kind == "OPEN_EXR")
    made.pixels.foreach_set(np.tile(np.array([0.5, 0, 0, 1], np.float32), width * height))
    made.file_format, made.filepath_raw = kind, str(path)
    made.save()
    bpy.data.images.remove(made)
    return path


def drawn(desk: SimpleNamespace, job: Any) -> list[str]:
    """What is drawn of a job's starting images."""
    lines: list[str] = []
    window = SimpleNamespace(
        region=SimpleNamespace(width=280), preferences=SimpleNamespace(system=SimpleNamespace(ui_scale=1))
    )
    context = SimpleNamespace(scene=bpy.context.scene, **vars(window))
    desk.reangle("panels._starts").draw(Rows(lines), context, job)
    return lines


class Rows(RecordingLayout):
    def template_icon(self, **_: object) -> None:
        self.drawn.append("picture")

    def grid_flow(self, **_: object) -> RecordingLayout:
        return type(self)(self.drawn)


def test_settings_of_starting_images_are_those_of_the_contract(reangle: Reangle) -> None:
    shot = reangle("state").of(bpy.context.scene)
    sent = reangle("state.engines").start_settings
    shot.starting.candidates = 3
    assert vars(sent(shot.starting)) == vars(StartSettings())
    shot.starting.use_own, shot.starting.painter, shot.starting.judge = True, "fill", "dust3r"
    assert (sent(shot.starting).candidates, sent(shot.starting).painter, sent(shot.starting).judge) == (
        3, "fill", "dust3r",
    )  # fmt: skip
    panel = reangle("panels.starting").REANGLE_PT_starting
    for engine in ("preview", "reangle", "inpaint"):
        shot.engine = engine
        assert panel.poll(bpy.context) == (engine != "preview")


def test_a_render_waits_for_every_starting_image_and_goes_on_by_itself(waiting: SimpleNamespace) -> None:
    job = job_of(waiting)
    first = job.name
    assert request(waiting).until == "starts"
    assert set(rows(waiting)) == {"Left", "In"}, "Push begins at the clip's camera"
    assert (job.state, job.loaded, job.has_results, job.waits) == ("done", True, False, True)
    assert not bpy.ops.reangle.results_to_sequencer.poll()
    text = drawn(waiting, job)
    assert text.count("reangle.accept_start") == 2
    assert "Filled from around" in " ".join(text)
    bpy.ops.reangle.accept_start(camera="Left")
    settle(waiting.reangle)
    assert (job_of(waiting).name, accepted(waiting)) == (first, {"Left"})
    with pytest.raises(RuntimeError, match=r"Camera 'Push' of .* has no starting image"):
        bpy.ops.reangle.accept_start(camera="Push")
    bpy.ops.reangle.accept_start(camera="In")
    finish(waiting)
    job = job_of(waiting)
    renders = [item.name for item in waiting.state.of(bpy.context.scene).jobs if item.kind == "RENDER"]
    assert (renders, job.name[:6], job.has_results, job.waits) == ([job.name], first[:6], True, False)
    assert request(waiting).until == "results"
    assert all((Path(bpy.path.abspath(row.folder)) / "frames/000001.png").is_file() for row in job.cameras)
    assert "reangle.accept_start" not in drawn(waiting, job)
    assert "reangle.redo_start" in drawn(waiting, job)
    assert bpy.ops.reangle.results_to_sequencer() == {"FINISHED"}


def test_cameras_that_begin_at_the_clips_need_no_approval(shot: SimpleNamespace) -> None:
    choose(shot, painter="fill")
    for name in ("Left", "In"):
        bpy.context.scene.objects[name].reangle.render = False
    bpy.ops.reangle.render()
    shot.main_thread.pump_until(lambda: job_of(shot).until == "results", timeout_s=200)
    finish(shot)
    assert not rows(shot)


def test_redo_makes_one_image_anew_and_undo_lets_the_approval_fall(shot: SimpleNamespace) -> None:
    choose(shot, painter="mini")
    bpy.ops.reangle.render()
    wait_for_jobs(shot)
    bpy.ops.reangle.accept_start(camera="In")
    settle(shot.reangle)
    before = {name: image(shot, name) for name in rows(shot)}
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.reangle.redo_start(camera="Left")
    bpy.ops.ed.undo_push(message="redone")
    wait_for_jobs(shot)
    assert start_of("Left").seed >= 0
    assert [(start.camera, start.seed) for start in request(shot).starts] == [("Left", start_of("Left").seed)]
    assert image(shot, "Left") != before["Left"]
    # It is the nearer one, so In is not made again, and stays accepted.
    assert (image(shot, "In"), accepted(shot)) == (before["In"], {"In"})
    job = job_of(shot).name
    bpy.ops.ed.undo()
    settle(shot.reangle)
    assert start_of("Left").seed == -1
    assert job_of(shot).name == job, "undo brings no former job back"
    bpy.ops.reangle.accept_starts()
    settle(shot.reangle)
    assert (job_of(shot).name, accepted(shot)) == (job, {"In"})
    assert "has changed since" in " ".join(drawn(shot, job_of(shot)))


def test_painted_pixels_are_sent_and_survive_a_restart(waiting: SimpleNamespace, tmp_path: Path) -> None:
    bpy.ops.reangle.accept_start(camera="In")
    settle(waiting.reangle)
    before = image(waiting, "Left")
    bpy.ops.reangle.paint_start(camera="Left")
    painting = next(item for item in bpy.data.images if item.name == "Left start")
    with pytest.raises(RuntimeError, match=r"Nothing was painted on own-1\.png"):
        bpy.ops.reangle.take_start(camera="Left")
    pixels = np.array(painting.pixels[:]).reshape(tiny.HEIGHT, tiny.WIDTH, 4)
    pixels[10:30, 20:50] = 0, 0, 1, 1
    painting.pixels.foreach_set(pixels.astype(np.float32).ravel())
    painting.update()
    assert "own-1.png holds something new" in " ".join(drawn(waiting, job_of(waiting)))
    with pytest.raises(RuntimeError, match="Press Take Back"):
        bpy.ops.reangle.accept_starts()
    bpy.ops.reangle.take_start(camera="Left")
    wait_for_jobs(waiting)
    own = Path(bpy.path.abspath(start_of("Left").image.path))
    (sent,) = request(waiting).starts
    assert (sent.camera, sent.image.sha256) == ("Left", hashlib.sha256(own.read_bytes()).hexdigest())
    shown = read(Path(bpy.path.abspath(rows(waiting)["Left"].start)) / START)
    assert (shown[10:30, 20:50] == (0, 0, 255, 255)).all()
    assert image(waiting, "Left") != before
    assert accepted(waiting) == {"In"}
    text = " ".join(drawn(waiting, job_of(waiting)))
    assert "Yours" in text
    assert "of what the clip shows is changed" in text
    # Another program changes the file.
    source = Path(bpy.path.abspath(start_of("Left").source.path))
    assert "something new" not in " ".join(drawn(waiting, job_of(waiting)))
    write(source, 2 * tiny.WIDTH, 2 * tiny.HEIGHT)
    assert "something new" in " ".join(drawn(waiting, job_of(waiting)))
    bpy.ops.reangle.take_start(camera="Left")
    wait_for_jobs(waiting)
    assert abs(int(read(Path(bpy.path.abspath(rows(waiting)["Left"].start)) / START)[0, 0, 0]) - 128) < 2

    # Blender and the backend are closed, the project is moved, and both are started again.
    blend = tmp_path / "project" / "shot.blend"
    save(blend)
    settle(waiting.reangle)
    save(blend)
    assert all_there(waiting.reangle)
    assert rows(waiting)["Left"].start.startswith("//")
    assert start_of("Left").image.path.startswith("//")
    job = job_of(waiting).name
    data = Path(bpy.context.preferences.addons[MODULE].preferences.data_folder)
    end_backend(data)
    said = in_new_blender(blend, data)
    assert said["waits"] == {"Left": False, "In": True}
    assert said["jobs"] == [job]
    assert (said["state"], said["until"], said["loaded"]) == ("done", "results", True)
    assert said["frames"] == tiny.FRAMES


def test_a_painting_that_was_not_taken_back_holds_the_render(waiting: SimpleNamespace) -> None:
    job = job_of(waiting).name
    bpy.ops.reangle.accept_start(camera="Left")
    bpy.ops.reangle.paint_start(camera="Left")
    painting = next(item for item in bpy.data.images if item.name == "Left start")
    painting.pixels[0] = 1 - painting.pixels[0]
    bpy.ops.reangle.accept_start(camera="In")
    settle(waiting.reangle)
    assert (job_of(waiting).name, accepted(waiting)) == (job, {"In"})
    assert "You have painted since." in " ".join(drawn(waiting, job_of(waiting)))
    bpy.ops.reangle.revert_start(camera="Left")
    wait_for_jobs(waiting)
    assert "painted since" not in " ".join(drawn(waiting, job_of(waiting)))


def in_new_blender(blend: Path, data: Path) -> dict[str, Any]:
    """Open the file in another process, accept what waits, and say how it ended."""
    environment = {**os.environ, "REANGLE_BLEND": str(blend), "REANGLE_TEST_DATA": str(data)}
    ended = subprocess.run(
        [sys.executable, "-c", ACCEPT_AND_WAIT, MODULE],
        env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    lines = [line for line in ended.stdout.splitlines() if line.startswith("SAID ")]
    assert lines, ended.stdout[-3000:] + ended.stderr[-3000:]
    return json.loads(lines[0].removeprefix("SAID "))


ACCEPT_AND_WAIT = """
import importlib, json, os, sys
from pathlib import Path
import bpy, addon_utils
module = sys.argv[1]
addon_utils.enable(module, default_set=True)
bpy.context.preferences.addons[module].preferences.data_folder = os.environ["REANGLE_TEST_DATA"]
bpy.ops.wm.open_mainfile(filepath=os.environ["REANGLE_BLEND"])
part = lambda name: importlib.import_module(f"{module}.{name}")
connection, main_thread, state = part("exchange.connection"), part("exchange.main_thread"), part("state")
shot = lambda: state.of(bpy.context.scene)
renders = lambda: [job for job in shot().jobs if job.kind == "RENDER"]
said = {"waits": {row.name: row.accepted for job in renders() for row in job.cameras if row.start}}
said["jobs"] = [job.name for job in renders()]
bpy.ops.reangle.start_backend()
main_thread.pump_until(lambda: connection.now.state in ("on", "failed"), timeout_s=120)
main_thread.pump_until(lambda: not main_thread.is_busy(), timeout_s=60)
bpy.ops.reangle.accept_starts()
job = lambda: renders()[-1]
main_thread.pump_until(lambda: job().until == "results" or job().message, timeout_s=60)
main_thread.pump_until(lambda: job().is_final and (job().loaded or job().message), timeout_s=200)
job = job()
said |= {"state": job.state, "until": job.until, "loaded": job.loaded, "message": job.message}
said["frames"] = len(list((Path(bpy.path.abspath(job.cameras["Left"].folder)) / "frames").glob("*.png")))
print("SAID " + json.dumps(said), flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("kind", ["JPEG", "OPEN_EXR", "PNG"])
def test_any_image_of_the_right_shape_becomes_the_start(waiting: SimpleNamespace, tmp_path: Path, kind: str) -> None:
    suffix = {"JPEG": "jpg", "OPEN_EXR": "exr", "PNG": "png"}[kind]
    file = write(tmp_path / f"matte painting.{suffix}", 2 * tiny.WIDTH, 2 * tiny.HEIGHT, kind)
    bpy.ops.reangle.replace_start(camera="In", filepath=str(file))
    own = read(Path(bpy.path.abspath(start_of("In").image.path)))
    assert own.shape == (tiny.HEIGHT, tiny.WIDTH, 4)
    light = bpy.data.images.load(str(file)).pixels[0]
    expected = 255 * (1.055 * light ** (1 / 2.4) - 0.055 if kind == "OPEN_EXR" else light)
    assert np.abs(own[..., :3].astype(int) - (round(expected), 0, 0)).max() <= 2
    wait_for_jobs(waiting)
    assert (read(Path(bpy.path.abspath(rows(waiting)["In"].start)) / START) == own).all()
    assert "Your image" in " ".join(drawn(waiting, job_of(waiting)))
    bpy.ops.reangle.revert_start(camera="In")
    wait_for_jobs(waiting)
    assert request(waiting).starts == ()
    assert not start_of("In").is_own


def test_what_cannot_be_a_start_is_refused_in_a_sentence(waiting: SimpleNamespace, tmp_path: Path) -> None:
    job = job_of(waiting).name
    (tmp_path / "notes.png").write_text("no image")
    square = write(tmp_path / "square.png", 64, 64)
    for operator, options, words in (
        ("replace_start", {"filepath": str(square)}, "square.png has 64 x 64 pixels, the camera 64 x 48"),
        ("replace_start", {"filepath": str(tmp_path / "notes.png")}, "notes.png is no image that Blender can read"),
        ("replace_start", {"filepath": str(tmp_path / "gone.png")}, "There is no file"),
        ("replace_start", {}, "No image is chosen"),
        ("take_start", {}, "Nothing is painted for 'In'"),
        ("edit_start", {"source": "a wall"}, "An edit needs both texts"),
        ("revert_start", {}, "Nothing of this image is yours"),
        ("anchor_start", {"filepath": str(square)}, "Scene frame 1 is not a later frame"),
        ("redo_start", {"job": "0" * 32}, "has no job"),
    ):
        with pytest.raises(RuntimeError, match=words):
            getattr(bpy.ops.reangle, operator)(camera="In", **options)
    assert job_of(waiting).name == job
    assert not start_of("In").is_own


def test_an_image_for_a_later_frame_is_sent_for_that_frame(waiting: SimpleNamespace, tmp_path: Path) -> None:
    scene = bpy.context.scene
    file = write(tmp_path / "later.png", tiny.WIDTH, tiny.HEIGHT)
    for frame in (4, 3, 4):
        scene.frame_set(frame)
        bpy.ops.reangle.anchor_start(camera="In", filepath=str(file))
        waiting.main_thread.pump_until(lambda: job_of(waiting).is_final, timeout_s=200)
    (sent,) = request(waiting).starts
    assert [anchor.frame for anchor in sent.anchors] == [2, 3]
    assert "Anchors at scene frames 3, 4" in " ".join(drawn(waiting, job_of(waiting)))
    bpy.ops.reangle.revert_start(camera="In")
    edit_left = {"camera": "Left", "source": "a wall", "target": "a wall of ice", "strength": 0.5}
    waiting.main_thread.pump_until(lambda: job_of(waiting).is_final, timeout_s=200)
    job = job_of(waiting).name
    bpy.ops.reangle.edit_start(**edit_left)
    settle(waiting.reangle)
    # The fill cannot edit; the render waits on, and with another model it can.
    assert (job_of(waiting).name, job_of(waiting).waits) == (job, True)
    assert "no image model is chosen" in job_of(waiting).message
    tiny_flux(waiting)
    waiting.state.of(scene).starting.painter = "flux2-klein"
    bpy.ops.reangle.edit_start(**edit_left)
    wait_for_jobs(waiting)
    assert "edited by words" in " ".join(drawn(waiting, job_of(waiting)))
    edit = {start.camera: start.edit for start in request(waiting).starts}["Left"]
    assert (edit.source, edit.target, edit.strength) == ("a wall", "a wall of ice", 0.5)


def test_the_approval_of_a_camera_that_moved_falls(waiting: SimpleNamespace) -> None:
    job = job_of(waiting).name
    camera = bpy.context.scene.objects["Left"]
    bpy.ops.reangle.accept_start(camera="Left")
    settle(waiting.reangle)
    camera.delta_location.x += 0.1
    bpy.ops.reangle.accept_start(camera="In")
    settle(waiting.reangle)
    assert (job_of(waiting).name, accepted(waiting)) == (job, {"In"})
    assert "The camera has moved since" in " ".join(drawn(waiting, job_of(waiting)))
    before = request(waiting).paths
    bpy.ops.reangle.redo_start(camera="Left")
    wait_for_jobs(waiting)
    assert start_of("Left").seed == -1, "the new path is enough"
    now = request(waiting).paths
    assert [path == other for path, other in zip(before, now, strict=True)] == [False, True, True]
    assert "has moved" not in " ".join(drawn(waiting, job_of(waiting)))
    bpy.ops.reangle.accept_starts()
    finish(waiting)
    assert request(waiting).paths == now


def test_starting_images_come_with_the_results_and_can_be_made_again(shot: SimpleNamespace, tmp_path: Path) -> None:
    choose(shot, painter="fill", approve=False)
    bpy.ops.reangle.render()
    wait_for_jobs(shot)
    done = job_of(shot).name
    assert job_of(shot).has_results
    assert set(rows(shot)) == {"Left", "In"}
    file = write(tmp_path / "own.png", tiny.WIDTH, tiny.HEIGHT)
    bpy.ops.reangle.replace_start(job=done, camera="Left", filepath=str(file))
    wait_for_jobs(shot)
    # A render of its own waits; the results stay.
    assert shot.state.of(bpy.context.scene).jobs[done].has_results
    assert (job_of(shot).waits, accepted(shot)) == (True, {"In"})
    with pytest.raises(RuntimeError, match="begins with an image of"):
        bpy.ops.reangle.remove_job(job=done, delete_files=True)
    # Without approval, the next render begins with it, too, and says that it is of another place.
    assert "begins elsewhere" not in job_of(shot).notes
    bpy.context.scene.objects["Left"].delta_location.x += 0.1
    bpy.ops.reangle.render()
    wait_for_jobs(shot)
    (sent,) = request(shot).starts
    assert (sent.camera, request(shot).until) == ("Left", "results")
    assert "begins elsewhere" in job_of(shot).notes


def test_buttons_of_starting_images_say_why_they_are_grey(waiting: SimpleNamespace, tmp_path: Path) -> None:
    job, row = job_of(waiting), rows(waiting)["Left"]

    def grey(operator: str, words: str) -> None:
        with bpy.context.temp_override(reangle_start=row):
            call = getattr(bpy.ops.reangle, operator)
            assert not call.poll(), operator
            with pytest.raises(RuntimeError, match=words):
                call()

    grey("revert_start", "Nothing of this image is yours")
    camera, row.camera = row.camera, None
    for operator in ("redo_start", "paint_start", "take_start", "replace_start", "edit_start", "anchor_start"):
        grey(operator, "'Left' has no camera object of its own")
    assert "no camera object" in " ".join(drawn(waiting, job))
    row.camera = camera
    state, job.state = job.state, "running"
    grey("redo_start", "is being made")
    job.state = state
    waiting.connection.reset()
    for operator in ("accept_start", "accept_starts", "redo_start", "replace_start"):
        grey(operator, "The backend is not running")
    with bpy.context.temp_override(reangle_start=row):
        assert bpy.ops.reangle.paint_start.poll()
        assert bpy.ops.reangle.paint_start(camera="Left") == {"FINISHED"}


def test_a_backend_that_is_gone_lets_the_render_wait_on(waiting: SimpleNamespace) -> None:
    job, data = job_of(waiting).name, Path(bpy.context.preferences.addons[MODULE].preferences.data_folder)
    end_backend(data)
    bpy.ops.reangle.accept_starts()
    settle(waiting.reangle)
    assert (job_of(waiting).name, job_of(waiting).waits, accepted(waiting)) == (job, True, {"Left", "In"})
    assert re.search("backend .*(cannot be reached|is not running)", job_of(waiting).message)
    bpy.ops.reangle.start_backend()
    waiting.main_thread.pump_until(lambda: waiting.connection.now.state == "on", timeout_s=120)
    bpy.ops.reangle.accept_starts()
    finish(waiting)
