# SPDX-License-Identifier: GPL-3.0-or-later
"""Reangle without a window: the blocking calls, the documented example, and every button."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import bpy
import numpy as np
import pytest
import tiny

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scripting.md"
NEEDS_WINDOW = {"copy_traceback", "open_preferences", "open_system_preferences"}


@pytest.mark.slow
def test_the_documented_example_runs(
    desk: SimpleNamespace, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    code = PAGE.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    desk.connection.reset()
    monkeypatch.setattr(sys, "argv", ["blender", "-b", "-P", "reshoot.py", "--", str(clip), str(tmp_path)])
    exec(compile(code, str(PAGE), "exec"), {"__name__": "__main__"})
    printed = capsys.readouterr().out
    assert f"{tiny.FRAMES} frames of {tiny.WIDTH} x {tiny.HEIGHT}" in printed
    assert "%" in printed
    scene = bpy.context.scene
    for name in ("Left", "Near"):
        rows = (tmp_path / f"{name}.chan").read_text().splitlines()
        assert len(rows) == tiny.FRAMES
        assert scene.objects[name].reangle.render
    edit = desk.state.of(scene).edit
    assert sorted(strip.name for strip in desk.reangle("compat").strips_of(edit)) == ["Cameras", "Clip", "Left", "Near"]
    assert (tmp_path / "reshot.blend").is_file()


def test_every_call_of_the_page_is_there_and_every_call_is_on_the_page(reangle: Callable[[str], ModuleType]) -> None:
    api, page = reangle("api"), PAGE.read_text(encoding="utf-8")
    calls = {name for name in api.__all__ if not isinstance(getattr(api, name), type)}
    assert {line[3:].partition("(")[0] for line in page.splitlines() if line.startswith("| `")} == calls
    for name in calls:
        assert getattr(api, name).__doc__


def test_calls_return_what_was_made_and_errors_say_why(desk: SimpleNamespace, clip: Path, tmp_path: Path) -> None:
    api = desk.reangle("api")

    def refused(words: str, call: Callable[..., object], *arguments: object, **named: object) -> None:
        with pytest.raises(api.Error, match=words) as caught:
            call(*arguments, **named)
        assert "Error:" not in str(caught.value)

    assert api.connect()
    refused("Import a clip first", api.add_camera)
    refused("no imported clip", api.clip)
    refused("no imported clip", api.submit)
    refused("no camera 'magic'. Choose one of .*solve", api.import_clip, clip, camera="magic")
    refused("There is no file", api.import_clip, tmp_path / "gone.mp4")
    depth = clip.parents[1] / "depth"
    shot = api.import_clip(clip, fps=tiny.FPS, frames=3, camera="files", depth="files", files=depth)
    assert (shot.frames, shot.width, shot.fps, shot.first_frame) == (3, tiny.WIDTH, tiny.FPS, 1)
    assert shot.camera.parent == shot.origin
    assert any(note.startswith("Camera: ") for note in shot.notes)
    refused("outside 0 to 180", api.add_move, "orbit-left", 4000.0)
    refused("orbit-back", api.add_move, "orbit-back")
    refused("No results", api.results)
    camera = api.add_move("orbit-left", 5, name="Left")
    thing = bpy.data.objects.new("Thing", None)
    shot.camera.users_collection[0].objects.link(thing)
    thing.location = (0.5, 3, 0.25)
    around = api.add_move("orbit-left", 5, name="Around", focus=thing, track=True)
    assert [one.target for one in around.constraints] == [thing]
    refused("No object is active", api.add_move, "orbit-left", focus=camera)
    bpy.data.objects.remove(around)
    api.write_path(tmp_path / "left.json", camera)
    copy, notes = api.read_path(tmp_path / "left.json", name="Copy")
    assert notes == []
    told: list[tuple[str, float]] = []
    results = api.render([copy, camera], engine="preview", progress=lambda *now: told.append(now))
    assert [result.name for result in results] == ["Copy", "Left"]
    assert [result.camera for result in results] == [copy, camera]
    assert {len(result.frames) for result in results} == {3}
    same = [np.fromfile(frames[1], np.uint8) for frames in (result.frames for result in results)]
    assert np.array_equal(*same), "a path that comes back renders the same picture"
    assert told
    assert told[-1][0] == "done" or told[-1][1] == 1
    assert api.results() == results
    refused("no engine 'magic'", api.submit, engine="magic")
    refused("has no job 'x'", api.wait, "x")
    with pytest.raises(TimeoutError, match=r"Job .* not done after 0 s"):
        api.wait(job := api.submit([camera]), timeout_s=0)
    api.cancel(job)
    with pytest.raises(api.JobError, match="canceled") as caught:
        api.wait(job)
    assert caught.value.job == job


def test_every_button_works_without_a_window(reangle: Callable[[str], ModuleType], tmp_path: Path) -> None:
    """Pressed with nothing to work on, each is done or says in words what it needs; none asks in a dialog."""
    reangle("preferences").get().data_folder = str(tmp_path)
    operators = [name for name in dir(bpy.ops.reangle) if not name.startswith("_")]
    assert len(operators) >= 33
    for name in operators:
        call = getattr(bpy.ops.reangle, name)
        try:
            assert call() == {"FINISHED"}, name
            continue
        except RuntimeError as error:
            said = str(error).strip().partition("\nLocation:")[0]
        assert "Traceback" not in said, textwrap.indent(said, name)
        assert "failed, context is incorrect" not in said, name
        assert len(said.rpartition(".poll() ")[2].split()) > 3, said
        assert ("window" in said) == (name in NEEDS_WINDOW), said
    # Start Backend found none, and says so later.
    connection = reangle("exchange.connection")
    reangle("exchange.main_thread").pump_until(lambda: connection.now.state == "failed", timeout_s=60)
    connection.reset()
