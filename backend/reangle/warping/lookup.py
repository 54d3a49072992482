# SPDX-License-Identifier: Apache-2.0
"""Backward warping: the colour of each target pixel, looked up in a source picture through the target's depth."""

from __future__ import annotations

import numba
import numpy as np

from reangle.kernels import KERNEL
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
    a, one = np.float32(SHARPNESS), np.float32(1)
    two, three = a + np.float32(2), a + np.float32(3)
    r = one - t
    w0 = a * t * r * r
    w1 = (two * t - three) * t * t + one
    w2 = (two * r - three) * r * r + one
    return w0, w1, w2, one - w0 - w1 - w2


@numba.njit(inline="always")
def _gaussian(t):
    """exp(-2 d^2) of the distances d from a point t beyond tap 0 to the taps at -1, 0, 1, 2."""
    here, step = np.exp(-2.0 * t * t), np.exp(4.0 * t)
    return here / step * np.exp(-2.0), here, here * step * np.exp(-2.0), here * step * step * np.exp(-8.0)


@numba.njit(inline="always")
def cubic_colour(rgb, u, v, out):
    """Bicubic colour at (u, v); border pixels are repeated beyond the border."""
    height, width = rgb.shape[:2]
    fx, fy = min(max(u - 0.5, -2.0), width + 1.0), min(max(v - 0.5, -2.0), height + 1.0)
    x0, y0 = int(np.floor(fx)), int(np.floor(fy))
    wx, wy = _cubic(np.float32(fx - x0)), _cubic(np.float32(fy - y0))
    inside = x0 >= 1 and y0 >= 1 and x0 + 2 < width and y0 + 2 < height
    for c in range(3):
        out[c] = _mixed_inside(rgb, y0 - 1, x0 - 1, c, wx, wy) if inside else _mixed(rgb, y0 - 1, x0 - 1, c, wx, wy)


@numba.njit(inline="always")
def _mixed_inside(rgb, y, x, c, wx, wy):
    """Weighted mean of 4 x 4 pixels of one channel. Unsigned, so that no index counts from the end."""
    total = np.float32(0)
    for j in range(4):
        row = np.uint64(y + j)
        total += wy[j] * (
            (wx[0] * rgb[row, np.uint64(x), c] + wx[1] * rgb[row, np.uint64(x + 1), c])
            + (wx[2] * rgb[row, np.uint64(x + 2), c] + wx[3] * rgb[row, np.uint64(x + 3), c])
        )
    return total


@numba.njit(inline="always")
def _mixed(rgb, y, x, c, wx, wy):
    """As `_mixed_inside`, where some of the pixels lie beyond the border."""
    height, width = rgb.shape[:2]
    total = np.float32(0)
    for j in range(4):
        for i in range(4):
            total += wy[j] * wx[i] * rgb[min(max(y + j, 0), height - 1), min(max(x + i, 0), width - 1), c]
    return total


