# SPDX-License-Identifier: Apache-2.0
"""Which pixels move in the world, judged by depth alone."""

from __future__ import annotations

import cv2
import numpy as np

from reangle.geometry.robust import spread

MAX_WIDTH = 320
"""Depth is reduced to at most this width first."""
OFFSETS = (1, 2, 4, 8, 16, 32)
"""Distances in frames to the frames that a frame is compared with."""
LEAST_STEP = 0.04
"""Least relative depth difference that counts as looking through."""
EVIDENCE = 0.3
"""Share of the comparable frames that must look through a moving pixel."""


def moving_pixels(depth: np.ndarray, valid: np.ndarray, K: np.ndarray, world_from_camera: np.ndarray) -> np.ndarray:
    """Which pixels show something that moves in the world: T x h x w bool. Arguments as in VideoGeometry.

    A pixel's point is projected into other frames. If such a frame looks through it, at a clearly farther surface, the
    point was elsewhere at that time: it moves. A nearer surface only hides the point and is no evidence. "Clearly" is
    four standard deviations of the frames' agreement, and at least LEAST_STEP of the depth; the farther surface is
    compared at its nearest depth around the pixel, so that edges do not count. A pixel moves if at least EVIDENCE of
    the comparable frames look through it. Objects that turn or slide within their own outline are missed.
    """
    count, height, width = depth.shape
    shrink = max(1, -(-width // MAX_WIDTH))
    coarse_depth, coarse_valid = depth[:, ::shrink, ::shrink], valid[:, ::shrink, ::shrink]
    K = K.copy()
    # Sample (r, c) is the pixel centre shrink * (r, c) + 0.5, and its own centre is (r, c) + 0.5.
    K[:, :2] /= shrink
    K[:, :2, 2] += 0.5 - 0.5 / shrink
    nearest = np.stack([_nearest_around(one, known) for one, known in zip(coarse_depth, coarse_valid, strict=True)])

    agreement = spread(
        np.concatenate(
            [
                _log_steps(coarse_depth, coarse_valid, coarse_depth, K, world_from_camera, i, i + 1)[0].ravel()
                for i in range(0, count - 1, max(1, count // 8))
            ]
            or [np.zeros(1)]
        )
    )
    step = max(LEAST_STEP, 4 * agreement)
    moving = np.zeros(depth.shape, bool)
    for i in range(count):
        through, comparable = np.zeros(coarse_depth[i].shape, int), np.zeros(coarse_depth[i].shape, int)
        for k in {i + sign * offset for offset in OFFSETS for sign in (1, -1)} & set(range(count)):
            steps, seen = _log_steps(coarse_depth, coarse_valid, nearest, K, world_from_camera, i, k, full=True)
            through += seen & (steps > step)
            comparable += seen & (steps > -step)
        # A single frame is enough evidence only in clips of two frames.
        mask = (through >= np.minimum(2, max(1, count - 1))) & (through >= EVIDENCE * comparable)
        mask = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
        moving[i] = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST).astype(bool) & valid[i]
    return moving


def _nearest_around(depth: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The least depth in each 3 x 3 neighbourhood; 0 where a neighbour has none."""
    least = cv2.erode(np.where(valid, depth, np.float32(np.inf)), np.ones((3, 3), np.uint8))
    return np.where(cv2.erode(valid.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0, least, 0)


def _log_steps(
    depth: np.ndarray,
    valid: np.ndarray,
    compare: np.ndarray,
    K: np.ndarray,
    world_from_camera: np.ndarray,
    i: int,
    k: int,
    *,
    full: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """How much farther than the points of frame i the surface is that frame k sees there: log of the depth ratio.

    Also returns the mask of pixels where this is known. If not `full`, only their values are returned.
    """
    height, width = depth[i].shape
    rows, columns = np.mgrid[0:height, 0:width]
    pixels = np.stack([columns + 0.5, rows + 0.5, np.ones(rows.shape)])
    points = np.tensordot(np.linalg.inv(K[i]), pixels, 1) * depth[i]
    k_from_i = np.linalg.inv(world_from_camera[k]) @ world_from_camera[i]
    points = np.tensordot(k_from_i[:3, :3], points, 1) + k_from_i[:3, 3, None, None]
    z = points[2]
    ahead = valid[i] & (z > 1e-6)
    u, v = np.tensordot(K[k][:2], points, 1) / np.where(ahead, z, 1)
    inside = ahead & (u >= 0) & (v >= 0) & (u < width) & (v < height)
    column, row = (np.where(inside, value, 0).astype(np.intp) for value in (u, v))
    there = compare[k][row, column]
    known = inside & (there > 0)
    steps = np.zeros(z.shape)
    steps[known] = np.log(there[known] / z[known])
    return (steps, known) if full else (steps[known], known)
