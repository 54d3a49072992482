# SPDX-License-Identifier: GPL-3.0-or-later
"""The point cloud in Blender's axes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reangle_blender.core.camera import BLENDER_FROM_CV, project
from reangle_blender.core.cloud import Cloud, Filters
from reangle_blender.core.errors import UserError
from reangle_blender.core.keys import rotation_xyz


def arrays(frames: int = 2, height: int = 6, width: int = 8) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    world_from_camera = np.tile(np.eye(4), (frames, 1, 1))
    world_from_camera[:, :3, :3] = rotation_xyz(random.uniform(-1, 1, (frames, 3)))
    world_from_camera[:, :3, 3] = random.uniform(-2, 2, (frames, 3))
    depth = random.uniform(1, 5, (frames, height, width)).astype(np.float32)
    depth[0, 0, :3] = 0
    return {
        "depth": depth,
        "rgb": random.integers(0, 256, (frames, height, width, 3), dtype=np.uint8),
        "K": np.tile(np.array([[9.0, 0, 3.5], [0, 8, 3.2], [0, 0, 1]]), (frames, 1, 1)) + np.eye(3) * [1, 1, 0],
        "world_from_camera": world_from_camera,
        "dynamic": random.random((frames, height, width)) > 0.5,
    }


def test_points_project_to_the_centres_of_their_pixels(tmp_path: Path) -> None:
    given = arrays()
    np.savez_compressed(tmp_path / "cloud.npz", **given)
    cloud = Cloud.load(tmp_path / "cloud.npz")
    assert (cloud.frame_count, cloud.size, cloud.capacity) == (2, (8, 6), 48)
    for frame in range(2):
        points = cloud.frame(frame)
        rows, columns = np.nonzero(given["depth"][frame])
        in_cv = points.co @ BLENDER_FROM_CV[:3, :3]
        pixels = project(in_cv, given["K"][frame], given["world_from_camera"][frame])
        assert pixels == pytest.approx(np.column_stack([columns, rows]) + 0.5, abs=1e-4)
        camera_from_world = np.linalg.inv(given["world_from_camera"][frame])
        assert in_cv @ camera_from_world[2, :3] + camera_from_world[2, 3] == pytest.approx(
            given["depth"][frame][rows, columns], rel=1e-5
        )
        assert (points.rgb == given["rgb"][frame][rows, columns]).all()
        assert (points.dynamic == given["dynamic"][frame][rows, columns]).all()
        assert points.co.dtype == np.float32


def test_filters_leave_out_uncertain_points_and_ramps() -> None:
    given = arrays()
    shape = given["depth"].shape
    confidence, edges = np.full(shape, 200, np.uint8), np.zeros(shape, np.uint8)
    confidence[0, 1], edges[0, 2] = 50, 0b10
    cloud = Cloud(**given, confidence=confidence, edges=edges, edge_levels=np.array([0.6, 0.8, 1.0]))

    def empty_rows(edge: float, confidence: float) -> list[int]:
        return np.flatnonzero(~cloud.filtered(0, Filters(edge, confidence)).any(axis=1)).tolist()

    assert empty_rows(0.5, 0.0) == empty_rows(0.6, 0.15) == empty_rows(1.0, 0.0) == []
    assert empty_rows(0.5, 0.3) == [1]
    assert empty_rows(0.75, 0.3) == [1, 2]
    assert len(cloud.frame(0, filters=Filters(0.5, 0.3)).co) == 48 - 3 - 8
    assert len(cloud.frame(0, filters=Filters(0.5, 0.9), pad_to=5).co) == 5
    assert len(Cloud(**given).frame(0, filters=Filters(1.0, 1.0)).co) == 45, "an older backend's cloud"


def test_padding_and_frames_without_points() -> None:
    given = arrays()
    given["depth"][1] = 0
    cloud = Cloud(**given)
    padded = cloud.frame(0, pad_to=cloud.capacity + 5)
    assert len(padded.co) == cloud.capacity + 5
    assert (padded.co[-5:] == padded.co[0]).all()
    assert len(cloud.frame(1).co) == 0
    centre = (BLENDER_FROM_CV @ given["world_from_camera"][1])[:3, 3]
    assert cloud.frame(1, pad_to=3).co == pytest.approx(np.tile(centre, (3, 1)), abs=1e-6)
    assert cloud.focus_depth(1) == 1
    assert cloud.focus_depth(0) == pytest.approx(np.median(given["depth"][0, 2:4, 2:6]))


def test_the_ratio_of_two_depths_of_a_clip_is_that_of_their_units() -> None:
    given = arrays(height=60, width=80)
    other = {
        **arrays(frames=1),
        "depth": np.full((1, 12, 16), 3, np.float32),
        "rgb": np.zeros((1, 12, 16, 3), np.uint8),
    }
    given["depth"][0] = 7.5
    given["depth"][0, :20], other["depth"][0, :, :3] = 0, 0
    given["depth"][0, 30, 40:50] = 1000
    cloud = Cloud(**given)
    assert cloud.depth_ratio(Cloud(**other)) == pytest.approx(2.5)
    assert [Cloud(**other).nearest(frame) for frame in (0, 1, 9)] == [0, 0, 0]
    other["depth"][:] = 0
    assert cloud.depth_ratio(Cloud(**other)) == 1, "nothing is known"


def test_colours_are_linear() -> None:
    given = arrays(1, 1, 3)
    given["depth"][:] = 1
    given["rgb"][0, 0] = [[0, 128, 255]] * 3
    assert Cloud(**given).frame(0).linear_rgba()[0] == pytest.approx([0, 0.21586, 1, 1], abs=1e-5)


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "cloud.npz"
    good = arrays()
    for change in ({"rgb": good["rgb"][:1]}, {"K": good["K"][0]}, {"depth": good["depth"][0]}, {"dynamic": None}):
        np.savez(path, **{name: array for name, array in {**good, **change}.items() if array is not None})
        with pytest.raises(UserError, match="Import the clip again"):
            Cloud.load(path)
    np.savez(path, **good)
    path.write_bytes(path.read_bytes()[:-400])
    for broken in (path, tmp_path / "none.npz"):
        with pytest.raises(UserError, match="cannot be read"):
            Cloud.load(broken)
    np.savez(path, **{**good, "depth": np.array([object()])})
    with pytest.raises(UserError, match="cannot be read"):
        Cloud.load(path)


def test_a_shader_places_pixels_where_the_points_are() -> None:
    given = arrays()
    cloud = Cloud(**given)
    for frame in range(2):
        grid, points = cloud.grid(frame), cloud.frame(frame)
        rows, columns = np.mgrid[: grid.rows, : grid.columns].reshape(2, -1) + 0.5
        placed = np.stack([columns * grid.depth, rows * grid.depth, grid.depth, np.ones_like(grid.depth)])
        co = (cloud.origin_from_pixel(frame) @ placed).T[grid.depth > 0, :3]
        assert co == pytest.approx(points.co, abs=1e-5)
        assert (grid.rgba[grid.depth > 0, :3] == points.rgb).all()
        assert (grid.rgba.dtype, grid.depth.dtype) == (np.uint8, np.float32)


def test_a_share_of_the_points_is_spread_over_the_picture() -> None:
    given = arrays()
    grid = Cloud(**given).grid(1, share=0.25)
    assert (grid.columns, grid.rows) == (4, 3)
    assert (grid.depth.reshape(3, 4) == given["depth"][1][1::2, 1::2]).all()
    assert (grid.rgba.reshape(3, 4, 4)[..., :3] == given["rgb"][1][1::2, 1::2]).all()
