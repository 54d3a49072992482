# SPDX-License-Identifier: Apache-2.0
"""Movers are told from the static scene behind them, and stand on the ground or hang in front of what they hide."""

from __future__ import annotations

import numpy as np
import pytest
from reangle.geometry.anchor_movers import HANGS, follow_ground
from reangle.geometry.mover_labels import label_movers
from reangle.geometry.multiview_movers import told_apart
from reangle.geometry.multiview_plate import Plate, evenly_exposed, plate_of

HEIGHT, WIDTH, COUNT = 96, 128, 6
FOCAL = 120.0


def lens() -> np.ndarray:
    return np.tile(np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]]), (COUNT, 1, 1))


def texture(height: int, width: int) -> np.ndarray:
    noise = np.random.default_rng(0).integers(40, 200, (height // 4 + 1, width // 4 + 1, 3))
    return np.kron(noise, np.ones((4, 4, 1)))[:height, :width].astype(np.uint8)


@pytest.fixture
def slide() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A wall at depth 4 from a camera that slides by 4 pixels a frame; the poses, pictures and 1 / depth."""
    wall = texture(HEIGHT, WIDTH + 4 * COUNT)
    colour = np.stack([wall[:, 4 * frame : 4 * frame + WIDTH] for frame in range(COUNT)])
    poses = np.tile(np.eye(4), (COUNT, 1, 1))
    poses[:, 0, 3] = 4 * np.arange(COUNT) * 4 / FOCAL
    return poses, colour, np.full((COUNT, HEIGHT, WIDTH), 0.25, np.float32)


def test_a_plate_shows_the_wall_behind_a_mover(slide: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    poses, colour, inverse = slide
    before = colour.copy()
    for frame, left in enumerate((20, 90, 40, 100, 60, 5)):
        # Nobody has marked it.
        colour[frame, 40:60, left : left + 14] = (250, 20, 20)
    plate = plate_of(2, inverse, colour, lens(), poses, 0.01)
    inside = np.s_[:, 12:-12]
    assert plate.known[inside].all()
    np.testing.assert_allclose(plate.inverse[inside], 0.25, rtol=1e-4)
    assert np.abs(plate.colour[inside] - before[2][inside]).mean() < 1
    moves = told_apart(colour[2], plate, np.zeros((HEIGHT, WIDTH), bool), np.zeros((HEIGHT, WIDTH), bool))
    rows, columns = np.nonzero(moves)
    assert (
        np.abs(np.subtract((rows.min(), rows.max() + 1, columns.min(), columns.max() + 1), (40, 60, 40, 54))).max() < 2
    )


def test_what_looks_like_the_plate_does_not_move_and_a_shadow_does_not_either() -> None:
    picture = texture(HEIGHT, WIDTH)
    plate = Plate(picture.astype(np.float32), np.full((HEIGHT, WIDTH), 0.25, np.float32))
    guess = np.zeros((HEIGHT, WIDTH), bool)
    guess[20:70, 30:90] = True
    nothing = np.zeros_like(guess)
    assert not told_apart(picture, plate, guess, nothing).any()
    shadow = picture.copy()
    shadow[30:60, 40:80] = (shadow[30:60, 40:80] * 0.85).astype(np.uint8)
    assert not told_apart(shadow, plate, guess, nothing).any()
    plate.inverse[:] = 0
    # Without a plate the guess stays.
    assert (told_apart(picture, plate, guess, nothing) == guess).mean() > 0.99


def test_pictures_are_brought_to_one_exposure(slide: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    poses, colour, inverse = slide
    gains = np.random.default_rng(1).uniform(0.8, 1.2, (COUNT, 3))
    changed = np.clip(np.rint(colour * gains[:, None, None]), 0, 255).astype(np.uint8)
    even = evenly_exposed(inverse, changed, lens(), poses).reshape(COUNT, -1, 3).mean(1)
    before = changed.reshape(COUNT, -1, 3).mean(1)
    assert np.ptp(np.log(before), axis=0).max() > 0.15
    assert np.ptp(np.log(even), axis=0).max() < 0.03


def test_what_hangs_before_a_wall_is_put_in_front_of_it() -> None:
    depth = np.full((1, HEIGHT, WIDTH), 4, np.float32)
    moving = np.zeros(depth.shape, bool)
    moving[0, 20:40, 50:70] = True
    focal = np.array([FOCAL])
    hung = follow_ground(depth, moving, ~moving, focal, depth)
    np.testing.assert_allclose(hung[moving], 4 * HANGS, rtol=1e-5)
    assert (hung[~moving] == 4).all()
    near = np.where(moving, np.float32(2), depth)
    # A network that sees it is believed.
    np.testing.assert_array_equal(follow_ground(near, moving, ~moving, focal, depth), near)
    seen_once = np.where(moving, np.float32(0), depth)
    seen_once[0, 25, 60] = 30
    hung = follow_ground(seen_once, moving, ~moving, focal, depth)
    np.testing.assert_allclose(hung[0, 25, 60], 4 * HANGS, rtol=1e-5)
    cut = np.zeros_like(moving)
    cut[0, 76:, 50:70] = True
    np.testing.assert_array_equal(follow_ground(depth, cut, ~cut, focal, depth), depth)


@pytest.mark.parametrize("backwards", [False, True])
def test_things_that_run_together_keep_apart(backwards: bool) -> None:
    """Two squares that meet after six frames; or that were together at first and part."""
    moving = np.zeros((10, HEIGHT, WIDTH), bool)
    for frame in range(10):
        moving[frame, 30:50, 10 + 4 * frame : 30 + 4 * frame] = True
        moving[frame, 30:50, 86 - 4 * frame : 106 - 4 * frame] = True
    labels = label_movers(moving[::-1] if backwards else moving)[:: -1 if backwards else 1]
    assert [len(np.unique(one)) - 1 for one in labels[:9]] == [2] * 9
    left, right = labels[8][40, 45], labels[8][40, 72]
    assert left != right
    assert labels[8][30:50, 42:58].min() == labels[8][30:50, 42:58].max()


def test_a_thing_that_was_never_apart_is_one() -> None:
    moving = np.zeros((6, HEIGHT, WIDTH), bool)
    moving[:, 30:50, 20:80] = True
    moving[:, 70:72, 3:5] = True
    labels = label_movers(moving)
    assert all(len(np.unique(one)) == 2 for one in labels), "one thing, and a speck that is none"
