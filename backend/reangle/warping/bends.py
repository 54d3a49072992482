# SPDX-License-Identifier: Apache-2.0
"""How one frame's surface fares on its way to a new camera: where it folds, stretches, tears and is uncertain.

Everything is a share of the new picture, 0 to 1, and measured without truth: a surface that is smooth and straight in
the clip but folds or stretches from the new camera is either wrong, or seen from where its pixels do not suffice.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numba
import numpy as np

from reangle.kernels import KERNEL, writable
from reangle.warping.cameras import camera_from_world, pixel_transform
from reangle.warping.raster import ALL, LEFT, TOP
from reangle.warping.surface import Surface

EDGE_REACH = 4
"""Pixels from a depth edge within which a surface may turn away: the rim of a round thing does."""

STRETCHED = 3.0
"""A surface is stretched where it is so many times longer than one that faces both cameras."""

PLAIN_COLOUR = 14
"""Levels of 255 by which colours on the two sides of a cut differ, at least, if the picture has an edge there."""

DOUBT = 0.2
"""Confidence below which depth is uncertain: `geometry.anchor` gives it to depth that is off by a fifth."""

FAR_ASIDE = 25.0
"""Degrees between two views of a thing from which its unseen side matters."""

GRAIN = 2
"""Every so many pixels of the new picture, in both directions, are looked at for doubts."""


class Bends(NamedTuple):
    """Shares of the new picture, 0 to 1.

    folded: smooth surface that turns its back to the new camera. stretched: smooth surface that is STRETCHED.
    torn: gaps that open where the depth has an edge and the picture none.
    """

    folded: float
    stretched: float
    torn: float


def bends(
    rgb: np.ndarray,
    surface: Surface,
    K_source: np.ndarray,
    target_from_source: np.ndarray,
    K_target: np.ndarray,
    width: int,
    height: int,
) -> Bends:
    """rgb: H x W x 3 uint8, the source frame. surface: of the same size. target_from_source: 4 x 4."""
    A, b = pixel_transform(K_source, target_from_source, K_target)
    lens = np.float32(K_target[0, 0] / K_source[0, 0])
    near_edge = cv2.dilate(np.minimum(surface.rough, 1), np.ones((2 * EDGE_REACH + 1, 2 * EDGE_REACH + 1), np.uint8))
    A, b = A.astype(np.float32), b.astype(np.float32)
    counts = np.zeros(3)
    _count(rgb, surface.depth, near_edge, surface.cells, A, b, lens, width, height, counts)
    return Bends(*(float(min(count / (width * height), 1)) for count in counts))


@numba.njit(inline="always")
def _is_plain(rgb, i, j, m, n):
    """Whether the colours at two pixels are about the same."""
    largest = 0
    for c in range(3):
        largest = max(largest, abs(np.int64(rgb[i, j, c]) - np.int64(rgb[m, n, c])))
    return largest < PLAIN_COLOUR


@numba.njit(inline="always")
def _inside(x, y, width, height):
    return (x >= 0) & (y >= 0) & (x < width) & (y < height)


@numba.njit(**KERNEL)
def _project(i, depth, A, b, xs, ys, zs):
    v = np.float32(i) + np.float32(0.5)
    for j in range(xs.shape[0]):
        u = np.float32(j) + np.float32(0.5)
        d = depth[i, j]
        z = d * (A[2, 0] * u + A[2, 1] * v + A[2, 2]) + b[2]
        xs[j] = (d * (A[0, 0] * u + A[0, 1] * v + A[0, 2]) + b[0]) / z
        ys[j] = (d * (A[1, 0] * u + A[1, 1] * v + A[1, 2]) + b[1]) / z
        zs[j] = z if d > 0 else np.float32(0)


@numba.njit(**KERNEL)
def _count(rgb, depth, near_edge, cells, A, b, lens, width, height, counts):
    """Adds target pixels to the counts of `Bends`, in its order."""
    h, w = depth.shape
    xs, ys, zs = np.empty((2, w), np.float32), np.empty((2, w), np.float32), np.empty((2, w), np.float32)
    for r in range(h):
        new, old = r & 1, (r + 1) & 1
        _project(r, depth, A, b, xs[new], ys[new], zs[new])
        if r == 0:
            continue
        for c in range(1, w):
            x, y = xs[old, c - 1], ys[old, c - 1]
            if not _inside(x, y, width, height):
                continue
            if zs[old, c - 1] <= 0 or zs[old, c] <= 0 or zs[new, c - 1] <= 0 or zs[new, c] <= 0:
                continue
            ax, ay = xs[old, c] - x, ys[old, c] - y
            bx, by = xs[new, c - 1] - x, ys[new, c - 1] - y
            # Size of the cell if it faced both cameras.
            plain = lens * depth[r - 1, c - 1] / zs[old, c - 1]
            cell = cells[r, c]
            if cell == ALL:
                if near_edge[r, c]:
                    continue
                area = ax * by - ay * bx
                if area < 0:
                    counts[0] += plain * plain
                elif max(ax * ax + ay * ay, bx * bx + by * by) > (STRETCHED * plain) ** 2:
                    counts[1] += area
                continue
            # A pixel away from the cut: pixels beside an edge mix the colours of both sides.
            opens = not cell & TOP and c >= 2 and c + 1 < w and ax > plain
            if opens and _is_plain(rgb, r - 1, c - 2, r - 1, c + 1):
                counts[2] += (min(ax, width - x) - plain) * plain
            opens = not cell & LEFT and r >= 2 and r + 1 < h and by > plain
            if opens and _is_plain(rgb, r - 2, c - 1, r + 1, c - 1):
                counts[2] += (min(by, height - y) - plain) * plain


class Doubts(NamedTuple):
    """Shares of the new picture, 0 to 1, of what its own frame shows.

    uncertain: with a confidence below DOUBT. unfilmed: things that move, from more than FAR_ASIDE degrees beside the
    camera that filmed them: no frame shows their other side.
    """

    uncertain: float
    unfilmed: float


def doubts(
    confidence: np.ndarray,
    dynamic: np.ndarray | None,
    visible: np.ndarray,
    depth: np.ndarray,
    size: tuple[int, int],
    K_source: np.ndarray,
    target_from_source: np.ndarray,
    K_target: np.ndarray,
) -> Doubts:
    """confidence, dynamic: h x w float32 and bool, of the source frame, whose size is width and height in pixels.
    visible, depth: of the new picture, as in WarpedFrame. target_from_source: 4 x 4, rigid.
    """
    centre = np.ascontiguousarray(target_from_source[:3, 3])
    A, b = pixel_transform(K_target, camera_from_world(target_from_source), K_source)
    ray = np.linalg.inv(K_target)
    scale = confidence.shape[1] / size[0], confidence.shape[0] / size[1]
    moving = np.zeros(confidence.shape, np.bool_) if dynamic is None else writable(dynamic, np.bool_)
    counts = np.zeros(3)
    _doubt(writable(confidence, np.float32), moving, visible, depth, *scale, A, b, ray, centre, counts)
    uncertain, unfilmed, looked_at = counts
    return Doubts(float(uncertain / max(looked_at, 1)), float(unfilmed / max(looked_at, 1)))


@numba.njit(**KERNEL)
def _doubt(confidence, moving, visible, depth, to_x, to_y, A, b, ray, centre, counts):
    """Counts what is uncertain, what is unfilmed, and all that was looked at."""
    nearest = np.cos(np.radians(FAR_ASIDE))
    for y in range(GRAIN // 2, visible.shape[0], GRAIN):
        for x in range(GRAIN // 2, visible.shape[1], GRAIN):
            z = depth[y, x]
            counts[2] += 1
            if not visible[y, x] or z <= 0:
                continue
            u, v = x + 0.5, y + 0.5
            q0 = z * (A[0, 0] * u + A[0, 1] * v + A[0, 2]) + b[0]
            q1 = z * (A[1, 0] * u + A[1, 1] * v + A[1, 2]) + b[1]
            q2 = z * (A[2, 0] * u + A[2, 1] * v + A[2, 2]) + b[2]
            i, j = int(q1 / q2 * to_y), int(q0 / q2 * to_x)
            if not (0 <= i < confidence.shape[0] and 0 <= j < confidence.shape[1]):
                continue
            counts[0] += confidence[i, j] < DOUBT
            if moving[i, j]:
                px, py = z * (ray[0, 0] * u + ray[0, 2]), z * (ray[1, 1] * v + ray[1, 2])
                sx, sy, sz = px - centre[0], py - centre[1], z - centre[2]
                lengths = np.sqrt((px * px + py * py + z * z) * (sx * sx + sy * sy + sz * sz))
                counts[1] += px * sx + py * sy + z * sz < nearest * lengths
