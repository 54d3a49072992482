# SPDX-License-Identifier: Apache-2.0
"""A frame's depth at the frame's size, and its depth edges.

Edges are found in inverse depth: it is affine in pixel coordinates over a plane, so that even a steep slope is no edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np

from reangle.contract import PreviewSettings
from reangle.geometry.noise import roughness_of
from reangle.kernels import KERNEL, writable
from reangle.warping.mesh import Cut, find_cells

EDGE_TOLERANCE = 0.015
"""Neighbours are linked if the slope on one side predicts the other's inverse depth within this share of it."""

FOOTPRINT = 3
"""Pixels from a depth edge within which a pixel is rough."""


DEFAULT_EDGE_FILTER = PreviewSettings().edge_filter


@dataclass(frozen=True, eq=False)
class Surface:
    """One picture's geometry.

    depth: H x W float32, planar z, 0 where there is no point.
    rough: H x W uint8, distance in pixels (1 to FOOTPRINT) to the nearest depth edge; 0 if it is farther away.
    near: H x W bool, rough pixels on the nearer side of their edge.
    cut: where the surface is cut.
    """

    depth: np.ndarray
    rough: np.ndarray
    near: np.ndarray
    cut: Cut

    @cached_property
    def valid(self) -> np.ndarray:
        """H x W bool: where there is a point."""
        return self.depth > 0

    @cached_property
    def cells(self) -> np.ndarray:
        """`find_cells` of the surface."""
        return find_cells(self.depth, self.valid, self.cut)


def make_surface(
    depth: np.ndarray, valid: np.ndarray, width: int, height: int, edge_filter: float = DEFAULT_EDGE_FILTER
) -> Surface:
    """The surface at height x width pixels.

    depth: h x w float32. valid: h x w bool. edge_filter: as in `contract.PreviewSettings`.
    """
    inverse = np.divide(1, depth, out=np.zeros(depth.shape, np.float32), where=valid)
    roughness = roughness_of(inverse)
    right, down = _links(inverse, roughness)
    if depth.shape != (height, width):
        inverse = _resize(inverse, right, down, height, width)
        roughness = roughness_of(inverse)
        right, down = _links(inverse, roughness)
        depth = reciprocal(inverse)
    else:
        depth = writable(np.where(valid, depth, 0), np.float32)
    return Surface(depth, *_near_edges(inverse, right, down), Cut.of_filter(edge_filter, float(roughness)))


def reciprocal(values: np.ndarray) -> np.ndarray:
    """1 / values, float32; 0 stays 0."""
    return np.divide(1, values, out=np.zeros(values.shape, np.float32), where=values > 0)


@numba.njit(**KERNEL)
def _links(inverse, roughness):
    """H x W uint8 each: 1 if the pixel is linked to the one to the right, and to the one below."""
    height, width = inverse.shape
    right = np.zeros((height, width), np.uint8)
    down = np.zeros((height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            w = inverse[y, x]
            if w <= 0:
                continue
            if x + 1 < width and inverse[y, x + 1] > 0:
                before = inverse[y, x - 1] if x > 0 else np.float32(0)
                after = inverse[y, x + 2] if x + 2 < width else np.float32(0)
                right[y, x] = _linked(before, w, inverse[y, x + 1], after, roughness)
            if y + 1 < height and inverse[y + 1, x] > 0:
                before = inverse[y - 1, x] if y > 0 else np.float32(0)
                after = inverse[y + 2, x] if y + 2 < height else np.float32(0)
                down[y, x] = _linked(before, w, inverse[y + 1, x], after, roughness)
    return right, down


@numba.njit(inline="always")
def _linked(before, w0, w1, after, roughness):
    error = abs(w1 - w0)
    if before > 0:
        error = min(error, abs(w1 - 2 * w0 + before))
    if after > 0:
        error = min(error, abs(w0 - 2 * w1 + after))
    return error <= max(EDGE_TOLERANCE * max(w0, w1), roughness)


@numba.njit(**KERNEL)
def _near_edges(inverse, right, down):
    height, width = inverse.shape
    rough = np.zeros((height, width), np.uint8)
    near = np.zeros((height, width), np.bool_)
    reach = FOOTPRINT - 1
    for y in range(height):
        for x in range(width):
            w = inverse[y, x]
            farthest = np.float32(1e30)
            if x + 1 < width and not right[y, x]:
                farthest = min(farthest, inverse[y, x + 1])
            if x > 0 and not right[y, x - 1]:
                farthest = min(farthest, inverse[y, x - 1])
            if y + 1 < height and not down[y, x]:
                farthest = min(farthest, inverse[y + 1, x])
            if y > 0 and not down[y - 1, x]:
                farthest = min(farthest, inverse[y - 1, x])
            if farthest > 1e29:
                continue
            for j in range(max(y - reach, 0), min(y + reach + 1, height)):
                for i in range(max(x - reach, 0), min(x + reach + 1, width)):
                    distance = max(abs(j - y), abs(i - x)) + 1
                    if rough[j, i] == 0 or distance < rough[j, i]:
                        rough[j, i] = distance
                    if farthest < w and abs(inverse[j, i] - w) < 2 * EDGE_TOLERANCE * w:
                        near[j, i] = True
    return rough, near


@numba.njit(**KERNEL)
def _resize(inverse, right, down, height, width):
    """Bilinear where the four neighbours are linked, else the nearest one."""
    h, w = inverse.shape
    out = np.zeros((height, width), np.float32)
    for y in range(height):
        v = (y + 0.5) * h / height - 0.5
        y0 = min(max(int(np.floor(v)), 0), max(h - 2, 0))
        y1 = min(y0 + 1, h - 1)
        fy = v - y0
        for x in range(width):
            u = (x + 0.5) * w / width - 0.5
            x0 = min(max(int(np.floor(u)), 0), max(w - 2, 0))
            x1 = min(x0 + 1, w - 1)
            fx = u - x0
            if right[y0, x0] and right[y1, x0] and down[y0, x0] and down[y0, x1]:
                top = inverse[y0, x0] * (1 - fx) + inverse[y0, x1] * fx
                bottom = inverse[y1, x0] * (1 - fx) + inverse[y1, x1] * fx
                out[y, x] = max(top * (1 - fy) + bottom * fy, 0)
            else:
                out[y, x] = inverse[y1 if fy > 0.5 else y0, x1 if fx > 0.5 else x0]
    return out
