# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a button is grey: the reason that Blender shows is the true one, and stands in the panel, too."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import bpy
import pytest
from conftest import choose_clip
from test_panels import drawn_by


def is_grey(desk: SimpleNamespace, operator: str, panel: str, words: str, part: str = "") -> None:
    """Poll, script and panel say the same. part: of the panel's module, if it is another panel than the first."""
    call = getattr(bpy.ops.reangle, operator)
    assert not call.poll()
    with pytest.raises(RuntimeError) as raised:
        call()
    said = str(raised.value)
    assert words in said
    drawn = "".join(drawn_by(getattr(desk.reangle(f"panels.{panel}"), f"REANGLE_PT_{part or panel}")))
    reason = said.partition("poll() ")[2].partition("\n")[0]
    # The panel wraps it.
    assert "".join(drawn.split()).count("".join(reason.split())) == 1


def test_moves_and_import_say_why_they_are_grey(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    known = shot.state.of(scene)
    known.schema += 1
    for operator in ("add_camera", "apply_move", "import_clip", "render"):
        with pytest.raises(RuntimeError, match="newer Reangle"):
            getattr(bpy.ops.reangle, operator)()
    known.schema -= 1
    bpy.data.objects.remove(known.origin)
    is_grey(shot, "add_camera", "cameras", "was deleted")
    is_grey(shot, "render", "render", "was deleted")
    bpy.context.window.scene = bpy.data.scenes.new("empty")
    is_grey(shot, "add_camera", "cameras", "Import a clip first")


def test_import_says_what_it_needs(desk: SimpleNamespace, clip: Path, tmp_path: Path) -> None:
    settings = desk.state.of(bpy.context.scene).clip
    is_grey(desk, "import_clip", "clip", "No clip is chosen.")
    settings.path = str(tmp_path / "gone.mp4")
    is_grey(desk, "import_clip", "clip", f"There is no file {tmp_path / 'gone.mp4'}.")
    choose_clip(desk, clip)
    settings.geometry_folder = ""
    is_grey(desk, "import_clip", "clip", "No folder is chosen for Files.")
    settings.geometry_folder = str(tmp_path / "none")
    is_grey(desk, "import_clip", "clip", f"There is no folder {tmp_path / 'none'}.")
    settings.camera = "given"
    settings.geometry_folder = str(tmp_path)
    is_grey(desk, "import_clip", "clip", "No camera of this scene is chosen as My Camera.")
    settings.camera = "files"
    settings.depth_name = "of-a-later-version"
    is_grey(desk, "import_clip", "clip", "does not offer")
    choose_clip(desk, clip)
    assert bpy.ops.reangle.import_clip.poll()
    assert bpy.ops.reangle.import_clip() == {"FINISHED"}
    is_grey(desk, "import_clip", "clip", "An import is running.", part="import")
    is_grey(desk, "render", "render", "The clip's depth is not ready yet.")
    desk.connection.now.state, desk.connection.now.backend = "starting", None
    is_grey(desk, "import_clip", "clip", "The backend is starting.", part="import")
    desk.connection.reset()
    is_grey(desk, "import_clip", "clip", "The backend is not running.", part="import")
    is_grey(desk, "render", "render", "The backend is not running.")


def test_a_script_without_a_window_gets_long_reasons_whole(desk: SimpleNamespace, tmp_path: Path) -> None:
    path = tmp_path / f"{'very ' * 40}long name.mp4"
    desk.state.of(bpy.context.scene).clip.path = str(path)
    with pytest.raises(RuntimeError) as raised:
        bpy.ops.reangle.import_clip()
    assert f"There is no file {path}. Choose the clip again." in str(raised.value)


def test_render_says_what_it_needs(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    known = shot.state.of(scene)
    is_grey(shot, "render", "render", "No camera is ticked.")
    bpy.ops.reangle.add_camera(name="Side")
    assert bpy.ops.reangle.render.poll()
    scene.objects["Side"].reangle.render = False
    is_grey(shot, "render", "render", "No camera is ticked.")
    scene.timeline_markers.new("A", frame=1).camera = scene.objects["Side"]
    known.use_markers = True
    assert bpy.ops.reangle.render.poll()
    check_weights(shot)
    known.engine = "preview"
    assert bpy.ops.reangle.render.poll()
    request, known.shot_request = known.shot_request, ""
    is_grey(shot, "render", "render", "Import it again")
    known.shot_request = request
    bpy.context.window.scene = bpy.data.scenes.new("empty")
    is_grey(shot, "render", "render", "There is no imported clip in this scene.")


def check_weights(shot: SimpleNamespace) -> None:
    """Weights that are missing, that this machine cannot run, and that are for another engine."""
    known, reported = shot.state.of(bpy.context.scene), shot.connection.now.capabilities
    known.engine = "reangle"
    assert known.learning.suite == "auto"
    assert bpy.ops.reangle.render.poll(), "the small weights come with the backend"
    known.learning.suite = "mini"
    known.engine = "inpaint"
    is_grey(shot, "render", "render", "Mini is for the engine Reangle.")
    known.learning.suite = "auto"
    # The backend's own suites, as it reports them for machines with and without a graphics card.
    for problem, words in (
        ("", "Wan 2.1 VACE 1.3B is not on this machine: 19.0 GB, Apache-2.0."),
        ("It needs a graphics card of 13 GB, but there is none here.", "cannot run on this machine. It needs a"),
    ):
        suites = [replace(suite, problem=problem if suite.size > 1e9 else "") for suite in reported.suites]
        shot.connection.now.capabilities = replace(reported, suites=tuple(suites))
        with pytest.raises(RuntimeError, match=re.escape(words)):
            bpy.ops.reangle.render()
    drawn = " ".join(drawn_by(shot.reangle("panels.render").REANGLE_PT_render))
    assert drawn.count("It needs a graphics card") == 1
    shot.connection.now.capabilities = reported


def test_a_backend_that_cannot_start_says_why(reangle: Callable[[str], ModuleType], tmp_path: Path) -> None:
    connection, main_thread = reangle("exchange.connection"), reangle("exchange.main_thread")
    reangle("preferences").get().data_folder = str(tmp_path)
    bpy.ops.reangle.start_backend()
    main_thread.pump_until(lambda: connection.now.state == "failed", timeout_s=60)
    is_grey(SimpleNamespace(reangle=reangle), "import_clip", "clip", connection.now.failure.message)


def test_buttons_without_what_they_need_say_so(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    job = shot.state.of(scene).jobs[0].name
    for call, words in (
        (lambda: bpy.ops.reangle.cancel_job(), "No job of this scene is running"),
        (lambda: bpy.ops.reangle.cancel_job(job="0" * 32), "has no job '00000"),
        (lambda: bpy.ops.reangle.remove_job(), "No job is named"),
        (lambda: bpy.ops.reangle.show_traceback(), "No job is named"),
        (lambda: bpy.ops.reangle.show_traceback(job=job), "There are no details of shot_0001"),
        (lambda: bpy.ops.reangle.fetch_results(job="0" * 32), "No job is chosen"),
        (lambda: bpy.ops.reangle.look_through(), "No camera is named"),
        (lambda: bpy.ops.reangle.look_through(camera="gone"), "no camera 'gone'"),
        (lambda: bpy.ops.reangle.look_through(camera=shot.state.of(scene).origin.name), "no camera"),
        (lambda: bpy.ops.reangle.tick_camera(), "No camera is named"),
        (lambda: bpy.ops.reangle.download_weights(), "No weights are named"),
        (lambda: bpy.ops.reangle.cancel_download(weights="x"), "No download of x is under way"),
        (lambda: bpy.ops.reangle.apply_move(new=False), "not a camera"),
    ):
        bpy.context.view_layer.objects.active = None
        with pytest.raises(RuntimeError, match=words):
            call()
    shot.connection.reset()
    with pytest.raises(RuntimeError, match="The backend is not running"):
        bpy.ops.reangle.stop_backend()
