# SPDX-License-Identifier: Apache-2.0
"""The static scene of a clip: which pixels move, and how far its pictures are apart."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numba
import numpy as np

from reangle.kernels import KERNEL
from reangle.warping.cameras import pixel_transform, target_from_source
from reangle.warping.lookup import SAME_SURFACE

WITNESSES = 9
"""Pictures, spread over the clip, that each picture's pixels are compared with to find what moves."""

MOST_AGREEMENT = 8
"""A pixel moves if at least one in this many pictures that show its place sees through it."""

EDGE_OF_MOVERS = 3
"""Pixels around a moving thing that are excluded too: its blur and its soft edge."""


@dataclass(frozen=True, eq=False)
class Witnesses:
    """The pictures that each picture is compared with to find what moves.

    numbers: N, of the pictures. depths: N x (H W) x 2 float32: the least depth of a pixel and its eight neighbours, 0
    if one of them is unknown, and the pixel's own.
    """

    numbers: np.ndarray
    depths: np.ndarray

    @classmethod
    def of(cls, depth: np.ndarray) -> Witnesses:
        """depth: M x H x W float32, 0 where unknown."""
        count = len(depth)
        numbers = np.unique(np.linspace(0, count - 1, min(count, WITNESSES)).round().astype(int))
        around = np.ones((3, 3), np.uint8)
        pairs = [np.dstack([cv2.erode(depth[number], around), depth[number]]) for number in numbers]
        return cls(numbers, np.stack(pairs).reshape(len(numbers), -1, 2))


def static_pixels(
    depth: np.ndarray,
    witnesses: Witnesses,
    K: np.ndarray,
    world_from_camera: np.ndarray,
    index: int,
    dynamic: np.ndarray | None,
) -> np.ndarray:
    """Pixels of picture `index` with depth that do not move, H x W bool.

    A pixel moves if the geometry says so, or if another picture sees through it.
    depth: M x H x W float32, 0 where unknown. K: M x 3 x 3. world_from_camera: M x 4 x 4. dynamic: the geometry's mask
    of moving pixels, of any size.
    """
    height, width = depth.shape[1:]
    others = np.flatnonzero(witnesses.numbers != index)
    moving = np.zeros((height, width), np.uint8)
    if len(others):
        terms = [
            pixel_transform(K[index], target_from_source(world_from_camera[j], world_from_camera[index]), K[j])
            for j in witnesses.numbers[others]
        ]
        A, b = (np.stack(each).astype(np.float32) for each in zip(*terms, strict=True))
        moving = _seen_through(depth[index], witnesses.depths, others, A, b)
        moving = cv2.morphologyEx(moving, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    if dynamic is not None:
        dynamic = cv2.resize(dynamic.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        moving = np.maximum(moving, dynamic)
    grow = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * EDGE_OF_MOVERS + 1,) * 2)
    return (cv2.dilate(moving, grow) == 0) & (depth[index] > 0)


def typical_depth(depth: np.ndarray) -> float:
    """Median depth of every fourth row and column, 1 if no pixel has depth. depth: ... x H x W, 0 where unknown."""
    known = depth[..., ::4, ::4]
    known = known[known > 0]
    return float(np.median(known)) if known.size else 1.0


def image_shift(
    one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray], depth: float, width: int, height: int
) -> float:
    """Largest distance in pixels between the images of one point at this depth in two cameras.

    one, other: (K, world_from_camera), for width x height pixels. Infinite if a point is behind the other camera.
    """
    A, b = pixel_transform(one[0], target_from_source(other[1], one[1]), other[0])
    corners = np.array([[x, y, 1.0] for x in (0, width / 2, width) for y in (0, height / 2, height)])
    q = depth * corners @ A.T + b
    if (q[:, 2] <= 0).any():
        return float("inf")
    return float(np.abs(q[:, :2] / q[:, 2:] - corners[:, :2]).max())


@numba.njit(**KERNEL)
def _seen_through(depth, witnesses, others, A, b):
    """H x W uint8: 1 where enough of the other pictures see through a picture to something farther.

    depth: the picture's. witnesses: N x (H W) x 2 float32, `nearest` and depth. others: which of them are looked at.
    A, b: float32. Loops over a row are free of branches.
    """
    height, width = depth.shape
    out = np.zeros((height, width), np.uint8)
    place, there = np.empty(width, np.int32), np.empty(width, np.float32)
    agree, through = np.empty(width, np.int32), np.empty(width, np.int32)
    half, one, zero, nowhere = np.float32(0.5), np.float32(1), np.float32(0), np.float32(np.inf)
    right, bottom = np.float32(width - 1), np.float32(height - 1)
    farther, same = np.float32(1 + SAME_SURFACE), np.float32(SAME_SURFACE)
    for y in range(height):
        agree[:], through[:] = 0, 0
        for n in range(others.shape[0]):
            v_here = np.float32(y) + half
            a_x, a_y, a_z = A[n, 0, 0], A[n, 1, 0], A[n, 2, 0]
            row_x = A[n, 0, 1] * v_here + A[n, 0, 2]
            row_y = A[n, 1, 1] * v_here + A[n, 1, 2]
            row_z = A[n, 2, 1] * v_here + A[n, 2, 2]
            b_x, b_y, b_z = b[n, 0], b[n, 1], b[n, 2]
            for x in range(width):
                u_here, z = np.float32(x) + half, depth[y, x]
                q = z * (a_z * u_here + row_z) + b_z
                inverse = one / q
                u = (z * (a_x * u_here + row_x) + b_x) * inverse
                v = (z * (a_y * u_here + row_y) + b_y) * inverse
                inside = (z > zero) & (q > zero) & (u >= one) & (u < right) & (v >= one) & (v < bottom)
                i, j = np.int32(u if inside else zero), np.int32(v if inside else zero)
                place[x] = j * np.int32(width) + i
                there[x] = q if inside else nowhere
            witness = witnesses[others[n]]
            for x in range(width):
                around, shown, q = witness[place[x], 0], witness[place[x], 1], there[x]
                is_through = around > q * farther
                through[x] += is_through
                agree[x] += (around > zero) & (not is_through) & (abs(shown - q) < same * q)
        for x in range(width):
            out[y, x] = (through[x] > 0) & (through[x] * MOST_AGREEMENT >= agree[x] + through[x])
    return out
