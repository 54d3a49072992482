# SPDX-License-Identifier: Apache-2.0
"""Smooth continuation of known values into a hole."""

from __future__ import annotations

import cv2
import numba
import numpy as np

from reangle.kernels import KERNEL

SWEEPS = 12
COARSEST = 4
RIM = 2
"""Width in pixels of the ring around a hole whose colours the fill must match."""
FADE_STEPS = 6


def diffuse(values: np.ndarray, given: np.ndarray, open_: np.ndarray) -> np.ndarray:
    """Harmonic values (each the mean of its neighbours) in the open pixels; given values are kept.

    values: H x W x C float32. given: H x W bool, pixels whose value is fixed. open_: H x W bool, pixels to solve for;
    all others are walls. Returns H x W x C float32; zero where no given pixel can be reached at any scale.
    """
    return _solve(
        np.ascontiguousarray(values, np.float32), np.ascontiguousarray(given), np.ascontiguousarray(open_ & ~given)
    )


def fade(values: np.ndarray, given: np.ndarray, open_: np.ndarray, keep: float = 0.9) -> np.ndarray:
    """Like `diffuse`, but values shrink by `keep` (0 to 1) at each pixel away from given ones, where it is 0."""
    result = np.zeros(values.shape, np.float32)
    result[given] = values[given]
    _relax(result, given, open_ & ~given, FADE_STEPS, np.float32(keep), np.float32(1))
    result[given] = 0
    return result


def rim_of(known: np.ndarray) -> np.ndarray:
    """Known pixels at most RIM away from an unknown one. known: H x W bool."""
    kernel = np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8)
    return (cv2.dilate((~known).astype(np.uint8), kernel) > 0) & known


def masked_blur(image: np.ndarray, mask: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian mean of the masked pixels, H x W x C float32; 0 far from all of them."""
    weight = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma)
    total = cv2.GaussianBlur(np.where(mask[..., None], image, 0).astype(np.float32), (0, 0), sigma)
    return total / np.maximum(weight, 1e-6)[..., None]


def mirrored(detail: np.ndarray, given: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Detail of the given pixels, mirrored at the rim into the hole; 0 where the mirror image is not a given pixel.

    detail: H x W x C float32. given, hole: H x W bool.
    """
    result = np.zeros_like(detail, np.float32)
    if not given.any() or not hole.any():
        return result
    _, labels = cv2.distanceTransformWithLabels(
        (~given).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    labels = labels.astype(np.int64)
    rim = np.zeros((int(labels.max()) + 1, 2), np.int64)
    rim[labels[given]] = np.argwhere(given)
    inside = np.argwhere(hole)
    away = 2 * rim[labels[hole]] - inside
    height, width = given.shape
    within = ((away >= 0) & (away < (height, width))).all(1)
    inside, away = inside[within], away[within]
    there = given[away[:, 0], away[:, 1], None]
    result[inside[:, 0], inside[:, 1]] = np.where(there, detail[away[:, 0], away[:, 1]], 0)
    return result


def _solve(values: np.ndarray, given: np.ndarray, open_: np.ndarray) -> np.ndarray:
    if not open_.any() or not given.any():
        return np.where(given[..., None], values, np.float32(0))
    result = values.copy()
    result[~given] = 0
    if min(values.shape[:2]) > COARSEST:
        coarse, coarse_given, coarse_open = _halve(result, given, open_)
        _prolong(_solve(coarse, coarse_given, coarse_open), open_, result)
    _relax(result, given, open_, SWEEPS, np.float32(1), np.float32(1.5))
    return result


@numba.njit(**KERNEL)
def _halve(values, given, open_):
    height, width, channels = values.shape
    h, w = (height + 1) // 2, (width + 1) // 2
    coarse = np.zeros((h, w, channels), np.float32)
    coarse_given = np.zeros((h, w), np.bool_)
    coarse_open = np.zeros((h, w), np.bool_)
    for y in range(h):
        for x in range(w):
            count, holes = 0, 0
            for j in range(2 * y, min(2 * y + 2, height)):
                for i in range(2 * x, min(2 * x + 2, width)):
                    if given[j, i]:
                        count += 1
                        for c in range(channels):
                            coarse[y, x, c] += values[j, i, c]
                    elif open_[j, i]:
                        holes += 1
            if count:
                coarse_given[y, x] = True
                for c in range(channels):
                    coarse[y, x, c] /= count
            else:
                # Walls open at coarse scales, so that values pass a pole from one side to the other.
                coarse_open[y, x] = True
    return coarse, coarse_given, coarse_open


@numba.njit(**KERNEL)
def _prolong(coarse, open_, values):
    height, width, channels = values.shape
    h, w = coarse.shape[:2]
    for y in range(height):
        v = (y + 0.5) / 2 - 0.5
        y0 = int(np.floor(v))
        fy = np.float32(v - y0)
        ya, yb = max(y0, 0), min(y0 + 1, h - 1)
        for x in range(width):
            if not open_[y, x]:
                continue
            u = (x + 0.5) / 2 - 0.5
            x0 = int(np.floor(u))
            fx = np.float32(u - x0)
            xa, xb = max(x0, 0), min(x0 + 1, w - 1)
            for c in range(channels):
                top = coarse[ya, xa, c] * (1 - fx) + coarse[ya, xb, c] * fx
                bottom = coarse[yb, xa, c] * (1 - fx) + coarse[yb, xb, c] * fx
                values[y, x, c] = top * (1 - fy) + bottom * fy


@numba.njit(**KERNEL)
def _relax(values, given, open_, sweeps, keep, over):
    height, width, channels = values.shape
    # Open pixels by colour of a chessboard, so that sweeps do not search the picture for them; most of it is known.
    places = np.empty((2, (height * width + 1) // 2), np.int64)
    found = np.zeros(2, np.int64)
    for y in range(height):
        for x in range(width):
            if open_[y, x]:
                colour = (y + x) % 2
                places[colour, found[colour]] = y * width + x
                found[colour] += 1
    for sweep in range(2 * sweeps):
        colour = sweep % 2
        for n in range(found[colour]):
            y, x = places[colour, n] // width, places[colour, n] % width
            count = 0
            for k in range(4):
                j, i = y + (0, 0, 1, -1)[k], x + (1, -1, 0, 0)[k]
                if 0 <= j < height and 0 <= i < width and (given[j, i] or open_[j, i]):
                    count += 1
            if count == 0:
                continue
            for c in range(channels):
                total = np.float32(0)
                for k in range(4):
                    j, i = y + (0, 0, 1, -1)[k], x + (1, -1, 0, 0)[k]
                    if 0 <= j < height and 0 <= i < width and (given[j, i] or open_[j, i]):
                        total += values[j, i, c]
                values[y, x, c] += over * (keep * total / count - values[y, x, c])