@numba.njit(inline="always")
def own_surface_colour(rgb, depth, rough, near, u, v, z, out):
    """Colour at (u, v) from pixels on the surface at depth z alone. Returns whether there are any."""
    height, width = depth.shape
    fx, fy = min(max(u - 0.5, -2.0), width + 1.0), min(max(v - 0.5, -2.0), height + 1.0)
    x0, y0 = int(np.floor(fx)), int(np.floor(fy))
    red = green = blue = total = 0.0
    wx, wy = _gaussian(fx - x0), _gaussian(fy - y0)
    for y in range(max(y0 - 1, 0), min(y0 + 3, height)):
        for x in range(max(x0 - 1, 0), min(x0 + 3, width)):
            if abs(depth[y, x] - z) < SAME_SURFACE * z:
                weight = wx[x - x0 + 1] * wy[y - y0 + 1]
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
    side = SAMPLES_PER_SIDE
    height, width = samples.shape[0] // side, samples.shape[1] // side
    share = np.zeros((height, width), np.float32)
    out_depth = np.zeros((height, width), np.float32)
    colour, behind = np.zeros(3), np.zeros(3)
    least, most = np.empty(width * side, np.float32), np.empty(width * side, np.float32)
    # Where the pixels of a row, of the one above and of the one below come from; row y is at y % 3.
    us, vs = np.full((3, width), np.inf), np.full((3, width), np.inf)
    for y in range(height):
        _bound_samples(samples, y * side, least, most)
        for row in range(y if y == 0 else y + 1, min(y + 2, height)):
            _source_row(samples[row * side + side // 2], row, A, b, us[row % 3], vs[row % 3])
        for x in range(width):
            low = min(min(least[x * side], least[x * side + 1]), least[x * side + 2])
            high = max(max(most[x * side], most[x * side + 1]), most[x * side + 2])
            if high <= 0:
                continue
            centre = samples[y * side + side // 2, x * side + side // 2]
            is_whole = low > 0 and high <= low * (1 + 2 * SAME_SURFACE)
            u, v = us[y % 3, x], vs[y % 3, x]
            if is_whole and (_is_smooth(rough, u, v) or not _is_torn(us, vs, y, x, height, u, v)):
                share[y, x], out_depth[y, x] = 1, centre
                cubic_colour(rgb, u, v, colour)
            else:
                mixed = _mixed_colour(rgb, depth, rough, near, samples, us, vs, y, x, A, b, behind, colour)
                share[y, x], out_depth[y, x] = mixed
            for c in range(3):
                out[y, x, c] = rounded(colour[c], white)
    return share, out_depth


@numba.njit(inline="always")
def _bound_samples(samples, top, least, most):
    """Least and largest of SAMPLES_PER_SIDE rows of samples, for each column. Free of branches."""
    for i in range(least.shape[0]):
        first, second, third = samples[top, i], samples[top + 1, i], samples[top + 2, i]
        least[i] = min(min(first, second), third)
        most[i] = max(max(first, second), third)


@numba.njit(inline="always")
def _source_row(row, y, A, b, us, vs):
    """Source coordinates of a row of target pixels, not a number where nothing is. row: samples, of which each pixel's
    middle one is its depth."""
    for x in range(us.shape[0]):
        z = row[x * SAMPLES_PER_SIDE + SAMPLES_PER_SIDE // 2]
        u, v, _ = source_point(x + 0.5, y + 0.5, z, A, b)
        us[x], vs[x] = u if z > 0 else np.nan, v if z > 0 else np.nan


@numba.njit(inline="always")
def _is_smooth(rough, u, v):
    """Whether (u, v) is on the picture and away from depth edges."""
    if not (0 <= u < rough.shape[1] and 0 <= v < rough.shape[0]):
        return False
    edge = rough[int(v), int(u)]
    return edge == 0 or edge > 2


@numba.njit(**KERNEL)
def _mixed_colour(rgb, depth, rough, near, samples, us, vs, y, x, A, b, behind, colour):
    """Set the colour of a pixel that may show two surfaces. Returns the share of it that is shown, and its depth."""
    covered, nearest, farthest = 0, np.float32(1e30), np.float32(0)
    for j in range(y * SAMPLES_PER_SIDE, (y + 1) * SAMPLES_PER_SIDE):
        for i in range(x * SAMPLES_PER_SIDE, (x + 1) * SAMPLES_PER_SIDE):
            z = samples[j, i]
            if z > 0:
                covered += 1
                nearest = min(nearest, z)
                farthest = max(farthest, z)
    limit = nearest * (1 + SAME_SURFACE) if farthest > nearest * (1 + 2 * SAME_SURFACE) else farthest
    un, vn, zn, near_count = _middle(samples, y, x, 0, limit, A, b)
    uf, vf, zf, far_count = un, vn, zn, 0
    if near_count < covered:
        uf, vf, zf, far_count = _middle(samples, y, x, limit, farthest, A, b)
    centre = samples[y * SAMPLES_PER_SIDE + SAMPLES_PER_SIDE // 2, x * SAMPLES_PER_SIDE + SAMPLES_PER_SIDE // 2]
    z = centre if centre > 0 else (nearest if near_count >= far_count else farthest)
    # Where both sides of an edge are still neighbours, the source's own mixed colours are right.
    whole = abs(uf - un) < TOGETHER and abs(vf - vn) < TOGETHER
    if whole and (
        _is_smooth(rough, un, vn) or not _is_torn(us, vs, y, x, samples.shape[0] // SAMPLES_PER_SIDE, un, vn)
    ):
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
    return covered / (SAMPLES_PER_SIDE * SAMPLES_PER_SIDE), z


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
def _is_torn(us, vs, y, x, height, u, v):
    """Whether the target pixel, which shows (u, v), or a neighbour is unknown or far from there in the source.

    us, vs: rings of three rows.
    """
    for j in range(max(y - 1, 0), min(y + 2, height)):
        for i in range(max(x - 1, 0), min(x + 2, us.shape[1])):
            # The place of an unknown pixel is not a number, which is not within either.
            if not (abs(us[j % 3, i] - u) <= TORN and abs(vs[j % 3, i] - v) <= TORN):
                return True
    return False
