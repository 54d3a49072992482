# SPDX-License-Identifier: Apache-2.0
"""Estimated depth at the frame's size: edges where the picture has them, nothing between two surfaces."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from reangle.geometry.edges import sharpen

WIDTH, HEIGHT, RATIO = 180, 120, 3


def estimated(depth: np.ndarray, blur: float = 1.2, noise: float = 0.0) -> np.ndarray:
    """What a network makes of true depth: a third of the size, blurred, noisy in 1 / depth."""
    small = cv2.resize(1 / depth, (WIDTH // RATIO, HEIGHT // RATIO), interpolation=cv2.INTER_AREA)
    rng = np.random.default_rng(1)
    small = cv2.GaussianBlur(small, (0, 0), blur) + noise * np.median(small) * rng.standard_normal(small.shape)
    return (1 / small).astype(np.float32)


def sharpened(depth: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return sharpen(depth, np.ones(depth.shape, bool), np.ones(depth.shape, np.float32), image)


def picture(mask: np.ndarray, contrast: int = 80) -> np.ndarray:
    """A grey picture with some grain; masked pixels are brighter."""
    grain = np.random.default_rng(0).normal(0, 4, (*mask.shape, 3))
    return np.clip(90 + contrast * mask[..., None] + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("shift", [-4, 0, 4])
def test_a_blurred_step_lands_on_the_edge_of_the_picture(shift: int) -> None:
    """Even if the network has the edge a few pixels beside it."""
    columns = np.arange(WIDTH)
    here = np.tile(columns < 71, (HEIGHT, 1))
    depth = np.where(np.tile(columns < 71 + shift, (HEIGHT, 1)), 2, 5).astype(np.float32)
    out, valid, _ = sharpened(estimated(depth), picture(here))
    assert valid.all()
    rows = slice(12, -12)
    wrong = (out < 3.2) != here
    assert not wrong[rows, :70].any()
    assert not wrong[rows, 72:].any()
    between = (out > 2.3) & (out < 4.3)
    assert between[rows].mean() < 1e-3


def test_without_an_edge_in_the_picture_the_step_is_in_the_middle_of_the_ramp_and_uncertain() -> None:
    depth = np.full((HEIGHT, WIDTH), 5, np.float32)
    depth[:, :72] = 2
    out, _, confidence = sharpened(estimated(depth), picture(np.zeros(depth.shape, bool)))
    step = np.argmax(out > 3.2, axis=1)
    assert np.abs(step - 72).max() <= 3
    assert not ((out > 2.3) & (out < 4.4)).any()
    assert confidence[:, 71:73].mean() < 0.8
    assert confidence[:, :50].min() == 1


def test_a_low_step_is_sharpened_only_where_the_picture_has_an_edge() -> None:
    left = np.tile(np.arange(WIDTH) < 72, (HEIGHT, 1))
    depth = estimated(np.where(left, 4.4, 5).astype(np.float32))
    steps = [np.diff(sharpened(depth, picture(left, contrast))[0][60]).max() for contrast in (80, 0)]
    assert steps[0] > 0.4
    assert steps[1] < 0.2


def test_a_thin_pole_survives() -> None:
    pole = np.zeros((HEIGHT, WIDTH), bool)
    pole[:, 90:94] = True
    out, _, _ = sharpened(estimated(np.where(pole, 2, 6).astype(np.float32), blur=0.8), picture(pole))
    nearer = out < 5
    assert nearer[:, 91:93].all()
    assert not nearer[:, :89].any()
    assert not nearer[:, 95:].any()


def test_slanted_noisy_surfaces_have_no_steps() -> None:
    """A floor up to near its horizon, and a textured picture of it."""
    rows = np.arange(HEIGHT, dtype=np.float32)[:, None]
    inverse = np.tile(0.02 + 0.004 * rows, (1, WIDTH)).astype(np.float32)
    image = np.random.default_rng(2).integers(0, 255, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
    image = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
    out, valid, _ = sharpened(estimated(1 / inverse, noise=0.01), image)
    assert valid.all()
    for axis in range(2):
        assert np.abs(np.diff(1 / out, axis=axis)).max() < 0.25 * 0.24 * 0.06 + 0.01


def test_unknown_depth_stays_unknown_and_does_not_leak() -> None:
    depth = np.full((HEIGHT // RATIO, WIDTH // RATIO), 3, np.float32)
    valid = np.ones(depth.shape, bool)
    valid[:, :20] = False
    depth[:, :20] = np.nan
    out, known, confidence = sharpen(
        depth, valid, np.ones(depth.shape, np.float32), picture(np.zeros((HEIGHT, WIDTH), bool))
    )
    assert not known[:, :59].any()
    assert known[:, 61:].all()
    np.testing.assert_allclose(out[known], 3, rtol=1e-5)
    assert not out[~known].any()
    assert not confidence[~known].any()
