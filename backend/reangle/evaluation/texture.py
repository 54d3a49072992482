# SPDX-License-Identifier: Apache-2.0
"""How much fine detail a result has beside the truth. PSNR does not tell: it rewards blur.

All functions take N x H x W x 3 uint8 clips and judge the luma of the pixels in `where`, N x H x W bool. They return
NaN where there is nothing to judge: no pixels, or a truth that is flat there.
"""

from __future__ import annotations

import cv2
import numpy as np

PATCH = 5
"""Side of a patch in pixels. Karras et al. take 7; holes beside moving things are hardly that wide."""
DIRECTIONS = 64
MOST_PATCHES = 20_000


def texture_ratio(result: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    """Mean |Laplacian| of the result divided by the truth's: 1 if it is as textured, 0 if it is flat."""
    return _ratio(_strength(result, where), _strength(truth, where))


def patch_distance(result: np.ndarray, truth: np.ndarray, where: np.ndarray, seed: int = 0) -> float:
    """Sliced Wasserstein distance between the Laplacian patches of result and truth that are centred in `where`.

    Divided by the truth's distance from a flat picture: 0 if both have the same patches, wherever they lie, 1 if the
    result is flat, more if it has more or other texture. Projections to random directions are sorted and compared
    (Rabin et al., SSVM 2011), on Laplacians as in Karras et al., ICLR 2018, section 5, but of one scale, of luma, and
    not normalised, because normalising hides blur. seed: decides the directions, and which patches if there are too
    many.
    """
    rng = np.random.default_rng(seed)
    places = np.argwhere(where)
    if len(places) > MOST_PATCHES:
        places = places[rng.choice(len(places), MOST_PATCHES, replace=False)]
    directions = rng.normal(size=(PATCH * PATCH, DIRECTIONS)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=0)
    a, b = (np.sort(_patches(clip, places) @ directions, axis=0) for clip in (result, truth))
    return _ratio(float(np.abs(a - b).sum()), float(np.abs(b).sum()))


def overlap_contrast(result: np.ndarray, truth: np.ndarray, where: np.ndarray, overlap: np.ndarray) -> float:
    """Standard deviation of pixels in the frames of `overlap` (N bool) by that in all others, relative to the truth's.

    1 if a clip made of several windows is as rich in contrast where they overlap as elsewhere; less if blending two
    different pictures took contrast away.
    """
    inside, outside = where & overlap[:, None, None], where & ~overlap[:, None, None]
    if not (inside.any() and outside.any()):
        return float("nan")
    a, b = (np.stack([_luma(picture) for picture in clip]) for clip in (result, truth))
    return _ratio(float(a[inside].std() * b[outside].std()), float(a[outside].std() * b[inside].std()))


def _ratio(value: float, reference: float) -> float:
    return value / reference if reference > 0 else float("nan")


def _luma(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture.astype(np.float32), cv2.COLOR_RGB2GRAY)


def _laplacian(picture: np.ndarray) -> np.ndarray:
    """H x W: the four neighbours less four times the pixel; the picture is mirrored at its rim."""
    return cv2.Laplacian(_luma(picture), cv2.CV_32F, ksize=1)


def _strength(clip: np.ndarray, where: np.ndarray) -> float:
    """Sum of |Laplacian|."""
    return float(sum(np.abs(_laplacian(picture))[mask].sum() for picture, mask in zip(clip, where, strict=True)))


def _patches(clip: np.ndarray, places: np.ndarray) -> np.ndarray:
    """len(places) x PATCH^2 Laplacians. places: rows of frame, y, x."""
    half = PATCH // 2
    padding = ((0, 0), (half, half), (half, half))
    maps = np.pad(np.stack([_laplacian(picture) for picture in clip]), padding, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(maps, (PATCH, PATCH), axis=(1, 2))  # pyright: ignore[reportCallIssue, reportArgumentType]
    return windows[tuple(places.T)].reshape(-1, PATCH * PATCH)
