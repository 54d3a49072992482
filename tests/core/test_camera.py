# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender camera -> contract -> Blender camera, and cameras that are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reangle_blender.core import camera
from reangle_blender.core.camera import CameraError, CameraSample, Lens, RenderSize
from reangle_blender.core.contract import CameraPath, from_json, to_json


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False)


lenses = st.builds(
    Lens,
    lens=numbers(5, 300),
    sensor_fit=st.sampled_from(["AUTO", "HORIZONTAL", "VERTICAL"]),
    sensor_width=numbers(4, 70),
    sensor_height=numbers(4, 70),
    shift_x=numbers(-2, 2),
    shift_y=numbers(-2, 2),
)
renders = st.builds(
    RenderSize,
    resolution_x=st.integers(32, 4096),
    resolution_y=st.integers(32, 4096),
    percentage=st.integers(4, 200),
    pixel_aspect_x=numbers(1, 2),
    pixel_aspect_y=numbers(1, 2),
).filter(lambda render: max(render.width, render.height) <= 8192)


@st.composite
def rotations(draw: st.DrawFn) -> np.ndarray:
    w, x, y, z = (draw(numbers(-1, 1)) for _ in range(4))
    length = np.sqrt(w * w + x * x + y * y + z * z)
    if length < 0.1:
        return np.eye(3)
    w, x, y, z = (value / length for value in (w, x, y, z))
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + 2 * w * cross + 2 * cross @ cross


@st.composite
def matrices(draw: st.DrawFn, *, uniform: bool) -> np.ndarray:
    scales = [draw(numbers(0.01, 100))] * 3 if uniform else [draw(numbers(0.01, 100)) for _ in range(3)]
    matrix = np.eye(4)
    matrix[:3, :3] = draw(rotations()) * scales
    matrix[:3, 3] = [draw(numbers(-50, 50)) for _ in range(3)]
    return matrix


@given(render=renders, per_frame=st.lists(lenses, min_size=1, max_size=3), data=st.data())
def test_round_trip_returns_the_same_camera(render: RenderSize, per_frame: list[Lens], data: st.DataObject) -> None:
    origin = data.draw(matrices(uniform=True))
    samples = [CameraSample(n, data.draw(matrices(uniform=False)), origin, lens) for n, lens in enumerate(per_frame)]
    path = from_json(CameraPath, to_json(camera.export_path("shot", 24, render, range(len(samples)), samples)))
    assert (path.width, path.height) == (render.width, render.height)
    for sample, world_from_camera, K in zip(
        samples, np.asarray(path.world_from_camera), np.asarray(path.K), strict=True
    ):
        lens = camera.lens_from_intrinsics(K, render, like=replace(sample.lens, lens=1, shift_x=0, shift_y=0))
        for name in ("lens", "shift_x", "shift_y"):
            assert getattr(lens, name) == pytest.approx(getattr(sample.lens, name), rel=1e-9, abs=1e-9)
        assert (lens.sensor_fit, lens.sensor_width) == (sample.lens.sensor_fit, sample.lens.sensor_width)
        back = camera.matrix_world_of(world_from_camera, origin)
        columns = sample.matrix_world[:3, :3]
        assert back[:3, :3] == pytest.approx(columns / np.linalg.norm(columns, axis=0), abs=1e-9)
        assert back[:3, 3] == pytest.approx(sample.matrix_world[:3, 3], abs=1e-9)


@given(origin=matrices(uniform=True), in_origin=matrices(uniform=False))
def test_moving_the_origin_with_its_camera_changes_nothing(origin: np.ndarray, in_origin: np.ndarray) -> None:
    alone = camera.world_from_camera_of(in_origin, np.eye(4))
    assert camera.world_from_camera_of(origin @ in_origin, origin) == pytest.approx(alone, abs=1e-7)
    parented = origin @ camera.matrix_in_origin(alone)
    assert camera.world_from_camera_of(parented, origin) == pytest.approx(alone, abs=1e-7)


@given(place=matrices(uniform=False))
def test_the_origin_is_placed_where_the_first_camera_is_the_given_one(place: np.ndarray) -> None:
    sample = CameraSample(1, place, np.eye(4), Lens(50.0))
    place[:3, :3] /= np.linalg.norm(place[:3, :3], axis=0)
    source = camera.export_source("Mine", RenderSize(64, 48), [sample])
    origin = camera.origin_matrix_of(np.asarray(source.world_from_camera[0]), 2.5)
    assert camera.matrix_world_of(np.eye(4), origin) == pytest.approx(place, abs=1e-6)


