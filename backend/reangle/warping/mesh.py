# SPDX-License-Identifier: Apache-2.0
"""Forward warping by a surface: the depth map as a grid of triangles, cut where depth jumps, drawn into the target
camera.

The surface. Vertices are pixel centres. Two neighbours in a row or column are linked when their depths differ by at
most `jump` of the nearer one, or when the step goes on with the slope on both sides (a floor seen at a grazing
angle), up to `grazing`. Four pixels linked all round span two triangles. Where a link is missing, and along the
picture's border, every pixel still owns its half of the way: it is drawn as a flat half or quarter cell of its own
depth, so that no pixel is lost, however thin, and the surface covers the whole picture.

The rules of drawing. A triangle covers a pixel if the pixel's centre is inside or on an edge; an edge is evaluated
from the same end for both triangles that share it, so no centre falls between two of them. Triangles are seen from
both sides. 1 / z is affine on the screen and interpolated there; the largest wins, so the order of drawing does not
matter. Source coordinates follow from depth by going back through the two cameras, which equals perspective-correct
interpolation. Triangles that reach behind the camera are drawn in homogeneous coordinates, without being split.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np

from reangle.warping.cells import ALL, BOTTOM, LEFT, RIGHT, TOP, draw_cells, find_cells, invert
from reangle.warping.lift import JUMP, KERNEL, camera_from_world, pixel_transform, thread_count, writable

GRAZING = 0.1
"""However straight the slope goes on, a step of more than this part of the nearer depth is a cut."""

_HALF = np.float32(0.5)
_ONE = np.float32(1)
_ZERO = np.float32(0)
_SAME = np.float32(1e-3)


@dataclass(frozen=True, eq=False)
class MeshFrame:
    """rgb: H x W x 3 uint8, black where nothing is. depth: H x W float32, planar z in the target camera, 0 = nothing.
    u, v: H x W float32, where in the source picture (pixel centres at +0.5) each pixel comes from; -1 = nothing."""

    rgb: np.ndarray
    depth: np.ndarray
    u: np.ndarray
    v: np.ndarray


def mesh_frame(
    rgb: np.ndarray,
    depth: np.ndarray,
    valid: np.ndarray,
    K_source: np.ndarray,
    target_from_source: np.ndarray,
    K_target: np.ndarray,
    width: int,
    height: int,
    *,
    jump: float = JUMP,
    grazing: float = GRAZING,
) -> MeshFrame:
    """Warp one frame on the calling thread (the interpreter's lock is released meanwhile).

    rgb: h x w x 3 uint8. depth: h x w float32. valid: h x w bool. K_source, K_target: 3 x 3, for h x w and height x
    width pixels. target_from_source: 4 x 4, rigid. Colours are interpolated within one surface, never across a cut.
    """
    if rgb.shape != (*depth.shape, 3) or valid.shape != depth.shape:
        raise ValueError(f"rgb {rgb.shape}, depth {depth.shape} and valid {valid.shape} are not of one size")
    rgb, depth, valid = writable(rgb, np.uint8), writable(depth, np.float32), writable(valid, np.bool_)
    frame = MeshFrame(
        np.empty((height, width, 3), np.uint8), *(np.empty((height, width), np.float32) for _ in range(3))
    )
    forward = pixel_transform(K_source, target_from_source, K_target)
    back = pixel_transform(K_target, camera_from_world(target_from_source), K_source)
    cells = find_cells(depth, valid, np.float32(jump), np.float32(grazing))
    draw_cells(depth, valid, cells, *_single(forward), *forward, frame.depth)
    _colour(rgb, depth, valid, cells, *_single(forward), *_single(back), frame.rgb, frame.depth, frame.u, frame.v)
    return frame


def mesh_depth(
    depth: np.ndarray,
    valid: np.ndarray,
    K_source: np.ndarray,
    target_from_source: np.ndarray,
    K_target: np.ndarray,
    width: int,
    height: int,
    *,
    scale: int = 1,
    jump: float = JUMP,
    grazing: float = GRAZING,
) -> np.ndarray:
    """Only the depth of `mesh_frame`, at `scale` x `scale` samples a pixel: (height * scale) x (width * scale)
    float32.
    """
    depth, valid = writable(depth, np.float32), writable(valid, np.bool_)
    out = np.empty((height * scale, width * scale), np.float32)
    forward = pixel_transform(K_source, target_from_source, np.diag([scale, scale, 1.0]) @ K_target)
    cells = find_cells(depth, valid, np.float32(jump), np.float32(grazing))
    draw_cells(depth, valid, cells, *_single(forward), *forward, out)
    invert(out)
    return out


def mesh_clip(
    rgb: Sequence[np.ndarray],
    depth: Sequence[np.ndarray],
    valid: Sequence[np.ndarray],
    K_source: Sequence[np.ndarray],
    target_from_source: Sequence[np.ndarray],
    K_target: Sequence[np.ndarray],
    width: int,
    height: int,
    *,
    jump: float = JUMP,
    grazing: float = GRAZING,
    threads: int | None = None,
) -> list[MeshFrame]:
    """`mesh_frame` for every frame, frames in parallel. threads: None takes what the process may use."""
    with ThreadPoolExecutor(thread_count(threads)) as pool:
        return list(
            pool.map(
                lambda frame: mesh_frame(*frame, width=width, height=height, jump=jump, grazing=grazing),
                zip(rgb, depth, valid, K_source, target_from_source, K_target, strict=True),
            )
        )


def _single(transform: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return transform[0].astype(np.float32), transform[1].astype(np.float32)


@numba.njit(**KERNEL)
def _colour(rgb, depth, valid, cells, A, b, back_A, back_b, out_rgb, out_depth, out_u, out_v):
    """From 1 / z in out_depth: source coordinates, colour, and z itself."""
    h, w = depth.shape
    height, width = out_depth.shape
    for y in range(height):
        v = np.float32(y) + _HALF
        row_x, row_y, row_z = (
            back_A[0, 1] * v + back_A[0, 2],
            back_A[1, 1] * v + back_A[1, 2],
            back_A[2, 1] * v + back_A[2, 2],
        )
        for x in range(width):
            u = np.float32(x) + _HALF
            # the source point, times 1 / z
            inverse = out_depth[y, x]
            q = _ONE / (back_A[2, 0] * u + row_z + inverse * back_b[2])
            out_u[y, x] = (back_A[0, 0] * u + row_x + inverse * back_b[0]) * q
            out_v[y, x] = (back_A[1, 0] * u + row_y + inverse * back_b[1]) * q
        for x in range(width):
            inverse = out_depth[y, x]
            if not inverse > _ZERO:
                out_u[y, x] = -_ONE
                out_v[y, x] = -_ONE
                for k in range(3):
                    out_rgb[y, x, k] = 0
                continue
            out_depth[y, x] = _ONE / inverse
            u, v = out_u[y, x] + _HALF, out_v[y, x] + _HALF
            column, row = min(max(np.int64(u), 0), w), min(max(np.int64(v), 0), h)
            fx = min(max(u - np.float32(column), _ZERO), _ONE)
            fy = min(max(v - np.float32(row), _ZERO), _ONE)
            links = cells[row, column]
            i, j = row - 1, column - 1
            if links == ALL:
                for k in range(3):
                    a, e = np.float32(rgb[i, j, k]), np.float32(rgb[i, j + 1, k])
                    c, d = np.float32(rgb[i + 1, j, k]), np.float32(rgb[i + 1, j + 1, k])
                    top, bottom = a + fx * (e - a), c + fx * (d - c)
                    out_rgb[y, x, k] = np.uint8(top + fy * (bottom - top) + _HALF)
                i, j = i + (fy >= _HALF), j + (fx >= _HALF)
            else:
                i, j = _owner(valid, i, j, fx, fy)
                _sample_cut(rgb, links, i, j, row, column, fx, fy, out_rgb[y, x])
            # on a pixel's centre, that pixel's own depth to the bit
            u, v = np.float32(j) + _HALF, np.float32(i) + _HALF
            if abs(out_u[y, x] - u) < _SAME and abs(out_v[y, x] - v) < _SAME:
                z = depth[i, j] * (A[2, 0] * u + (A[2, 1] * v + A[2, 2])) + b[2]
                if abs(z * inverse - _ONE) < _SAME:
                    out_u[y, x], out_v[y, x], out_depth[y, x] = u, v, z


@numba.njit(**KERNEL)
def _owner(valid, i, j, fx, fy):
    """The existing pixel of a cut cell that is nearest to the point; (i, j) is the upper left one."""
    h, w = valid.shape
    nearest, best = np.float32(np.inf), (min(max(i, 0), h - 1), min(max(j, 0), w - 1))
    for k in range(4):
        row, column = i + k // 2, j + k % 2
        if 0 <= row < h and 0 <= column < w and valid[row, column]:
            dx, dy = fx - np.float32(k % 2), fy - np.float32(k // 2)
            if dx * dx + dy * dy < nearest:
                nearest, best = dx * dx + dy * dy, (row, column)
    return best


@numba.njit(**KERNEL)
def _sample_cut(rgb, links, i, j, r, c, fx, fy, out):
    """The colour of pixel (i, j), led on towards the neighbours it is linked to in this cell."""
    lower, right = i == r, j == c
    across, down = links & (BOTTOM if lower else TOP), links & (RIGHT if right else LEFT)
    tx, ty = _ONE - fx if right else fx, _ONE - fy if lower else fy
    beside, under = c - 1 if right else c, r - 1 if lower else r
    for k in range(3):
        own = np.float32(rgb[i, j, k])
        value = own
        if across:
            value += tx * (np.float32(rgb[i, beside, k]) - own)
        if down:
            value += ty * (np.float32(rgb[under, j, k]) - own)
        out[k] = np.uint8(min(max(value, _ZERO), np.float32(255)) + _HALF)
