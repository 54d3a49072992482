# SPDX-License-Identifier: Apache-2.0
"""Flying pixels: depth between a nearer and a farther surface, where there is no surface."""

from __future__ import annotations

import math

import numba
import numpy as np

from reangle.kernels import KERNEL

JUMP = 0.02
"""Least relative step between neighbours in a ramp."""
LONGEST = 6
"""Most steps in a ramp."""
RIM = np.float32(0.1)
"""Share of a ramp at either end that belongs to its surface, as the rim of a ball does."""


def tolerance(edge_filter: float) -> float:
    """Factor on the steps of a surface that are no edge. edge_filter: as in `contract.PreviewSettings`; 1 at 0.5."""
    return 2.0 ** (3 - 6 * edge_filter)


def flying_pixels(depth: np.ndarray, valid: np.ndarray, jump: float = JUMP) -> np.ndarray:
    """Mask of flying pixels, h x w bool. depth: h x w float32; valid: h x w bool.

    Estimated and anti-aliased depth ramps from one surface to the other within a few pixels. Along a row or column, a
    ramp is a run of two to LONGEST steps in one direction, each more than `jump` of the nearer depth, at least twice as
    steep (in 1 / depth) as the steps before and after the run. The pixels inside it fly, except near its ends (RIM). A
    thin pole or a gap goes one way and back, and a slanted plane is straight in 1 / depth, so both stay. A steep
    surface of fewer than LONGEST pixels looks like a ramp and is masked, too.
    """
    # Kernels compile once for writable, contiguous arrays.
    depth = np.require(depth, np.float32, ("C", "W"))
    valid = np.require(valid, np.bool_, ("C", "W"))
    flying = np.zeros(depth.shape, np.bool_)
    _mark_ramps(depth, valid, np.float32(jump), flying)
    columns = flying.T.copy()
    _mark_ramps(np.ascontiguousarray(depth.T), np.ascontiguousarray(valid.T), np.float32(jump), columns)
    return columns.T


@numba.njit(**KERNEL)
def _mark_ramps(depth, valid, jump, flying):
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
            if 2 <= count <= LONGEST:
                mean = total / np.float32(count)
                before = abs(step[j - 1]) if j > 0 else np.float32(math.nan)
                after = abs(step[end]) if end < width - 1 else np.float32(math.nan)
                if before < calm * mean and after < calm * mean:
                    climbed = np.float32(0)
                    for k in range(j + 1, end):
                        climbed += step[k - 1] * sign
                        flying[i, k] = RIM * total < climbed < (np.float32(1) - RIM) * total
            j = max(end, j + 1)
