# SPDX-License-Identifier: Apache-2.0
"""Forward warping by points: every source pixel moves to the target camera, and the nearest one wins.

A point at (x, y) covers the pixels whose centre is nearer than 1 - MARGIN in x and in y: at most 2 x 2, and only its
own pixel when it is on that pixel's centre. In a pixel, the smallest z * (1 + BLUR * (cost(dx) + cost(dy))) wins. dx
and dy are the distances from the pixel's centre; cost(d) = d^2, plus STEP where d > 1/2, that is, in a neighbour's
pixel. Of equals, the source pixel with the smallest index wins. So among the points of one surface the one nearest to
the centre wins, and slanted surfaces do not shift sideways.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from reangle.kernels import KERNEL, writable
from reangle.warping.cameras import pixel_transform

MARGIN = np.float32(1 / 64)
BLUR = np.float32(1 / 128)
STEP = np.float32(3)

_HALF = np.float32(0.5)
_ONE = np.float32(1)
_ZERO = np.float32(0)
_AWAY = np.float32(-1e9)
_FAR = np.float32(np.inf)
_NOTHING = np.uint64(0xFFFFFFFFFFFFFFFF)
_INFINITE = np.uint64(0x7F80000000000000)


@dataclass(frozen=True, eq=False)
class SplatFrame:
    """rgb: H x W x 3 uint8, black where no point lands. depth: H x W float32, planar z in the target camera, else 0.
    index: H x W int32, the source pixel (row * w + column), else -1."""

    rgb: np.ndarray
    depth: np.ndarray
    index: np.ndarray


def splat_frame(
    rgb: np.ndarray,
    depth: np.ndarray,
    valid: np.ndarray,
    K_source: np.ndarray,
    target_from_source: np.ndarray,
    K_target: np.ndarray,
    width: int,
    height: int,
) -> SplatFrame:
    """Warp one frame on the calling thread.

    rgb: h x w x 3 uint8. depth: h x w float32. valid: h x w bool. K_source, K_target: 3 x 3, for h x w and height x
    width pixels. target_from_source: 4 x 4, rigid. Points behind the camera or outside the image are dropped.
    """
    source = writable(rgb, np.uint8), writable(depth, np.float32), writable(valid, np.bool_)
    frame = SplatFrame(
        np.empty((height, width, 3), np.uint8),
        np.empty((height, width), np.float32),
        np.empty((height, width), np.int32),
    )
    A, b = pixel_transform(K_source, target_from_source, K_target)
    _splat(*source, A.astype(np.float32), b.astype(np.float32), frame.rgb, frame.depth, frame.index)
    return frame


@numba.njit(**KERNEL)
def _project_row(i, depth, valid, A, b, xs, ys, zs):
    """Target position of row i; x is far to the left for invalid points. Without branches, so that it
    vectorises.
    """
    v = np.float32(i) + _HALF
    row_x, row_y, row_z = A[0, 1] * v + A[0, 2], A[1, 1] * v + A[1, 2], A[2, 1] * v + A[2, 2]
    a_x, a_y, a_z = A[0, 0], A[1, 0], A[2, 0]
    b_x, b_y, b_z = b[0], b[1], b[2]
    for j in range(xs.shape[0]):
        u = np.float32(j) + _HALF
        d = depth[i, j]
        z = d * (a_z * u + row_z) + b_z
        inverse = _ONE / z
        x = (d * (a_x * u + row_x) + b_x) * inverse
        exists = valid[i, j] & (d > _ZERO) & (z > _ZERO)
        xs[j] = x if exists else _AWAY
        ys[j] = (d * (a_y * u + row_y) + b_y) * inverse
        zs[j] = z


@numba.njit(**KERNEL)
def _splat(rgb, depth, valid, A, b, out_rgb, out_depth, out_index):
    h, w = depth.shape
    height, width = out_depth.shape
    zs = np.empty((h, w), np.float32)
    xs = np.empty(w, np.float32)
    ys = np.empty(w, np.float32)
    # A rim of one pixel collects the parts of footprints outside the image.
    keys = np.full((height + 2, width + 2), _NOTHING, np.uint64)
    right, bottom = np.float32(width), np.float32(height)
    for i in range(h):
        _project_row(i, depth, valid, A, b, xs, ys, zs[i])
        for j in range(w):
            # From here on pixel centres are whole numbers, and indices include the rim.
            x, y = xs[j] + _HALF, ys[j] + _HALF
            if not (x >= _ZERO and y >= _ZERO and x < right + _ONE and y < bottom + _ONE):
                continue
            column, row = np.int64(x), np.int64(y)
            fx, fy = x - np.float32(column), y - np.float32(row)
            gx, gy = _ONE - fx, _ONE - fy
            z, index = zs[i, j], i * w + j
            left, over, above, below = _cost(fx), _cost(gx), _cost(fy), _cost(gy)
            _offer(keys, row, column, z * (_ONE + BLUR * (left + above)), index)
            _offer(keys, row, column + 1, z * (_ONE + BLUR * (over + above)), index)
            _offer(keys, row + 1, column, z * (_ONE + BLUR * (left + below)), index)
            _offer(keys, row + 1, column + 1, z * (_ONE + BLUR * (over + below)), index)
    flat_rgb, flat_z = rgb.reshape(-1, 3), zs.reshape(-1)
    for y in range(height):
        for x in range(width):
            key = keys[y + 1, x + 1]
            if key >= _INFINITE:
                out_index[y, x] = -1
                out_depth[y, x] = _ZERO
                out_rgb[y, x, 0] = 0
                out_rgb[y, x, 1] = 0
                out_rgb[y, x, 2] = 0
            else:
                index = np.int64(key & np.uint64(0xFFFFFFFF))
                out_index[y, x] = index
                out_depth[y, x] = flat_z[index]
                out_rgb[y, x, 0] = flat_rgb[index, 0]
                out_rgb[y, x, 1] = flat_rgb[index, 1]
                out_rgb[y, x, 2] = flat_rgb[index, 2]


@numba.njit(inline="always", error_model="numpy")
def _cost(distance):
    cost = distance * distance + (STEP if distance > _HALF else _ZERO)
    return cost if distance < _ONE - MARGIN else _FAR


@numba.njit(inline="always", error_model="numpy")
def _offer(keys, row, column, z, index):
    """Keep the nearer point, of equals the one with the smaller index: positive floats sort like their bits.

    Always writes: an unpredictable branch takes twice as long. An infinite z counts as no point.
    """
    key = (np.uint64(np.float32(z).view(np.uint32)) << np.uint64(32)) | np.uint64(index)
    old = keys[row, column]
    keys[row, column] = key if key < old else old
