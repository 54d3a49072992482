# SPDX-License-Identifier: GPL-3.0-or-later
"""What new cameras see of the clip, told before they are rendered, against what the render then shows."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
import tiny


@pytest.fixture
def measured(shot: SimpleNamespace) -> SimpleNamespace:
    """A camera beside the clip's, measured."""
    bpy.ops.reangle.apply_move(move="truck-left", amount=30, name="Side")
    measure(shot)
    return shot


def measure(desk: SimpleNamespace) -> None:
    coverage = desk.reangle("scene.coverage")
    assert bpy.ops.reangle.measure_coverage() == {"FINISHED"}
    camera = bpy.data.objects["Side"]
    desk.main_thread.pump_until(
        lambda: coverage.problem_of(camera) or (coverage.of(camera) is not None and coverage.of(camera).is_complete),
        timeout_s=120,
    )
    assert coverage.problem_of(camera) == ""


def manifest(desk: SimpleNamespace) -> tuple[dict, Path]:
    folder = Path(desk.state.of(bpy.context.scene).jobs[-1].cameras["Side"].folder)
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8")), folder


def render(desk: SimpleNamespace) -> None:
    from conftest import wait_for_jobs

    assert bpy.ops.reangle.render() == {"FINISHED"}
    wait_for_jobs(desk)


def test_coverage_is_that_of_the_render(measured: SimpleNamespace) -> None:
    scene, camera = bpy.context.scene, bpy.data.objects["Side"]
    coverage = measured.reangle("scene.coverage")
    known = coverage.of(camera)
    assert known.unseen.max() > 0.02
    found = coverage.summary(scene, camera)
    assert bpy.ops.reangle.least_seen(camera="Side") == {"FINISHED"}
    assert scene.frame_current == found.worst_frame
    render(measured)
    told = manifest(measured)[0]["coverage_by_frame"]
    assert len(told) == tiny.FRAMES
    # The tiny clip is smaller than the pictures that are measured, so that nothing differs.
    np.testing.assert_allclose(known.seen, [frame["visible"] for frame in told], atol=1e-6)
    np.testing.assert_allclose(known.elsewhere, [frame["remembered"] for frame in told], atol=1e-6)


def test_only_cameras_that_changed_are_measured_again(measured: SimpleNamespace) -> None:
    lookahead, scene = measured.reangle("exchange.lookahead"), bpy.context.scene
    camera = bpy.data.objects["Side"]
    assert lookahead.measure(scene, [camera]) == 0
    camera.name = "Renamed"
    assert lookahead.measure(scene, [camera]) == 0
    camera.data.lens *= 1.5
    assert lookahead.measure(scene, [camera]) == 1
    measured.main_thread.pump_until(lambda: not measured.main_thread.is_busy(), timeout_s=60)


def test_picture_ahead_is_the_frame_before_its_holes_are_filled(measured: SimpleNamespace, tmp_path: Path) -> None:
    scene, camera = bpy.context.scene, bpy.data.objects["Side"]
    picture, lookahead = measured.reangle("scene.camera_picture"), measured.reangle("exchange.lookahead")
    scene.frame_set(3)
    depsgraph = bpy.context.evaluated_depsgraph_get()
    path = picture.path_now(scene, camera, depsgraph)
    lookahead.picture(scene, "key", path)
    measured.main_thread.pump_until(lambda: picture._shown is not None or picture.problem(), timeout_s=60)
    assert picture.problem() == ""
    image = picture._shown[1]["PIXELS"]
    render(measured)
    folder = manifest(measured)[1]
    warped = read_bytes(folder / "warped" / "000003.png")
    seen = (read_bytes(folder / "visibility" / "000003.png") + read_bytes(folder / "memory" / "000003.png"))[..., 0] > 0
    linear = image[seen][:, :3]
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    np.testing.assert_array_equal(np.rint(255 * encoded), warped[seen][:, :3])
    assert (~seen).any()
    assert len(np.unique(image[~seen], axis=0)) == 1
    scene.frame_set(tiny.FRAMES + 5)
    assert picture.path_now(scene, camera, bpy.context.evaluated_depsgraph_get()) is None


def read_bytes(path: Path) -> np.ndarray:
    """The image's stored values, height x width x 4, rows from the bottom."""
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name = "Non-Color"
    width, height = image.size
    values = np.rint(255 * np.array(image.pixels[:])).reshape(height, width, 4)
    bpy.data.images.remove(image)
    return values


def test_what_cannot_be_measured_says_why(measured: SimpleNamespace) -> None:
    coverage, camera = measured.reangle("scene.coverage"), bpy.data.objects["Side"]
    camera.data.type = "ORTHO"
    assert bpy.ops.reangle.measure_coverage() == {"FINISHED"}
    assert "orthographic" in coverage.problem_of(camera)
    assert coverage.of(camera) is None
    camera.data.type = "PERSP"
    measure(measured)


def test_paths_have_the_colours_of_their_coverage(measured: SimpleNamespace) -> None:
    scene, camera = bpy.context.scene, bpy.data.objects["Side"]
    drawing, coverage = measured.reangle("scene.path_drawing"), measured.reangle("scene.coverage")
    colour_of = measured.reangle("core.coverage").colour_of
    drawing.remember(scene, [camera])
    lines, colours = drawing.coverage_band(scene, camera)
    assert lines.shape == (2 * (tiny.FRAMES - 1), 3)
    unseen = coverage.of(camera).unseen
    assert unseen.min() < unseen.max()
    np.testing.assert_allclose(colours[0], colour_of(unseen[0]))
    np.testing.assert_allclose(colours[-1], colour_of(unseen[-1]))
    coverage.forget()
    assert len(drawing.coverage_band(scene, camera)[0]) == 0
