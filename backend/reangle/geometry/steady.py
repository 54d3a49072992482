# SPDX-License-Identifier: Apache-2.0
"""Depth that is steady over time: frames agree on what stands still."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numba
import numpy as np

from reangle.geometry.alignment import TYPICAL_DEPTH
from reangle.geometry.depth.disparity import Match, apply, default_range, steady_scale_shift
from reangle.geometry.robust import solve_differences
from reangle.kernels import KERNEL

MATCH_OFFSETS = (1, 2, 4, 8, 16, 32)
"""Distances in frames between frames whose scale is compared."""
MATCH_PIXELS = 5000
"""About how many pixels of a frame are compared."""
SAME_SURFACE = 0.15
"""Most difference in log depth at which two frames see the same surface."""
NEAR_OFFSETS = (1, 2, 3, 4, 6, 8, 12)
"""Distances in frames to the frames that a moving camera's frame is averaged with."""
MOST_FRAMES = 32
"""Most frames that a frame of a still or turning camera is averaged with."""


def pixel_maps(K: np.ndarray, world_from_camera: np.ndarray, i: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """turn (3 x 3) and shift (3) for which pixel p of frame i at depth z is z * turn @ p + shift in frame k.

    p is (column, row, 1); the third component of the result is the depth in frame k.
    """
    k_from_i = np.linalg.inv(world_from_camera[k]) @ world_from_camera[i]
    return K[k] @ k_from_i[:3, :3] @ np.linalg.inv(K[i]), K[k] @ k_from_i[:3, 3]


def maps_to(
    K: np.ndarray, world_from_camera: np.ndarray, i: int, others: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """`pixel_maps` from frame i to N others: N x 3 x 3 and N x 3 float32."""
    turns, shifts = zip(*(pixel_maps(K, world_from_camera, i, k) for k in others), strict=True)
    return np.stack(turns).astype(np.float32), np.stack(shifts).astype(np.float32)


def pixels_hit(projected: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row and column of the pixels that points fall into, and which fall into the picture; 0 for the others.

    projected: 3 x n, see `pixel_maps`.
    """
    ahead = projected[2] > 1e-6
    column, row = np.floor(np.where(ahead, projected[:2] / np.where(ahead, projected[2], 1), -1))
    inside = (column >= 0) & (row >= 0) & (column < width) & (row < height)
    return np.where(inside, row, 0).astype(np.intp), np.where(inside, column, 0).astype(np.intp), inside


def near_frames(i: int, count: int) -> list[int]:
    """The frames at NEAR_OFFSETS from frame i, of `count`."""
    return sorted({i + sign * step for step in NEAR_OFFSETS for sign in (1, -1)} & set(range(count)))


def align_turning(
    inverse: np.ndarray, usable: np.ndarray, K: np.ndarray, world_from_camera: np.ndarray, *, shifts: bool
) -> np.ndarray:
    """Inverse depth (T x h x w) whose scale, and shift if `shifts`, is one for the whole clip.

    Frames are compared along the camera's turns, as if its centre stood still. usable: T x h x w bool, static pixels
    with depth. Scale and shift of the clip as a whole stay as they are, up to noise.
    """
    count, height, width = inverse.shape
    stride = max(1, round((height * width / MATCH_PIXELS) ** 0.5))
    rows, columns = (part.ravel() for part in np.mgrid[stride // 2 : height : stride, stride // 2 : width : stride])
    pixels = np.stack([columns + 0.5, rows + 0.5, np.ones(rows.shape)])
    looks = []
    for i in range(count):
        for k in (i + offset for offset in MATCH_OFFSETS if i + offset < count):
            turn, _ = pixel_maps(K, world_from_camera, i, k)
            projected = turn @ pixels
            row, column, inside = pixels_hit(projected, height, width)
            both = inside & usable[i, rows, columns] & usable[k, row, column]
            looks.append((i, k, rows[both], columns[both], row[both], column[both], projected[2, both]))
    # The shift's own change by the turn is ignored in the first pass and small in the second.
    for _ in range(2 if shifts else 1):
        matches = [Match(i, k, inverse[i, a, b], inverse[k, c, d] * turned) for i, k, a, b, c, d, turned in looks]
        if shifts:
            inverse = apply(inverse, *steady_scale_shift(matches, count))
        else:
            inverse = inverse * np.exp(_log_scales(matches, count))[:, None, None].astype(np.float32)
    return inverse


def _log_scales(matches: Sequence[Match], count: int) -> np.ndarray:
    """Log of the scale of each frame, T, whose median is 0."""
    edges, steps, weights = [(i, i + 1) for i in range(count - 1)], [0.0] * (count - 1), [1e-6] * (count - 1)
    for match in matches:
        known = (match.first_values > 0) & (match.second_values > 0)
        if known.sum() >= 50:
            edges.append((match.first, match.second))
            steps.append(float(np.median(np.log(match.first_values[known] / match.second_values[known]))))
            weights.append(1 / (match.second - match.first))
    if count == 1:
        return np.zeros(1)
    scales = solve_differences(count, edges, np.array(steps)[:, None], np.array(weights))[:, 0]
    return scales - np.median(scales)


def plausible_unit(inverse: np.ndarray, *, shifts: bool) -> np.ndarray:
    """Inverse depth in a unit of convenient size, where nothing tells the true one: see `default_range`."""
    if shifts:
        scale, shift = default_range(inverse)
        return inverse * np.float32(scale) + np.float32(shift)
    middle = float(np.median(inverse[:, ::4, ::4]))
    return inverse / np.float32(TYPICAL_DEPTH * middle) if middle > 0 else np.full_like(inverse, 1 / TYPICAL_DEPTH)


def steady_static(
    depth: np.ndarray, usable: np.ndarray, K: np.ndarray, world_from_camera: np.ndarray, *, moving_camera: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Depth whose static pixels agree between frames, and the spread of log depth that they had; both T x h x w.

    Each usable pixel takes the median of its point's depth in other frames that see the same surface, within
    SAME_SURFACE; frames that see something else there (an occluder, a mover that nobody marked) are ignored. A still or
    turning camera's frames all look at the same other frames, so they end up equal. Other pixels are unchanged.
    depth: T x h x w float32. usable: T x h x w bool, static pixels with depth.
    """
    count = len(depth)
    result, disagreement = depth.copy(), np.zeros_like(depth)
    inverse = np.divide(1, depth, out=np.zeros_like(depth), where=usable & (depth > 0))
    common = np.unique(np.linspace(0, count - 1, min(count, MOST_FRAMES)).round().astype(int))
    for i in range(count):
        others = sorted([i, *near_frames(i, count)]) if moving_camera else common.tolist()
        turns, shifts = maps_to(K, world_from_camera, i, others)
        _median_of_frames(inverse, i, np.array(others), turns, shifts, result[i], disagreement[i])
    return result, disagreement


# A product and a sum may be one step, which keeps NaN and infinity.
CONTRACTED = {**KERNEL, "fastmath": {"contract"}}


@numba.njit(**CONTRACTED, parallel=True)
def _median_of_frames(inverse, i, others, turns, shifts, result, disagreement):
    """See `steady_static`. inverse: T x h x w, 1 / depth, 0 where not usable. turns, shifts: see `pixel_maps`.

    Frames are compared by depth expected / depth seen, whose order is that of log depth turned round, so only the
    quartiles need a logarithm. A row is done at once: whole rows are compared and exchanged when sorting.
    """
    height, width = result.shape
    count = len(others)
    lowest, highest = np.float32(math.exp(-SAME_SURFACE)), np.float32(math.exp(SAME_SURFACE))
    for row in numba.prange(height):
        there, u, v = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
        ratios, found = np.empty((count, width), np.float32), np.zeros(width, np.int64)
        for n in range(count):
            project_row(inverse[i, row], row, turns[n], shifts[n], there, u, v)
            seen, ratio = inverse[others[n]], ratios[n]
            for column in range(width):
                value = np.float32(np.inf)
                if there[column] > 0 and u[column] >= 0 and v[column] >= 0 and u[column] < width and v[column] < height:
                    close = lookup(seen, u[column], v[column]) * there[column]
                    if lowest < close < highest:
                        value = close
                        found[column] += 1
                ratio[column] = value
        for last in range(count - 1, 0, -1):
            for n in range(last):
                _exchange(ratios[n], ratios[n + 1])
        for column in range(width):
            most = found[column] - 1
            if most < 0:
                continue
            middle = ratios[most // 2, column] * ratios[(most + 1) // 2, column]
            result[row, column] = np.float32(1) / (inverse[i, row, column] * math.sqrt(middle))
            if most > 0:
                low, high = most - (3 * (most + 1)) // 4, most - (most + 1) // 4
                disagreement[row, column] = math.log(ratios[high, column] / ratios[low, column]) / np.float32(1.35)


@numba.njit(**CONTRACTED)
def project_row(inverse, row, turn, shift, there, u, v):
    """Where another frame sees the row's pixels, and their depth there, 0 if it cannot. inverse: w, 1 / depth."""
    half, zero, one, least = np.float32(0.5), np.float32(0), np.float32(1), np.float32(1e-6)
    y = np.float32(row) + half
    b0, b1, b2 = turn[0, 1] * y + turn[0, 2], turn[1, 1] * y + turn[1, 2], turn[2, 1] * y + turn[2, 2]
    a0, a1, a2, s0, s1, s2 = turn[0, 0], turn[1, 0], turn[2, 0], shift[0], shift[1], shift[2]
    for column in range(len(inverse)):
        x = np.float32(column) + half
        # In units of the pixel's own depth.
        k = inverse[column]
        z = a2 * x + b2 + k * s2
        ahead = k > zero and z > least * k
        over = one / z if ahead else zero
        u[column] = (a0 * x + b0 + k * s0) * over
        v[column] = (a1 * x + b1 + k * s1) * over
        there[column] = z / k if ahead else zero


@numba.njit(**CONTRACTED)
def _exchange(first, second):
    """Put the smaller values first."""
    for column in range(len(first)):
        a, b = first[column], second[column]
        first[column], second[column] = (a, b) if a < b else (b, a)


@numba.njit(**CONTRACTED, inline="always")
def lookup(inverse, u, v):
    """1 / depth of a frame (h x w) at a position: bilinear on a surface, nearest at an edge; 0 where not usable."""
    height, width = inverse.shape
    half, zero, one = np.float32(0.5), np.float32(0), np.float32(1)
    nearest = inverse[int(v), int(u)]
    left = min(max(int(u + half) - 1, 0), width - 2)
    top = min(max(int(v + half) - 1, 0), height - 2)
    a = min(max(u - half - np.float32(left), zero), one)
    b = min(max(v - half - np.float32(top), zero), one)
    c00, c01 = inverse[top, left], inverse[top, left + 1]
    c10, c11 = inverse[top + 1, left], inverse[top + 1, left + 1]
    farthest, closest = min(min(c00, c01), min(c10, c11)), max(max(c00, c01), max(c10, c11))
    if farthest * np.float32(1.05) > nearest > closest * np.float32(0.95):
        above, below = c00 + a * (c01 - c00), c10 + a * (c11 - c10)
        return above + b * (below - above)
    return nearest
