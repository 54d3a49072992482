# SPDX-License-Identifier: Apache-2.0
"""Where the warp cuts a surface, and what the artist's two filters leave out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from preview_scene import WALL, film
from reangle.contract import PreviewSettings
from reangle.errors import UserError
from reangle.geometry.video_geometry import VideoGeometry
from reangle.warping.filters import left_out
from reangle.warping.mesh import mesh_depth
from reangle.warping.surface import make_surface
from reangle.warping.video import Warper
from warping_scene import intrinsics, rigid, unproject

WIDTH, HEIGHT = 120, 90
K = intrinsics(WIDTH, HEIGHT, 100)
ALL = np.ones((HEIGHT, WIDTH), bool)
CLOSER, ASIDE = rigid((0, 0, 0), (-0.3, 0, -0.4)), rigid((0, 0, 0), (-1.2, 0, 0))


def holes(depth: np.ndarray, edge_filter: float = 0.5, pose: np.ndarray = CLOSER) -> int:
    """Samples of the warp's depth in the middle of the picture that nothing covers."""
    surface = make_surface(depth.astype(np.float32), ALL, WIDTH, HEIGHT, edge_filter)
    drawn = mesh_depth(surface.depth, surface.depth > 0, K, pose, K, WIDTH, HEIGHT, scale=3, cut=surface.cut)
    return int((drawn[60:-60, 60:200] == 0).sum())


def slanted() -> np.ndarray:
    """1 / depth of a wall at an angle."""
    return 1 / 3 - 0.12 * unproject(np.ones((HEIGHT, WIDTH)), K)[..., 0]


def test_a_slanted_noisy_plane_is_not_torn() -> None:
    noise = np.random.default_rng(0).normal(0, 0.006, (HEIGHT, WIDTH))
    assert holes(1 / (slanted() + noise)) == 0


def test_a_surface_of_few_bits_is_not_torn() -> None:
    inverse = np.tile(np.linspace(0.03, 0.09, WIDTH), (HEIGHT, 1))
    inverse[:, 110:] = 0.4
    assert holes(1 / (np.round(inverse * 400) / 400), pose=ASIDE) == 0


@pytest.mark.parametrize("noise", [0.0, 0.002])
def test_a_gap_is_cut(noise: float) -> None:
    inverse = np.full((HEIGHT, WIDTH), 0.25)
    inverse[:, :60] = 0.4
    inverse += np.random.default_rng(0).normal(0, noise, inverse.shape)
    assert holes(1 / inverse) > 200


def test_the_edge_filter_decides_which_steps_are_cut() -> None:
    def cut(step: float) -> list[bool]:
        inverse = np.full((HEIGHT, WIDTH), 0.25)
        inverse[:, :60] += step
        return [holes(1 / inverse, edge_filter, ASIDE) > 0 for edge_filter in (0.0, 0.5, 1.0)]

    assert cut(0.08) == [True, True, True]
    assert cut(0.03) == [False, True, True]
    assert cut(0.0045) == [False, False, True]


def ramp_geometry() -> VideoGeometry:
    """Two frames of a near wall, a ramp of three pixels and a far wall; certainty falls from left to right."""
    depth = np.full((2, HEIGHT, WIDTH), 5, np.float32)
    depth[..., :60] = 2
    depth[..., 60:63] = 1 / np.array([0.425, 0.35, 0.275])
    confidence = np.broadcast_to(np.linspace(1, 0, WIDTH, dtype=np.float32), depth.shape).copy()
    lens, poses = np.tile(K, (2, 1, 1)), np.tile(np.eye(4), (2, 1, 1))
    return VideoGeometry(depth, depth > 0, confidence, lens, poses, "metric", "files", "files")


def test_the_edge_filter_leaves_out_ramps_only_above_its_default() -> None:
    geometry = ramp_geometry()
    assert left_out(geometry, 0.5, 0.0) is geometry
    valid = left_out(geometry, 0.75, 0.0).valid
    np.testing.assert_array_equal(np.flatnonzero(~valid.all(axis=(0, 1))), [60, 61, 62])


def test_filters_that_leave_nothing_are_named() -> None:
    frames, geometry = film((WALL,), 2)
    doubtful = replace(geometry, confidence=np.full_like(geometry.depth, 0.4))
    with pytest.raises(UserError, match="filters leave out all"):
        Warper.of_clip(frames, doubtful, PreviewSettings(confidence_filter=0.5))


def test_the_confidence_filter_leaves_out_less_certain_points() -> None:
    geometry = ramp_geometry()
    valid = left_out(geometry, 0.5, 0.25).valid
    np.testing.assert_array_equal(valid, geometry.confidence >= 0.25)
    assert left_out(geometry, 0.5, 1.0).valid.sum() == 2 * HEIGHT
