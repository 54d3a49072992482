# SPDX-License-Identifier: GPL-3.0-or-later
"""The point under the mouse is the one that is seen there."""

from __future__ import annotations

import time

import numpy as np
import pytest

from reangle_blender.core.picking import point_under

SIZE = (800.0, 400.0)
NEAR, FAR = 0.1, 100.0
PERSPECTIVE = np.array(
    [[1, 0, 0, 0], [0, 2, 0, 0], [0, 0, -(FAR + NEAR) / (FAR - NEAR), -2 * FAR * NEAR / (FAR - NEAR)], [0, 0, -1, 0]]
)
"""Looks along -z, 90 degrees wide: x = z is at the right edge."""
ORTHOGRAPHIC = np.diag([1 / 4, 1 / 2, -2 / FAR, 1.0]) + np.array([[0] * 4, [0] * 4, [0, 0, 0, -1], [0] * 4])
"""Looks along -z, 8 wide and 4 high."""


def on_screen(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """n x 2 in pixels."""
    clip = np.c_[points, np.ones(len(points))] @ matrix.T
    return (clip[:, :2] / clip[:, 3:] + 1) / 2 * SIZE


@pytest.mark.parametrize("matrix", [PERSPECTIVE, ORTHOGRAPHIC], ids=["perspective", "orthographic"])
def test_the_foremost_of_the_points_under_the_mouse_is_picked(matrix: np.ndarray) -> None:
    points = np.array([[1, 0.5, -9], [1 / 3, 0.5 / 3, -3], [0.5, 0.2, -4], [1, 0.5, 9]], np.float32)
    if matrix is ORTHOGRAPHIC:
        points[1, :2] = points[0, :2]
    mouse = tuple(on_screen(points[:1], matrix)[0])
    assert point_under(points, matrix, SIZE, mouse, drawn=3) == 1
    assert point_under(points[[0, 2, 3]], matrix, SIZE, mouse, drawn=3) == 0, "what is behind the view is not seen"


def test_beside_the_points_the_nearest_on_the_screen_is_picked_within_reach() -> None:
    points = np.array([[0, 0, -2], [0.5, 0, -50]], np.float32)
    x, y = on_screen(points, PERSPECTIVE)[1]
    assert point_under(points, PERSPECTIVE, SIZE, (x + 1.4, y), drawn=3) == 1
    assert point_under(points, PERSPECTIVE, SIZE, (x + 1.6, y), drawn=3) == 1
    assert point_under(points, PERSPECTIVE, SIZE, (x + 20, y), drawn=3) == 1
    assert point_under(points, PERSPECTIVE, SIZE, (x + 25, y), drawn=3) is None
    assert point_under(points, PERSPECTIVE, SIZE, (x - 20, y + 17), drawn=3) == 0
    assert point_under(points[:0], PERSPECTIVE, SIZE, (x, y)) is None


def test_points_outside_the_views_depth_are_not_picked() -> None:
    points = np.array([[0, 0, -0.05], [0, 0, -200], [0, 0, -99]], np.float32)
    assert point_under(points, PERSPECTIVE, SIZE, (400, 200)) == 2
    assert point_under(points[:2], PERSPECTIVE, SIZE, (400, 200)) is None


def test_200_000_points_take_less_than_10_ms() -> None:
    points = np.random.default_rng(0).uniform((-3, -3, -9), (3, 3, -1), (200_000, 3)).astype(np.float32)
    seconds = []
    for x in range(100, 700, 30):
        start = time.perf_counter()
        found = point_under(points, PERSPECTIVE, SIZE, (x, 200), drawn=3)
        seconds.append(time.perf_counter() - start)
        assert found is not None
        assert np.abs(on_screen(points[[found]], PERSPECTIVE)[0] - (x, 200)).max() <= 24
    assert min(seconds) < 0.01
