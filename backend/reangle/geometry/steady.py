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
            u, v, nearer = turn @ pixels
            ahead = nearer > 1e-6
            column, row = (np.floor(np.where(ahead, x / np.where(ahead, nearer, 1), -1)) for x in (u, v))
            inside = ahead & (column >= 0) & (row >= 0) & (column < width) & (row < height)
            column, row = (np.where(inside, x, 0).astype(np.intp) for x in (column, row))
            both = inside & usable[i, rows, columns] & usable[k, row, column]
            looks.append((i, k, rows[both], columns[both], row[both], column[both], nearer[both]))
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
    common = np.unique(np.linspace(0, count - 1, min(count, MOST_FRAMES)).round().astype(int))
    for i in range(count):
        if moving_camera:
            others = sorted({i + sign * step for step in (0, *NEAR_OFFSETS) for sign in (1, -1)} & set(range(count)))
        else:
            others = common.tolist()
        maps = [pixel_maps(K, world_from_camera, i, k) for k in others]
        _median_of_frames(
            depth,
            usable,
            i,
            np.array(others),
            np.stack([turn for turn, _ in maps]),
            np.stack([shift for _, shift in maps]),
            result[i],
            disagreement[i],
        )
    return result, disagreement


@numba.njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def _median_of_frames(depth, usable, i, others, turns, shifts, result, disagreement):
    height, width = result.shape
    for row in numba.prange(height):
        steps = np.empty(len(others) + 1, np.float64)
        for column in range(width):
            if not usable[i, row, column]:
                continue
            z = depth[i, row, column]
            x, y = column + 0.5, row + 0.5
            found = 0
            for n in range(len(others)):
                there = z * (turns[n, 2, 0] * x + turns[n, 2, 1] * y + turns[n, 2, 2]) + shifts[n, 2]
                if there <= 1e-6:
                    continue
                u = (z * (turns[n, 0, 0] * x + turns[n, 0, 1] * y + turns[n, 0, 2]) + shifts[n, 0]) / there
                v = (z * (turns[n, 1, 0] * x + turns[n, 1, 1] * y + turns[n, 1, 2]) + shifts[n, 1]) / there
                if not (0 <= u < width and 0 <= v < height):
                    continue
                seen = _lookup(depth, usable, others[n], u, v)
                if seen <= 0:
                    continue
                step = math.log(seen / there)
                if abs(step) < SAME_SURFACE:
                    # insertion keeps the steps sorted
                    place = found
                    while place > 0 and steps[place - 1] > step:
                        steps[place] = steps[place - 1]
                        place -= 1
                    steps[place] = step
                    found += 1
            if found == 0:
                continue
            middle = (steps[(found - 1) // 2] + steps[found // 2]) / 2
            result[row, column] = z * math.exp(middle)
            disagreement[row, column] = (steps[(3 * found) // 4 if found > 1 else 0] - steps[found // 4]) / 1.35


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _lookup(depth, usable, k, u, v):
    """Depth of frame k at a pixel position: bilinear on a surface, nearest at an edge; 0 where it is not usable."""
    height, width = depth.shape[1:]
    nearest_row, nearest_column = int(v), int(u)
    if not usable[k, nearest_row, nearest_column]:
        return 0.0
    nearest = float(depth[k, nearest_row, nearest_column])
    left = min(max(math.floor(u - 0.5), 0), width - 2)
    top = min(max(math.floor(v - 0.5), 0), height - 2)
    a, b = min(max(u - 0.5 - left, 0.0), 1.0), min(max(v - 0.5 - top, 0.0), 1.0)
    total = 0.0
    for down in range(2):
        for right in range(2):
            if not usable[k, top + down, left + right]:
                return nearest
            z = float(depth[k, top + down, left + right])
            if not 0.95 * nearest < z < 1.05 * nearest:
                return nearest
            total += (b if down else 1 - b) * (a if right else 1 - a) / z
    return 1 / total
