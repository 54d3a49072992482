# SPDX-License-Identifier: Apache-2.0
"""From depth maps to space, and from one camera to another.

Conventions, here and in the other warping kernels: OpenCV axes (x right, y down, z forward); depth is planar z, above
zero; K is in pixels with pixel centres at +0.5, so that pixel (column j, row i) looks along K^-1 (j + 0.5, i + 0.5, 1);
matrices are named by what they map. Pixels that are not valid, or whose depth is not finite and above zero, do not
exist.
"""

from __future__ import annotations

import math

import numba
import numpy as np

JUMP = 0.02
"""Neighbours whose depths differ by more than this part of the nearer one are on two surfaces, unless a slope goes
on.
"""

_SHARE = np.float32(0.1)

KERNEL = {"cache": True, "nogil": True, "error_model": "numpy"}
"""For every compiled kernel: kept on disk, runs beside other threads, divides as IEEE 754 says. Never fastmath: NaN
counts.
"""


def camera_from_world(world_from_camera: np.ndarray) -> np.ndarray:
    """Invert rigid matrices, ... x 4 x 4 float64."""
    matrices = np.asarray(world_from_camera, np.float64)
    rotation = np.swapaxes(matrices[..., :3, :3], -1, -2)
    inverse = np.zeros_like(matrices)
    inverse[..., :3, :3] = rotation
    inverse[..., :3, 3:] = -rotation @ matrices[..., :3, 3:]
    inverse[..., 3, 3] = 1.0
    return inverse


def target_from_source(world_from_target: np.ndarray, world_from_source: np.ndarray) -> np.ndarray:
    """Takes points of the source camera to the target camera, ... x 4 x 4 float64; exactly the identity for equal
    ones.
    """
    target = np.asarray(world_from_target, np.float64)
    source = np.asarray(world_from_source, np.float64)
    same = (target == source).all((-1, -2))[..., None, None]
    return np.where(same, np.eye(4), camera_from_world(target) @ source)


def unproject(depth: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Points in the camera's space, h x w x 3 float64, for depth h x w. Where depth is not valid, so is the point."""
    height, width = depth.shape
    x = (np.arange(width) + 0.5 - K[0, 2]) / K[0, 0]
    y = (np.arange(height) + 0.5 - K[1, 2]) / K[1, 1]
    z = np.asarray(depth, np.float64)
    return np.stack((z * x, z * y[:, None], z), -1)


def pixel_transform(
    K_source: np.ndarray, target_from_source: np.ndarray, K_target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A (3 x 3) and b (3), float64: source pixel (u, v) at depth d is seen at (x / z, y / z) where (x, y, z) = d A
    (u, v, 1) + b.

    z is the planar depth in the target camera.
    """
    fx, fy, cx, cy = K_source[0, 0], K_source[1, 1], K_source[0, 2], K_source[1, 2]
    ray = np.array([[1 / fx, 0, -cx / fx], [0, 1 / fy, -cy / fy], [0, 0, 1]])
    K_target = np.asarray(K_target, np.float64)
    return K_target @ target_from_source[:3, :3] @ ray, K_target @ target_from_source[:3, 3]


def thread_count(threads: int | None) -> int:
    """`threads`, or what numba was told to use (`numba.set_num_threads`), which is at first all that the process may
    use.
    """
    return max(1, threads) if threads is not None else numba.get_num_threads()


def writable(array: np.ndarray, dtype: type) -> np.ndarray:
    """The array as the kernels know it, so that read-only or strided input does not compile them anew."""
    return np.require(array, dtype, ("C", "W"))


def edge_mask(
    depth: np.ndarray, valid: np.ndarray, *, jump: float = JUMP, longest: int = 6, rounds: int = 1
) -> np.ndarray:
    """Flying pixels, those that hang between a nearer and a farther surface: h x w bool. Remove them by `valid &
    ~mask`.

    Estimated and anti-aliased depth ramps from one surface to the other within a few pixels. Along a row or column,
    such a ramp is a run of two to `longest` steps that all go the same way, each by more than `jump` of the nearer
    depth, at least twice as steep (in 1 / depth) as the steps before and behind the run; the pixels inside it fly,
    unless they are within a tenth of the way from either end, as a ball's rim is. A thin pole or a gap goes one way
    and back, and a slanted plane is straight in 1 / depth, so both stay. A steep surface of fewer than `longest`
    pixels cannot be told from a ramp, and goes.

    depth: h x w float32. valid: h x w bool. rounds: how often to repeat on what is left, for very soft depth.
    """
    depth = writable(depth, np.float32)
    left = writable(valid, np.bool_).copy()
    flying = np.zeros(depth.shape, np.bool_)
    for _ in range(rounds):
        found = np.zeros(depth.shape, np.bool_)
        _mark_ramps(depth, left, np.float32(jump), longest, found)
        _mark_ramps(
            np.ascontiguousarray(depth.T),
            np.ascontiguousarray(left.T),
            np.float32(jump),
            longest,
            turned := found.T.copy(),
        )
        found = turned.T
        flying |= found
        left &= ~found
    return flying


@numba.njit(**KERNEL)
def _mark_ramps(depth, valid, jump, longest, flying):
    height, width = depth.shape
    calm = np.float32(0.5)
    step = np.empty(width, np.float32)
    for i in range(height):
        # step[j] leads from pixel j to j + 1, in 1 / depth; NaN where there is no such step
        for j in range(width - 1):
            a, b = depth[i, j], depth[i, j + 1]
            known = valid[i, j] and valid[i, j + 1] and a > 0 and b > 0
            step[j] = np.float32(1) / b - np.float32(1) / a if known else np.float32(math.nan)
        j = 0
        while j < width - 1:
            sign = np.float32(1) if step[j] > 0 else np.float32(-1)
            end, total = j, np.float32(0)
            while end < width - 1:
                size = step[end] * sign
                farther = max(depth[i, end], depth[i, end + 1])
                if not size * farther > jump:
                    break
                total += size
                end += 1
            count = end - j
            if 2 <= count <= longest:
                mean = total / np.float32(count)
                before = abs(step[j - 1]) if j > 0 else np.float32(math.nan)
                after = abs(step[end]) if end < width - 1 else np.float32(math.nan)
                if before < calm * mean and after < calm * mean:
                    gone = np.float32(0)
                    for k in range(j + 1, end):
                        gone += step[k - 1] * sign
                        flying[i, k] = _SHARE * total < gone < (np.float32(1) - _SHARE) * total
            j = max(end, j + 1)
