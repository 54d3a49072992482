# SPDX-License-Identifier: Apache-2.0
"""What counts as trouble with a new camera, and how it is told."""

from __future__ import annotations

import numpy as np
import pytest
from reangle.folders import FrameTrouble
from reangle.warping.bends import FAR_ASIDE, STRETCHED, Bends, bends, doubts
from reangle.warping.surface import make_surface
from reangle.warping.trouble import FOLDED, GAP, UNSEEN, find_trouble, largest_hole
from warping_scene import rigid

WIDTH, HEIGHT = 90, 60
K = np.array([[80.0, 0, WIDTH / 2], [0, 80, HEIGHT / 2], [0, 0, 1]])
GREY = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
FINE = FrameTrouble()


def seen_from(world_from_camera: np.ndarray, depth: np.ndarray, rgb: np.ndarray = GREY) -> Bends:
    surface = make_surface(depth.astype(np.float32), np.ones(depth.shape, bool), WIDTH, HEIGHT)
    return bends(rgb, surface, K, np.linalg.inv(world_from_camera), K, WIDTH, HEIGHT)


def slanted(degrees: float) -> np.ndarray:
    """Depth of a plane through (0, 0, 4), turned about the vertical by so many degrees: its left side is near."""
    x = (np.arange(WIDTH) + 0.5 - K[0, 2]) / K[0, 0]
    slope = np.tan(np.radians(degrees))
    return np.tile(4 / (1 - slope * x), (HEIGHT, 1))


def aside(degrees: float) -> np.ndarray:
    """A camera that looks at (0, 0, 4) from the left."""
    turn = rigid((0, degrees, 0), (0, 0, 0))
    turn[:3, 3] = np.array([0, 0, 4]) - turn[:3, :3] @ [0, 0, 4]
    return turn


def test_a_flat_surface_is_no_trouble() -> None:
    assert seen_from(aside(20), slanted(0)) == (0, 0, 0)


def test_a_surface_that_is_seen_from_behind_folds() -> None:
    # At 50 degrees the plane is seen edge on from 40 degrees on the other side.
    assert seen_from(aside(35), slanted(50)).folded == 0
    assert seen_from(aside(50), slanted(50)).folded > 0.1


def test_a_surface_that_waves_folds_from_the_side() -> None:
    bump = slanted(0) * (1 + 0.2 * np.sin(np.arange(WIDTH) / 6))
    assert seen_from(aside(20), bump).folded > FOLDED
    assert seen_from(np.eye(4), bump)[:2] == (0, 0)


def test_a_surface_is_stretched_by_what_the_clip_sees_from_the_side() -> None:
    # Seen at d degrees from its normal, a surface shows cos(d) of its length.
    for turn, stretches in ((60, False), (75, True)):
        assert (1 / np.cos(np.radians(turn)) > STRETCHED) == stretches
        found = seen_from(aside(turn), slanted(-turn))
        assert (found.stretched > 0.2) == stretches


def test_a_gap_is_a_tear_where_the_picture_has_no_edge() -> None:
    depth = np.full((HEIGHT, WIDTH), 4.0)
    depth[:, : WIDTH // 2] = 2.0
    camera = rigid((0, 0, 0), (-0.5, 0, 0))
    gap = 0.5 * K[0, 0] * (1 / 2 - 1 / 4)
    right = rigid((0, 0, 0), (0.5, 0, 0))
    assert seen_from(camera, depth).torn == 0, "what is near covers what is far"
    assert seen_from(right, depth).torn == pytest.approx((gap / WIDTH), rel=0.15)
    edge = GREY.copy()
    edge[:, : WIDTH // 2] = 180
    assert seen_from(right, depth, edge).torn == 0


def test_depth_of_little_confidence_counts_where_it_is_seen() -> None:
    confidence = np.ones((HEIGHT // 2, WIDTH // 2), np.float32)
    confidence[:, : WIDTH // 4] = 0.1
    depth = np.full((HEIGHT, WIDTH), 4, np.float32)
    visible = np.ones(depth.shape, bool)
    seen = visible, depth, (WIDTH, HEIGHT), K, np.eye(4), K
    assert doubts(confidence, None, *seen) == pytest.approx((0.5, 0), abs=0.02)
    visible[: HEIGHT // 2] = False
    assert doubts(confidence, None, *seen) == pytest.approx((0.25, 0), abs=0.02)


@pytest.mark.parametrize(("degrees", "matters"), [(FAR_ASIDE - 5, False), (FAR_ASIDE + 5, True)])
def test_what_moves_has_a_side_that_nobody_filmed(degrees: float, matters: bool) -> None:
    depth = np.full((HEIGHT, WIDTH), 4, np.float32)
    moving = np.zeros(depth.shape, bool)
    moving[25:35, 40:50] = True
    certain = np.ones(depth.shape, np.float32)
    forward = np.linalg.inv(aside(degrees))
    # The new picture's pixels in the middle show the same points, at about the same depth.
    visible = np.zeros(depth.shape, bool)
    visible[25:35, 40:50] = True
    found = doubts(certain, moving, visible, depth, (WIDTH, HEIGHT), K, forward, K)
    assert found.uncertain == 0
    assert (found.unfilmed > 0.5 * 100 / depth.size) == matters


def test_the_largest_hole_is_the_largest_connected_part() -> None:
    known = np.ones((10, 20), bool)
    known[1:4, 1:5] = known[4:6, 5:10] = False  # they touch at a corner
    assert largest_hole(known) == 12 / 200
    assert largest_hole(np.ones((4, 4), bool)) == 0
    assert largest_hole(np.zeros((4, 4), bool)) == 1


def test_frames_in_trouble_become_runs() -> None:
    frames = [FINE] * 40
    for n in (9, 10, 10 + GAP, 39):
        frames[n] = FrameTrouble(folded=FOLDED)
    frames[10] = FrameTrouble(folded=0.07)
    first, second = find_trouble(frames)
    assert (first.kind, first.first_frame, first.last_frame, first.worst_frame) == ("folded", 10, 11 + GAP, 11)
    assert first.amount == 0.07
    assert "7 % of the picture" in first.words
    assert (second.first_frame, second.last_frame) == (40, 40)


def test_what_was_never_seen_is_told_with_its_largest_hole() -> None:
    assert find_trouble([FrameTrouble(unseen=UNSEEN - 0.01, hole=0.1)]) == ()
    (trouble,) = find_trouble([FINE, FrameTrouble(unseen=0.41, hole=0.23), FrameTrouble(unseen=0.36)])
    assert (trouble.kind, trouble.first_frame, trouble.last_frame, trouble.worst_frame) == ("unseen", 2, 3, 2)
    assert trouble.words.startswith("41 % of the picture was never seen; the largest hole is 23 % of it. ")
    (hole,) = find_trouble([FrameTrouble(unseen=0.25, hole=0.25)])
    assert hole.kind == "unseen"


def test_only_the_worst_runs_of_a_kind_are_told() -> None:
    frames = [FINE] * 100
    for n, torn in ((0, 0.05), (30, 0.2), (60, 0.06), (90, 0.1)):
        frames[n] = FrameTrouble(torn=torn)
    assert [trouble.first_frame for trouble in find_trouble(frames)] == [31, 91]
