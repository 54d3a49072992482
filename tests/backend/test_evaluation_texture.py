# SPDX-License-Identifier: Apache-2.0
"""Texture beside the truth, contrast where windows overlap, and kinds of holes, against hand-computed values."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from reangle.evaluation.holes import split_at_rim
from reangle.evaluation.texture import overlap_contrast, patch_distance, texture_ratio


def noise(seed: int = 0, frames: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (frames, 40, 60, 3)).astype(np.uint8)


def blurred(clip: np.ndarray, sigma: float) -> np.ndarray:
    return np.stack([cv2.GaussianBlur(picture, (0, 0), sigma) for picture in clip])


def everywhere(clip: np.ndarray) -> np.ndarray:
    return np.ones(clip.shape[:3], bool)


def dot(value: int) -> np.ndarray:
    """One grey pixel on black, away from the rim."""
    clip = np.zeros((1, 9, 9, 3), np.uint8)
    clip[0, 4, 4] = value
    return clip


def test_texture_is_the_mean_laplacian_beside_the_truths() -> None:
    # |Laplacian|: 4 v at the dot and v at each of its four neighbours.
    assert texture_ratio(dot(40), dot(160), everywhere(dot(0))) == pytest.approx(0.25)
    two = dot(160)
    two[0, 4, 5] = 160  # each: three black neighbours, one equal
    around = np.zeros((1, 9, 9), bool)
    around[0, 4, 4] = True
    assert texture_ratio(two, dot(160), around) == pytest.approx(3 / 4)


def test_texture_falls_with_blur_and_only_where_asked() -> None:
    truth = noise()
    where = everywhere(truth)
    where[:, :, :30] = False
    soft = np.where(where[..., None], blurred(truth, 1), truth)
    assert texture_ratio(truth, truth, where) == 1
    assert texture_ratio(soft, truth, where) < 0.3
    inner = ~where
    inner[:, :, 29] = False  # its neighbour on the right is blurred
    assert texture_ratio(soft, truth, inner) == 1


def test_patch_distance_grows_with_blur() -> None:
    truth = noise()
    distances = [patch_distance(blurred(truth, sigma), truth, everywhere(truth)) for sigma in (0.5, 1, 2)]
    assert patch_distance(truth, truth, everywhere(truth)) == 0
    assert 0 < distances[0] < distances[1] < distances[2] < 1


def test_patch_distance_of_scaled_texture_is_exact_and_ignores_where_it_lies() -> None:
    assert patch_distance(dot(40), dot(160), everywhere(dot(0))) == pytest.approx(0.75)
    assert patch_distance(dot(0), dot(160), everywhere(dot(0))) == pytest.approx(1)
    moved = np.roll(dot(160), 1, axis=2)
    assert patch_distance(moved, dot(160), everywhere(dot(0))) < 0.05
    # Equally strong texture of another kind: upright stripes for level ones.
    stripes = np.zeros((1, 40, 40, 3), np.uint8)
    stripes[:, :, ::2] = 200
    turned = stripes.transpose(0, 2, 1, 3)
    assert texture_ratio(turned, stripes, everywhere(stripes)) == pytest.approx(1)
    assert patch_distance(turned, stripes, everywhere(stripes)) > 0.1


def test_nothing_to_judge_is_nan() -> None:
    flat, clip = np.full((2, 8, 8, 3), 90, np.uint8), noise()[:, :8, :8]
    nowhere = np.zeros((2, 8, 8), bool)
    assert np.isnan(texture_ratio(clip, flat, ~nowhere))
    assert np.isnan(patch_distance(clip, flat, ~nowhere))
    assert np.isnan(texture_ratio(clip, clip, nowhere))
    assert np.isnan(patch_distance(clip, clip, nowhere))
    assert np.isnan(overlap_contrast(clip, clip, ~nowhere, np.ones(2, bool)))


def test_overlap_contrast_is_relative_to_other_frames_and_to_the_truth() -> None:
    """Halves of each frame are 100 +- the frame's own contrast; luma keeps it."""

    def clip(*contrasts: int) -> np.ndarray:
        frames = np.full((len(contrasts), 8, 8, 3), 100, np.uint8)
        for frame, contrast in zip(frames, contrasts, strict=True):
            frame[:4] += np.uint8(contrast)
            frame[4:] -= np.uint8(contrast)
        return frames

    overlap = np.array([False, True, True, False])
    truth = clip(40, 20, 20, 40)
    where = everywhere(truth)
    assert overlap_contrast(truth, truth, where, overlap) == pytest.approx(1)
    assert overlap_contrast(clip(20, 10, 10, 20), truth, where, overlap) == pytest.approx(1)
    assert overlap_contrast(clip(40, 15, 15, 40), truth, where, overlap) == pytest.approx(0.75)


def test_holes_at_the_rim_are_told_from_holes_inside() -> None:
    picture = """
        ##......
        .#......
        ..#..##.
        .....##.
        ........
        .......#
        ...#....
    """
    hidden = np.array([[c == "#" for c in line] for line in picture.split()])
    other = np.zeros_like(hidden)
    other[2, 3] = True  # the regions of the first frame do not matter here
    parts = split_at_rim(np.stack([hidden, other]))
    inside = np.zeros_like(hidden)
    inside[2:4, 5:7] = True
    assert (parts["disoccluded"] == np.stack([inside, other])).all()
    assert (parts["rim"] == np.stack([hidden & ~inside, np.zeros_like(hidden)])).all()
