# SPDX-License-Identifier: Apache-2.0
"""The static scene of a clip: which pixels move, and how far its pictures are apart."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numba
import numpy as np

from reangle.warping.cameras import pixel_transform, target_from_source
from reangle.warping.kernels import KERNEL
from reangle.warping.lookup import SAME_SURFACE, source_point

WITNESSES = 9
"""Pictures, spread over the clip, that each picture's pixels are compared with to find what moves."""

MOST_AGREEMENT = 8
"""A pixel moves if at least one in this many pictures that show its place sees through it."""

EDGE_OF_MOVERS = 3
"""Pixels around a moving thing that are excluded too: its blur and its soft edge."""


@dataclass(frozen=True, eq=False)
class Witnesses:
    """The pictures that each picture is compared with to find what moves.

    numbers: N, of the pictures. nearest: N x H x W float32, the least depth of a pixel and its eight neighbours, 0 if
    one of them is unknown.
    """

    numbers: np.ndarray
    nearest: np.ndarray

    @classmethod
    def of(cls, depth: np.ndarray) -> Witnesses:
        """depth: M x H x W float32, 0 where unknown."""
        count = len(depth)
        numbers = np.unique(np.linspace(0, count - 1, min(count, WITNESSES)).round().astype(int))
        return cls(numbers, np.stack([cv2.erode(depth[number], np.ones((3, 3), np.uint8)) for number in numbers]))


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
        A, b = np.stack([A for A, _ in terms]), np.stack([b for _, b in terms])
        moving = _seen_through(depth, witnesses.nearest, index, witnesses.numbers, others, A, b)
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
def _seen_through(depths, nearest, index, numbers, others, A, b):
    """H x W uint8: 1 where enough of the other pictures see through picture `index` to something farther.

    nearest, numbers: see `Witnesses`. others: which of them are looked at.
    """
    _, height, width = depths.shape
    out = np.zeros((height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            z = depths[index, y, x]
            if z <= 0:
                continue
            agree, through = 0, 0
            for n in range(others.shape[0]):
                u, v, there = source_point(x + 0.5, y + 0.5, z, A[n], b[n])
                if there <= 0 or not (1 <= u < width - 1 and 1 <= v < height - 1):
                    continue
                i, j = int(u), int(v)
                around = nearest[others[n], j, i]
                if around <= 0:
                    continue
                if around > there * (1 + SAME_SURFACE):
                    through += 1
                elif abs(depths[numbers[others[n]], j, i] - there) < SAME_SURFACE * there:
                    agree += 1
            out[y, x] = through > 0 and through * MOST_AGREEMENT >= agree + through
    return out
