# SPDX-License-Identifier: Apache-2.0
"""Clips of any length and aspect ratio with a model of one length and one aspect ratio."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reangle.contract import CameraPath, from_data
from reangle.video_models.model_view import ModelView
from reangle.video_models.windows import plan_windows

GROUP = 4


@given(st.integers(1, 400), st.integers(1, 12))
def test_windows_cover_every_frame_and_overlap(count: int, groups: int) -> None:
    windows = plan_windows(count, GROUP * groups + 1, GROUP)
    covered = set()
    for index, start in enumerate(windows.starts):
        assert start % GROUP == 0
        held = windows.is_held(index)
        covered |= set(windows.frames(index)[~held].tolist())
        assert (windows.frames(index)[held] == count - 1).all()
        assert not held[0]
    assert covered == set(range(count))
    steps = set(np.diff(windows.starts).tolist())
    assert steps <= {GROUP * max(1, groups - 2)}


@given(st.integers(1, 120), st.integers(1, 7))
def test_latents_of_all_windows_make_the_whole_clip(count: int, groups: int) -> None:
    windows = plan_windows(count, GROUP * groups + 1, GROUP)
    places = list(range(groups + 1))
    for index, start in list(enumerate(windows.starts))[1:]:
        own = [start // GROUP + one for one in range(groups + 1)]
        shared = windows.shared(index)
        assert own[1 : 1 + shared] == places[len(places) - shared :]
        places += own[1 + shared :]
    assert windows.shared(0) == 0
    assert places == list(range(windows.starts[-1] // GROUP + groups + 1))


@pytest.mark.parametrize(("count", "length"), [(10, 24), (10, 1), (0, 25)])
def test_impossible_windows_are_refused(count: int, length: int) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        plan_windows(count, length, GROUP)


@given(st.integers(16, 2000), st.integers(16, 2000), st.floats(-3, 3), st.floats(-2, 2))
@settings(deadline=None)
def test_point_keeps_its_position_in_the_requested_image(width: int, height: int, x: float, y: float) -> None:
    view = ModelView.of(width, height, 224, 128)
    K = [[width * 0.9, 0, width * 0.45], [0, width * 0.9, height / 2], [0, 0, 1]]
    path = from_data(
        CameraPath,
        {
            "name": "x",
            "fps": 24,
            "width": width,
            "height": height,
            "frames": [0],
            "world_from_camera": [np.eye(4).tolist()],
            "K": [K],
        },
    )
    point = np.array([x, y, 4.0])
    camera, model = (np.asarray(one.K)[0] @ point for one in (path, view.path(path)))
    columns, rows = camera[:2] / camera[2], model[:2] / model[2]
    left, top = view.rim
    inner = (rows - (left, top)) / (view.inner_width, view.inner_height)
    np.testing.assert_allclose(inner, columns / (width, height), atol=1e-9)
    assert 224 in (view.inner_width, view.inner_width + 2 * left)
    assert min(left, top) <= 1


def test_image_returns_at_the_requested_size_without_padding() -> None:
    view = ModelView.of(480, 480, 224, 128)
    assert (view.inner_width, view.inner_height) == (128, 128)
    picture = np.zeros((128, 224, 3), np.uint8)
    picture[:, 48:176] = 200
    assert (view.cut(picture) == 200).all()
    assert view.cut(picture).shape == (480, 480, 3)
