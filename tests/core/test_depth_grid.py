# SPDX-License-Identifier: GPL-3.0-or-later
"""The depth mesh's grid, and the depth files that it is read from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reangle_blender.core.camera import BLENDER_FROM_CV, project
from reangle_blender.core.depth_grid import BRIDGE, HOLE, SOLID, cells_of, fill_gaps, make_grid
from reangle_blender.core.errors import UserError
from reangle_blender.core.exr import read_depth

K = np.array([[40.0, 0, 16], [0, 40.0, 12], [0, 0, 1]])


def floor() -> np.ndarray:
    """24 x 32 float32: a plane at a grazing angle, from 33 away above to 1.4 below; each row is up to 2 times as far as
    the next."""
    return np.repeat(1 / (0.03 * np.arange(1, 25))[:, None], 32, axis=1).astype(np.float32)


def test_a_grazing_floor_is_whole_and_an_edge_is_cut() -> None:
    depth = floor()
    assert (cells_of(depth) == SOLID).all()
    depth[4:20, 10:20] = 2.0
    depth[0, 31] = 0
    cells = cells_of(depth)
    expected = np.full((23, 31), SOLID)
    expected[3:20, 9:20] = BRIDGE
    expected[4:19, 10:19] = SOLID
    expected[0, 30] = HOLE
    # The plane passes through the thing around row 16, and there is no edge.
    assert (cells == expected)[:14].all()
    assert (cells == expected)[18:].all()


def test_gaps_get_the_farther_side() -> None:
    depth = np.array([[2, 0, 0, 5], [0, 0, 0, 3], [0, 0, 0, 0], [1, 0, 1, 0]], np.float32)
    assert fill_gaps(depth).tolist() == [[2, 5, 5, 5], [3, 3, 3, 3], [3, 3, 3, 3], [1, 1, 1, 1]]
    assert not fill_gaps(np.zeros((2, 2), np.float32)).any()


@pytest.mark.parametrize("every", [1, 2, 5])
def test_vertices_are_seen_where_their_pixels_are(every: int) -> None:
    pose = np.eye(4)
    pose[:3, :3] = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]
    pose[:3, 3] = 1, 2, 3
    depth = floor()
    grid = make_grid(depth, K, pose, None, 0, every=every)
    points = grid.co @ BLENDER_FROM_CV[:3, :3]
    pixels = project(points, K, pose).reshape(grid.rows, grid.columns, 2)
    inner = pixels[1:-1, 1:-1]
    assert np.abs(inner - np.floor(inner) - 0.5).max() < 1e-3
    row, column = inner[2, 1].astype(int)[::-1]
    seen = (np.linalg.inv(pose) @ [*points.reshape(grid.rows, grid.columns, 3)[3, 2], 1])[2]
    assert seen == pytest.approx(depth[row, column], rel=1e-5)
    assert pixels[..., 0].min() < -1
    assert pixels[..., 0].max() > 33
    assert len(grid.cells) == (grid.rows - 1) * (grid.columns - 1)


def test_a_sky_does_not_stretch_the_mesh() -> None:
    depth = floor()
    depth[:3] = 1e10
    grid = make_grid(depth, K, np.eye(4), None, 0)
    assert np.isfinite(grid.co).all()
    assert np.abs(grid.co).max() < 1e5


@pytest.mark.parametrize("damage", ["missing", "cut", "text"])
def test_damaged_depth_is_told_by_name(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "000001.exr"
    if damage != "missing":
        file.write_bytes(b"v/1\1\2\0\0\0channels\0chlist\0" if damage == "cut" else b"no picture at all")
    with pytest.raises(UserError, match=r"000001\.exr cannot be read"):
        read_depth(file)