def test_known_cameras() -> None:
    landscape = RenderSize(1920, 1080)
    assert camera.intrinsics_from_lens(Lens(36), landscape) == pytest.approx(
        np.array([[1920, 0, 960], [0, 1920, 540], [0, 0, 1]])
    )
    shifted = camera.intrinsics_from_lens(Lens(18, shift_x=0.1, shift_y=0.2), landscape)
    assert shifted == pytest.approx(np.array([[960, 0, 960 - 192], [0, 960, 540 + 384], [0, 0, 1]]))
    portrait = camera.intrinsics_from_lens(Lens(36), RenderSize(1080, 1920))
    assert portrait[0, 0] == pytest.approx(1920)
    # Blender's default view, from the front: it looks along +y of the world, which is +z for OpenCV.
    front = np.array([[1, 0, 0, 5], [0, 0, -1, -7], [0, 1, 0, 2], [0, 0, 0, 1.0]])
    expected = np.eye(4)
    expected[:3, 3] = 5, -2, -7
    assert camera.world_from_camera_of(front, np.eye(4)) == pytest.approx(expected)
    assert RenderSize(100, 300, percentage=29).width == 29


def test_the_same_view_at_another_size() -> None:
    lens = Lens(35, shift_x=0.05, shift_y=-0.1)
    small = camera.intrinsics_from_lens(lens, RenderSize(360, 240))
    large = camera.intrinsics_from_lens(lens, RenderSize(720, 480))
    assert camera.scale_intrinsics(small, (360, 240), (720, 480)) == pytest.approx(large)


def test_a_working_size_of_another_aspect_crops_the_middle() -> None:
    K = camera.assumed_intrinsics(1280, 720, 90)
    assert np.allclose(K, [[640, 0, 640], [0, 640, 360], [0, 0, 1]])
    # 640 x 640 shows the middle 720 x 720 of 1280 x 720.
    filled = camera.fill_intrinsics(K, (1280, 720), (640, 640))
    middle = camera.scale_intrinsics(K - [[0, 0, 280], [0, 0, 0], [0, 0, 0]], (720, 720), (640, 640))
    assert filled == pytest.approx(middle)


def test_pixel_aspect_of_an_anamorphic_camera() -> None:
    K = np.array([[500.0, 0, 360], [0, 750, 240], [0, 0, 1]])
    with pytest.raises(CameraError, match=r"pixel aspect.*1\.5000"):
        camera.lens_from_intrinsics(K, RenderSize(720, 480))
    ax, ay = camera.pixel_aspect_for(K)
    render = RenderSize(720, 480, pixel_aspect_x=ax, pixel_aspect_y=ay)
    assert camera.intrinsics_from_lens(camera.lens_from_intrinsics(K, render), render) == pytest.approx(K)


SHEAR = np.eye(4)
SHEAR[0, 1] = 0.3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "ORTHO"}, "Camera 'shot' at frame 7 is orthographic"),
        ({"type": "PANO"}, "Camera 'shot' at frame 7 is panoramic"),
        ({"matrix_world": np.diag([1.0, 1, -1, 1])}, "Camera 'shot' at frame 7 is mirrored"),
        ({"matrix_world": SHEAR}, "Camera 'shot' at frame 7 is sheared"),
        ({"matrix_world": np.diag([1.0, 0, 1, 1])}, "Camera 'shot' at frame 7 has a scale of zero"),
        ({"matrix_world": np.full((4, 4), np.nan)}, "Camera 'shot' at frame 7 .* not finite"),
        ({"origin_matrix_world": np.diag([1.0, 2, 1, 1])}, "origin is scaled differently"),
        ({"origin_matrix_world": np.diag([-1.0, 1, 1, 1])}, "origin is mirrored"),
        ({"origin_matrix_world": SHEAR}, "origin is sheared"),
    ],
)
def test_cameras_that_cannot_be_exported_are_refused(change: dict, message: str) -> None:
    good = CameraSample(6, np.eye(4), np.eye(4), Lens(50))
    bad = replace(replace(good, frame=7), **change)
    with pytest.raises(CameraError, match=message) as caught:
        camera.export_path("shot", 24, RenderSize(64, 48), [0, 1], [good, bad])
    assert caught.value.advice


def test_lenses_and_sizes_out_of_range_are_refused() -> None:
    sample = CameraSample(1, np.eye(4), np.eye(4), Lens(50))
    for render in (RenderSize(64, 48, percentage=1), RenderSize(9000, 48)):
        with pytest.raises(CameraError, match="render size"):
            camera.export_path("shot", 24, render, [0], [sample])
    with pytest.raises(CameraError, match=r"0\.72 mm"):
        camera.lens_from_intrinsics(np.diag([10.0, 10, 1]), RenderSize(500, 500))
