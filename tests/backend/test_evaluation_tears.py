# SPDX-License-Identifier: Apache-2.0
"""What counts as a hole torn into a surface, and as a surface stretched across an edge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from reangle.contract import CameraPath
from reangle.evaluation.tears import torn_share
from reangle.geometry.video_geometry import VideoGeometry, matrix_rows
from warping_scene import rigid, room

WIDTH, HEIGHT = 120, 80


@pytest.fixture
def truth() -> tuple[np.ndarray, VideoGeometry, CameraPath]:
    rgb, depth, _, K = room(WIDTH, HEIGHT)
    valid = np.ones((1, HEIGHT, WIDTH), bool)
    geometry = VideoGeometry(
        depth[None], valid, valid.astype(np.float32), K[None], np.eye(4)[None], "metric", "files", "files"
    )
    pose = np.linalg.inv(rigid((0, 6, 0), (-0.4, 0, 0)))
    poses: Any = matrix_rows(pose[None])
    lens: Any = matrix_rows(K[None])
    path = CameraPath(
        name="aside",
        fps=12,
        width=WIDTH,
        height=HEIGHT,
        frames=(0,),
        world_from_camera=poses,
        K=lens,
    )
    return rgb[None], geometry, path


def test_true_depth_at_any_scale_is_whole(truth) -> None:
    rgb, geometry, path = truth
    tears = torn_share(rgb, replace(geometry, depth=3 * geometry.depth), geometry, path, [0])
    assert max(tears) < 2e-3


def test_blocks_of_depth_are_torn_and_blurred_edges_stretched(truth) -> None:
    rgb, geometry, path = truth
    inverse = 1 / geometry.depth[0]
    blocks = cv2.resize(cv2.resize(inverse, (12, 8), interpolation=cv2.INTER_AREA), (WIDTH, HEIGHT), interpolation=0)
    assert torn_share(rgb, replace(geometry, depth=1 / blocks[None]), geometry, path, [0]).torn > 0.01
    blurred = replace(geometry, depth=1 / cv2.GaussianBlur(inverse, (0, 0), 1)[None])
    assert torn_share(rgb, blurred, geometry, path, [0]).stretched > 0.005


def test_points_left_out_of_a_smooth_surface_are_torn(truth) -> None:
    rgb, geometry, path = truth
    valid = geometry.valid.copy()
    valid[0, 10:20, 10:40] = False
    tears = torn_share(rgb, replace(geometry, valid=valid), geometry, path, [0])
    assert tears.torn == pytest.approx(300 / (WIDTH * HEIGHT), rel=0.4)
    assert tears.unseen == pytest.approx(tears.torn, rel=0.1)
