# SPDX-License-Identifier: GPL-3.0-or-later
"""Three points become the floor."""

from __future__ import annotations

import numpy as np
import pytest

from reangle_blender.core.errors import UserError
from reangle_blender.core.floor import world_on_floor

POINTS = np.array([[1.0, 2, 3], [1, 5, 3], [4, 2, 7]])


def moved(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:3, :3].T + matrix[:3, 3]


@pytest.mark.parametrize("above", [[0.0, 0, 9], [9.0, 0, 0]])
@pytest.mark.parametrize("along", ["X", "Y"])
def test_the_points_lie_on_the_floor(along: str, above: list[float]) -> None:
    matrix = world_on_floor(POINTS, np.array(above), along=along, length=1.5)
    on_floor = moved(matrix, POINTS)
    axis = [1.5, 0, 0] if along == "X" else [0, 1.5, 0]
    assert on_floor[:2] == pytest.approx(np.array([[0, 0, 0], axis]), abs=1e-12)
    assert on_floor[2, 2] == pytest.approx(0, abs=1e-12)
    assert moved(matrix, np.array([above]))[0, 2] > 0
    assert np.linalg.det(matrix[:3, :3]) == pytest.approx(0.5**3), "a turn without mirroring, at half the size"


def test_without_a_length_the_scale_stays() -> None:
    matrix = world_on_floor(POINTS, np.zeros(3))
    assert np.linalg.norm(moved(matrix, POINTS)[1]) == pytest.approx(3)


def test_points_on_a_line_are_refused() -> None:
    for third in ([1.0, 9, 3], [1.0, 2, 3]):
        with pytest.raises(UserError, match="on one line"):
            world_on_floor(np.array([*POINTS[:2], third]), np.zeros(3))
    with pytest.raises(UserError, match="on one line"):
        world_on_floor(np.array([POINTS[0], POINTS[0], POINTS[2]]), np.zeros(3))
