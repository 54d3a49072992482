# SPDX-License-Identifier: Apache-2.0
"""Backward warping: the colour of each target pixel, looked up in a source picture through the target's depth."""

from __future__ import annotations

import numba
import numpy as np

from reangle.warping.kernels import KERNEL
from reangle.warping.surface import Surface

SAMPLES_PER_SIDE = 3
"""Depth samples along each side of a target pixel; odd, so that one is at its centre."""

TORN = 2.2
"""Distance in source pixels above which two neighbouring target pixels are not neighbours in the source."""

TOGETHER = 1.2
"""Distance in source pixels up to which the near and the far part of one target pixel are neighbours in the source."""

SAME_SURFACE = 0.02
"""Depths within this share of each other belong to one surface."""

MIXED = 0.1
"""Weight of pixels on the far side of an edge: their colour is mixed with the near side's."""

SHARPNESS = -0.6
"""Slope of the cubic at its first zero; -0.5 is Catmull-Rom, more negative is sharper."""


def look_up(
    rgb: np.ndarray, surface: Surface, samples: np.ndarray, A: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colour of each target pixel, the share of it that the source shows, and its depth.

    rgb: H x W x 3 uint8 or uint16, the source picture. samples: depth in the target camera, 0 where unknown, float32 of
    SAMPLES_PER_SIDE x SAMPLES_PER_SIDE samples a pixel. A, b: `pixel_transform` from target to source.
    Returns height x width x 3 of rgb's type, height x width float32 in 0..1 and height x width float32.
    """
    out = np.zeros((samples.shape[0] // SAMPLES_PER_SIDE, samples.shape[1] // SAMPLES_PER_SIDE, 3), rgb.dtype)
    share, depth = _look_up(rgb, surface.depth, surface.rough, surface.near, samples, A, b, out, white_of(rgb))
    return out, share, depth


def white_of(rgb: np.ndarray) -> float:
    """The largest value of a picture's type."""
    return float(np.iinfo(rgb.dtype).max)


@numba.njit(inline="always")
def source_point(x, y, z, A, b):
    """Source coordinates u, v and depth of the target point (x, y) at depth z."""
    q0 = z * (A[0, 0] * x + A[0, 1] * y + A[0, 2]) + b[0]
    q1 = z * (A[1, 0] * x + A[1, 1] * y + A[1, 2]) + b[1]
    q2 = z * (A[2, 0] * x + A[2, 1] * y + A[2, 2]) + b[2]
    return q0 / q2, q1 / q2, q2


@numba.njit(inline="always")
def rounded(value, white):
    """What an array of whole numbers keeps as the nearest one in 0..white."""
    return min(max(value + 0.5, 0.0), white)


@numba.njit(inline="always")
def _cubic(t):
    """Weights of the taps at -1, 0, 1, 2 for a point t beyond tap 0."""
    a = SHARPNESS
    s, r = 1 + t, 1 - t
    w0 = ((a * s - 5 * a) * s + 8 * a) * s - 4 * a
    w1 = ((a + 2) * t - (a + 3)) * t * t + 1
    w2 = ((a + 2) * r - (a + 3)) * r * r + 1
    return w0, w1, w2, 1 - w0 - w1 - w2


@numba.njit(inline="always")
def cubic_colour(rgb, u, v, out):
    """Bicubic colour at (u, v); border pixels are repeated beyond the border."""
    height, width = rgb.shape[:2]
    fx, fy = min(max(u - 0.5, -2.0), width + 1.0), min(max(v - 0.5, -2.0), height + 1.0)
    x0, y0 = int(np.floor(fx)), int(np.floor(fy))
    wx, wy = _cubic(fx - x0), _cubic(fy - y0)
    red = green = blue = 0.0
    for j in range(4):
        y = min(max(y0 + j - 1, 0), height - 1)
        for i in range(4):
            x = min(max(x0 + i - 1, 0), width - 1)
            weight = wx[i] * wy[j]
            red += weight * rgb[y, x, 0]
            green += weight * rgb[y, x, 1]
            blue += weight * rgb[y, x, 2]
    out[0], out[1], out[2] = red, green, blue


@numba.njit(inline="always")
def own_surface_colour(rgb, depth, rough, near, u, v, z, out):
    """Colour at (u, v) from pixels on the surface at depth z alone. Returns whether there are any."""
    height, width = depth.shape
    fx, fy = min(max(u - 0.5, -2.0), width + 1.0), min(max(v - 0.5, -2.0), height + 1.0)
    x0, y0 = int(np.floor(fx)), int(np.floor(fy))
    red = green = blue = total = 0.0
    for y in range(max(y0 - 1, 0), min(y0 + 3, height)):
        for x in range(max(x0 - 1, 0), min(x0 + 3, width)):
            if abs(depth[y, x] - z) < SAME_SURFACE * z:
                weight = np.exp(-2.0 * ((fx - x) * (fx - x) + (fy - y) * (fy - y)))
                if rough[y, x] == 1 and not near[y, x]:
                    weight *= MIXED
                red += weight * rgb[y, x, 0]
                green += weight * rgb[y, x, 1]
                blue += weight * rgb[y, x, 2]
                total += weight
    if total < 1e-3:
        return False
    out[0], out[1], out[2] = red / total, green / total, blue / total
    return True


@numba.njit(**KERNEL)
def _look_up(rgb, depth, rough, near, samples, A, b, out, white):
    height, width = samples.shape[0] // SAMPLES_PER_SIDE, samples.shape[1] // SAMPLES_PER_SIDE
    share = np.zeros((height, width), np.float32)
    out_depth = np.zeros((height, width), np.float32)
    colour, behind = np.zeros(3), np.zeros(3)
    for y in range(height):
        for x in range(width):
            covered, nearest, farthest = 0, np.float32(1e30), np.float32(0)
            for j in range(y * SAMPLES_PER_SIDE, (y + 1) * SAMPLES_PER_SIDE):
                for i in range(x * SAMPLES_PER_SIDE, (x + 1) * SAMPLES_PER_SIDE):
                    z = samples[j, i]
                    if z > 0:
                        covered += 1
                        nearest = min(nearest, z)
                        farthest = max(farthest, z)
            if covered == 0:
                continue
            share[y, x] = covered / (SAMPLES_PER_SIDE * SAMPLES_PER_SIDE)
            limit = nearest * (1 + SAME_SURFACE) if farthest > nearest * (1 + 2 * SAME_SURFACE) else farthest
            un, vn, zn, near_count = _middle(samples, y, x, 0, limit, A, b)
            uf, vf, zf, far_count = un, vn, zn, 0
            if near_count < covered:
                uf, vf, zf, far_count = _middle(samples, y, x, limit, farthest, A, b)
            centre = samples[y * SAMPLES_PER_SIDE + SAMPLES_PER_SIDE // 2, x * SAMPLES_PER_SIDE + SAMPLES_PER_SIDE // 2]
            out_depth[y, x] = centre if centre > 0 else (nearest if near_count >= far_count else farthest)
            i, j = int(np.floor(un)), int(np.floor(vn))
            smooth = 0 <= i < rough.shape[1] and 0 <= j < rough.shape[0] and (rough[j, i] == 0 or rough[j, i] > 2)
            # Where both sides of an edge are still neighbours, the source's own mixed colours are right.
            whole = abs(uf - un) < TOGETHER and abs(vf - vn) < TOGETHER
            if whole and (smooth or not _torn(samples, y, x, un, vn, A, b)):
                if centre > 0:
                    un, vn, zn = source_point(x + 0.5, y + 0.5, centre, A, b)
                cubic_colour(rgb, un, vn, colour)
            else:
                if not own_surface_colour(rgb, depth, rough, near, un, vn, zn, colour):
                    cubic_colour(rgb, un, vn, colour)
                if far_count:
                    if not own_surface_colour(rgb, depth, rough, near, uf, vf, zf, behind):
                        cubic_colour(rgb, uf, vf, behind)
                    far_share = far_count / covered
                    for c in range(3):
                        colour[c] += far_share * (behind[c] - colour[c])
            for c in range(3):
                out[y, x, c] = rounded(colour[c], white)
    return share, out_depth


@numba.njit(inline="always")
def _middle(samples, y, x, above, upto, A, b):
    """Source u, v, depth of the mean of the samples with depth in (above, upto], and their number."""
    sx = sy = inverse = 0.0
    count = 0
    for j in range(SAMPLES_PER_SIDE):
        for i in range(SAMPLES_PER_SIDE):
            z = samples[y * SAMPLES_PER_SIDE + j, x * SAMPLES_PER_SIDE + i]
            if z > above and z <= upto:
                sx += i
                sy += j
                inverse += 1 / z
                count += 1
    u, v, z = source_point(
        x + (sx / count + 0.5) / SAMPLES_PER_SIDE, y + (sy / count + 0.5) / SAMPLES_PER_SIDE, count / inverse, A, b
    )
    return u, v, z, count


@numba.njit(inline="always")
def _torn(samples, y, x, u, v, A, b):
    """Whether a neighbour of the target pixel is unknown or far away in the source."""
    height, width = samples.shape[0] // SAMPLES_PER_SIDE, samples.shape[1] // SAMPLES_PER_SIDE
    for j in range(max(y - 1, 0), min(y + 2, height)):
        for i in range(max(x - 1, 0), min(x + 2, width)):
            z = samples[j * SAMPLES_PER_SIDE + SAMPLES_PER_SIDE // 2, i * SAMPLES_PER_SIDE + SAMPLES_PER_SIDE // 2]
            if z <= 0:
                return True
            nu, nv, _ = source_point(i + 0.5, j + 0.5, z, A, b)
            if abs(nu - u) > TORN or abs(nv - v) > TORN:
                return True
    return False
