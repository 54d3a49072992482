# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that show camera paths, and the colours of cameras."""

from __future__ import annotations

import numpy as np
import pytest

from reangle_blender.core import palette, path_lines


def poses(count: int, step: float) -> np.ndarray:
    matrices = np.tile(np.eye(4), (count, 1, 1))
    matrices[:, 0, 3] = step * np.arange(count)
    return matrices


def test_a_frame_is_what_the_camera_sees() -> None:
    K = np.array([[100.0, 0, 30], [0, 50, 20], [0, 0, 1]])
    points = path_lines.frame_points(K, 80, 40, 2.0)
    corners = points[1:5]
    assert np.ptp(corners[:, 0]) == pytest.approx(2.0 if 80 / 100 > 40 / 50 else np.ptp(corners[:, 0]))
    # Seen by the camera (x right, y up, looking along -z), each corner is a corner of the picture.
    x = K[0, 0] * corners[:, 0] / -corners[:, 2] + K[0, 2]
    y = K[1, 1] * corners[:, 1] / corners[:, 2] + K[1, 2]
    assert sorted(zip(x.round(6), y.round(6), strict=True)) == [(0, 0), (0, 40), (80, 0), (80, 40)]
    assert points[7, 1] > points[5, 1] > corners[:, 1].max(), "the triangle is above"
    turned = poses(2, 3.0)
    lines = path_lines.frame_lines(turned, points).reshape(2, -1, 3)
    assert np.allclose(lines[1] - lines[0], (3, 0, 0))


def test_a_path_passes_every_pose_and_a_still_camera_has_none() -> None:
    lines = path_lines.way_lines(poses(4, 1.0), 1.0)
    assert lines[:, 0].tolist() == [0, 1, 1, 2, 2, 3]
    assert len(path_lines.way_lines(poses(4, 1e-7), 1.0)) == 0
    assert len(path_lines.way_lines(poses(1, 1.0), 1.0)) == 0


@pytest.mark.parametrize(
    ("count", "keys", "expected"),
    [
        (49, (0.0, 24.0, 48.0), [0, 24, 48]),
        (49, (-5.0, 12.4, 48.0, 60.0), [12, 48]),
        (25, (), [0, 10, 20]),
        (25, tuple(map(float, range(25))), [0, 10, 20]),
        (1, (0.0,), [0]),
    ],
)
def test_ticks_are_at_keys_or_at_every_tenth_frame(count: int, keys: tuple[float, ...], expected: list[int]) -> None:
    assert path_lines.tick_frames(count, keys) == expected


def test_long_paths_are_sampled_with_their_ends_and_ticks() -> None:
    frames = path_lines.sample_frames(4096, [0, 1234, 4095])
    assert (frames[0], frames[-1]) == (0, 4095)
    assert 1234 in frames
    assert len(frames) < 300
    assert path_lines.sample_frames(3).tolist() == [0, 1, 2]


def test_each_new_camera_gets_the_colour_that_the_fewest_have() -> None:
    taken: list[palette.Color] = []
    for _ in palette.COLORS:
        taken.append(palette.next_color(taken))
    assert len(set(taken)) == len(palette.COLORS)
    assert palette.next_color(taken[1:]) == taken[0]
    # Neither dark nor light: seen on a dark and on a light view.
    for color in palette.COLORS:
        luminance = np.dot([0.2126, 0.7152, 0.0722], np.power(color, 2.2))
        assert 0.15 < luminance < 0.45
