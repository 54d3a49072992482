# SPDX-License-Identifier: Apache-2.0
"""Estimated depth brought to the frame's size, with its edges where the picture has them.

A network blurs a depth edge into a ramp a few of its pixels wide. Here each ramp becomes one step: two layers, the near
and the far surface, are continued across the ramp as planes (in 1 / depth, which is affine over a plane), and each
pixel of the frame takes one of them, never a value in between. It takes the layer whose pixels nearby have its colour,
as in joint bilateral upsampling (Kopf et al., SIGGRAPH 2007), with the ramp as the prior. Away from ramps 1 / depth is
interpolated linearly.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numba
import numpy as np

from reangle.geometry.noise import noise_of
from reangle.kernels import KERNEL

REACH = 3
"""Half the length of a ramp in pixels of the provider's depth: its blur."""

WINDOW = 6
"""Provider's pixels around a ramp's pixel from which the two surfaces and their colours are taken."""

SPREAD = np.float32(3.5)
"""Standard deviation in provider's pixels of the weight of such a pixel."""

NOISES = np.float32(6)
"""Climb of the shallowest ramp in standard deviations of the depth's noise."""

SIDE = np.float32(0.3)
"""Share of a ramp's climb at either end that belongs to the surface there."""

COLOUR = 18.0
"""Distance in grey levels (Euclidean in RGB) at which two colours are alike by 0.41, about as a Gaussian falls."""

SEPARATE = np.float32(0.7)
"""Standard deviations between the mean colours of two sides that have different colours."""

UNLIKE = np.float32(0.02)
"""Likeness of colours that have nothing in common, so that one odd pixel does not decide."""

PRIOR = np.float32(1)
"""Log odds between the two ends of a ramp before colours are looked at."""

SURE = np.float32(1.5)
"""Log odds from which a pixel's layer is certain."""

F = np.float32


@dataclass(frozen=True)
class SharpenOptions:
    """Smallest relative gap in depth that is an edge, 0 to 1.

    contrast: where the picture has an edge, too. unseen: where both sides have the same colours: a network's own
    unevenness is more likely there.
    """

    contrast: float = 0.06
    unseen: float = 0.2


def sharpen(
    depth: np.ndarray,
    valid: np.ndarray,
    confidence: np.ndarray,
    image: np.ndarray,
    options: SharpenOptions | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One frame's estimated depth at the size of its picture. Not for exact depth: it moves edges by a few pixels.

    depth: h x w float32, planar z, above 0 where valid. valid: h x w bool. confidence: h x w float32, 0 to 1.
    image: H x W x 3 uint8, of the same view. Returns the three at H x W; confidence is lower where colours cannot tell
    which side of an edge a pixel is on. Runs on the calling thread and releases the interpreter lock.
    """
    options = options or SharpenOptions()
    height, width = image.shape[:2]
    depth = np.require(depth, np.float32, ("C", "W"))
    valid = np.require(valid & (depth > 0) & np.isfinite(depth), np.bool_, ("C", "W"))
    image = np.require(image, np.uint8, ("C", "W"))
    inverse = np.divide(1, depth, out=np.zeros(depth.shape, np.float32), where=valid)
    ramp = _find_ramps(inverse, np.float32(options.contrast), NOISES * noise_of(inverse, REACH))
    near, far = _continue_surfaces(inverse, ramp)
    small = np.ascontiguousarray(cv2.resize(image, depth.shape[::-1], interpolation=cv2.INTER_AREA))
    near, far = _keep_seen(inverse, near, far, small, np.float32(options.unseen))
    score = _score(inverse, near, far, image, small)
    score = cv2.blur(score, (3, 3))
    return _compose(inverse, near, far, np.require(confidence, np.float32, ("C", "W")), score, height, width)


@numba.njit(inline="always")
def _climbs(before, start, end, after, contrast, least):
    """Whether 1 / depth climbs or falls between start and end, and much less so before and after."""
    climb = end - start
    size = abs(climb)
    sign = np.float32(1) if climb > 0 else np.float32(-1)
    if not (start > 0 and end > 0 and size > max(contrast * max(start, end), least)):
        return False
    outside = np.float32(0)
    if before > 0:
        outside = max(outside, sign * (start - before))
    if after > 0:
        outside = max(outside, sign * (after - end))
    return size > np.float32(2) * outside


@numba.njit(**KERNEL)
def _find_ramps(inverse, contrast, least):
    """h x w uint8: 1 at pixels within REACH, along a row or column, of the middle of a ramp."""
    h, w = inverse.shape
    ramp = np.zeros((h, w), np.uint8)
    s = REACH
    zero = np.float32(0)
    for i in range(h):
        for j in range(w):
            if s <= j < w - s:
                before = inverse[i, j - 3 * s] if j >= 3 * s else zero
                after = inverse[i, j + 3 * s] if j + 3 * s < w else zero
                if _climbs(before, inverse[i, j - s], inverse[i, j + s], after, contrast, least):
                    for k in range(j - s, j + s + 1):
                        ramp[i, k] = 1
            if s <= i < h - s:
                before = inverse[i - 3 * s, j] if i >= 3 * s else zero
                after = inverse[i + 3 * s, j] if i + 3 * s < h else zero
                if _climbs(before, inverse[i - s, j], inverse[i + s, j], after, contrast, least):
                    for k in range(i - s, i + s + 1):
                        ramp[k, j] = 1
    return ramp


@numba.njit(**KERNEL)
def _continue_surfaces(inverse, ramp):
    """1 / depth of the nearer and the farther surface at each pixel, h x w float32 each: equal away from ramps.

    On a ramp, a plane is fitted to the pixels around that belong to the surface at its end; those on a slope count
    less.
    """
    h, w = inverse.shape
    near, far = inverse.copy(), inverse.copy()
    zero, one = np.float32(0), np.float32(1)
    reach = REACH + 1
    falloff = np.empty(2 * WINDOW * WINDOW + 1, np.float32)
    for k in range(falloff.shape[0]):
        falloff[k] = np.exp(-np.float32(k) / (np.float32(2) * SPREAD * SPREAD))
    for i in range(h):
        for j in range(w):
            if not ramp[i, j]:
                continue
            low, high = np.float32(np.inf), zero
            for y in range(max(i - reach, 0), min(i + reach + 1, h)):
                for x in range(max(j - reach, 0), min(j + reach + 1, w)):
                    if inverse[y, x] > zero:
                        low, high = min(low, inverse[y, x]), max(high, inverse[y, x])
            climb = high - low
            if not climb > zero:
                continue
            for side in range(2):
                # Sums of weight, x, y, value, and their products.
                n = sx = sy = sv = sxx = sxy = syy = sxv = syv = 0.0
                for y in range(max(i - WINDOW, 0), min(i + WINDOW + 1, h)):
                    for x in range(max(j - WINDOW, 0), min(j + WINDOW + 1, w)):
                        value = inverse[y, x]
                        if value <= zero:
                            continue
                        inside = value > high - SIDE * climb if side == 0 else value < low + SIDE * climb
                        if not inside:
                            continue
                        x0, x1 = max(x - 1, 0), min(x + 1, w - 1)
                        y0, y1 = max(y - 1, 0), min(y + 1, h - 1)
                        slope = max(abs(inverse[y, x1] - inverse[y, x0]), abs(inverse[y1, x] - inverse[y0, x])) / climb
                        dx, dy = x - j, y - i
                        weight = falloff[dx * dx + dy * dy] / (one + np.float32(400) * slope * slope)
                        n += weight
                        sx += weight * dx
                        sy += weight * dy
                        sv += weight * value
                        sxx += weight * dx * dx
                        sxy += weight * dx * dy
                        syy += weight * dy * dy
                        sxv += weight * dx * value
                        syv += weight * dy * value
                if n <= 0:
                    continue
                mx, my, mv = sx / n, sy / n, sv / n
                # Covariances; a variance of one pixel more keeps slopes of few points small.
                cxx, cyy, cxy = sxx / n - mx * mx + 1, syy / n - my * my + 1, sxy / n - mx * my
                cxv, cyv = sxv / n - mx * mv, syv / n - my * mv
                det = cxx * cyy - cxy * cxy
                value = mv - (mx * (cyy * cxv - cxy * cyv) + my * (cxx * cyv - cxy * cxv)) / det
                value = min(max(value, low), high)
                if side == 0:
                    near[i, j] = value
                else:
                    far[i, j] = value
    return near, far


@numba.njit(**KERNEL)
def _keep_seen(inverse, near, far, small, unseen):
    """`near` and `far`, made equal on ramps of less than `unseen` whose two sides have the same colours.

    They have if the means are less than SEPARATE standard deviations apart.
    """
    h, w = inverse.shape
    kept_near, kept_far = near.copy(), far.copy()
    zero, one, half = np.float32(0), np.float32(1), np.float32(0.5)
    count, mean, square = np.empty(2, np.float32), np.empty((2, 3), np.float32), np.empty((2, 3), np.float32)
    for i in range(h):
        for j in range(w):
            high, low = near[i, j], far[i, j]
            climb = high - low
            if not (climb > zero and low > zero) or climb >= unseen * high:
                continue
            count[:], mean[:], square[:] = zero, zero, zero
            for y in range(max(i - WINDOW, 0), min(i + WINDOW + 1, h)):
                for x in range(max(j - WINDOW, 0), min(j + WINDOW + 1, w)):
                    share = (inverse[y, x] - low) / climb
                    if inverse[y, x] <= zero or SIDE < share < one - SIDE:
                        continue
                    side = 1 if share > half else 0
                    count[side] += one
                    for c in range(3):
                        value = np.float32(small[y, x, c])
                        mean[side, c] += value
                        square[side, c] += value * value
            apart, spread = zero, np.float32(COLOUR * COLOUR)
            if min(count[0], count[1]) > zero:
                for c in range(3):
                    m0, m1 = mean[0, c] / count[0], mean[1, c] / count[1]
                    apart += (m0 - m1) * (m0 - m1)
                    spread += half * (square[0, c] / count[0] - m0 * m0 + square[1, c] / count[1] - m1 * m1)
            if apart < SEPARATE * SEPARATE * spread:
                kept_near[i, j] = kept_far[i, j] = inverse[i, j]
    return kept_near, kept_far


@numba.njit(**KERNEL)
def _corners(small, large):
    """For each of `large` pixels: the first of its two neighbours among `small` ones, and the second one's weight."""
    first, weight = np.empty(large, np.int32), np.empty(large, np.float32)
    for at in range(large):
        place = (np.float32(at) + np.float32(0.5)) * np.float32(small) / np.float32(large) - np.float32(0.5)
        place = min(max(place, np.float32(0)), np.float32(small - 1))
        first[at] = min(int(place), max(small - 2, 0))
        weight[at] = place - np.float32(first[at])
    return first, weight


@numba.njit(**KERNEL)
def _starts(first, weight, small):
    """First of the large pixels that are nearest to each small one; small + 1 values."""
    starts = np.full(small + 1, len(first), np.int32)
    for at in range(len(first) - 1, -1, -1):
        starts[first[at] + (1 if weight[at] > np.float32(0.5) else 0)] = at
    for k in range(small - 1, -1, -1):
        starts[k] = min(starts[k], starts[k + 1])
    return starts


@numba.njit(inline="always")
def _mix(values, i, j, fy, fx):
    """Bilinear; unknown values (0) do not count. 0 if the nearest value is unknown."""
    h, w = values.shape
    i1, j1 = min(i + 1, h - 1), min(j + 1, w - 1)
    a, b, c, d = values[i, j], values[i, j1], values[i1, j], values[i1, j1]
    one, zero = np.float32(1), np.float32(0)
    if min(min(a, b), min(c, d)) > zero:
        return (a * (one - fx) + b * fx) * (one - fy) + (c * (one - fx) + d * fx) * fy
    half = np.float32(0.5)
    if not values[i1 if fy > half else i, j1 if fx > half else j] > zero:
        return zero
    wa, wb, wc, wd = (one - fx) * (one - fy), fx * (one - fy), (one - fx) * fy, fx * fy
    wa, wb = wa if a > zero else zero, wb if b > zero else zero
    wc, wd = wc if c > zero else zero, wd if d > zero else zero
    return (wa * a + wb * b + wc * c + wd * d) / (wa + wb + wc + wd)


@numba.njit(**KERNEL)
def _score(inverse, near, far, image, small):
    """H x W float32: log odds that a pixel shows the nearer of two surfaces; 0 away from ramps."""
    h, w = inverse.shape
    height, width = image.shape[:2]
    score = np.zeros((height, width), np.float32)
    zero, one, half = np.float32(0), np.float32(1), np.float32(0.5)
    falloff = np.empty(2 * WINDOW * WINDOW + 1, np.float32)
    for k in range(falloff.shape[0]):
        falloff[k] = np.exp(-np.float32(k) / (np.float32(2) * SPREAD * SPREAD))
    rows, columns = _corners(h, height), _corners(w, width)
    tops, lefts = _starts(*rows, h), _starts(*columns, w)
    most = (2 * WINDOW + 1) ** 2
    samples = np.empty((2, 4, most), np.float32)
    for ci in range(h):
        for cj in range(w):
            high, low = near[ci, cj], far[ci, cj]
            climb = high - low
            if not (climb > zero and low > zero):
                continue
            # The pixels of each surface around; far: side 0, near: side 1.
            found0, found1, total0, total1 = 0, 0, zero, zero
            for m in range(max(ci - WINDOW, 0), min(ci + WINDOW + 1, h)):
                for n in range(max(cj - WINDOW, 0), min(cj + WINDOW + 1, w)):
                    share = (inverse[m, n] - low) / climb
                    if inverse[m, n] <= zero or SIDE < share < one - SIDE:
                        continue
                    weight = falloff[(m - ci) * (m - ci) + (n - cj) * (n - cj)]
                    side, at = (1, found1) if share > half else (0, found0)
                    for c in range(3):
                        samples[side, c, at] = small[m, n, c]
                    samples[side, 3, at] = weight
                    if side:
                        found1, total1 = found1 + 1, total1 + weight
                    else:
                        found0, total0 = found0 + 1, total0 + weight
            for y in range(tops[ci], tops[ci + 1]):
                for x in range(lefts[cj], lefts[cj + 1]):
                    here = _mix(inverse, rows[0][y], columns[0][x], rows[1][y], columns[1][x])
                    odds = PRIOR * (min(max((here - low) / climb, zero), one) - half)
                    if found0 and found1:
                        red, green, blue = F(image[y, x, 0]), F(image[y, x, 1]), F(image[y, x, 2])
                        as_far = _alike(red, green, blue, samples[0], found0) / total0
                        as_near = _alike(red, green, blue, samples[1], found1) / total1
                        odds += np.log((as_near + UNLIKE) / (as_far + UNLIKE))
                    score[y, x] = odds
    return score


@numba.njit(**KERNEL, fastmath={"reassoc", "contract"})
def _alike(red, green, blue, samples, count):
    """Sum of the weights of `count` samples, each by how alike its colour is. samples: red, green, blue, weight."""
    total, one = np.float32(0), np.float32(1)
    for k in range(count):
        r, g, b = red - samples[0, k], green - samples[1, k], blue - samples[2, k]
        likeness = one / (one + (r * r + g * g + b * b) * np.float32(0.25 / COLOUR**2))
        likeness *= likeness
        total += samples[3, k] * likeness * likeness
    return total


@numba.njit(**KERNEL)
def _compose(inverse, near, far, confidence, score, height, width):
    """Depth, valid and confidence at height x width: each pixel from the layer that its score tells."""
    h, w = inverse.shape
    depth = np.zeros((height, width), np.float32)
    valid = np.zeros((height, width), np.bool_)
    certain = np.zeros((height, width), np.float32)
    zero, one, half = np.float32(0), np.float32(1), np.float32(0.5)
    rows, columns = _corners(h, height), _corners(w, width)
    for y in range(height):
        i, fy = rows[0][y], rows[1][y]
        i1 = min(i + 1, h - 1)
        for x in range(width):
            j, fx = columns[0][x], columns[1][x]
            j1 = min(j + 1, w - 1)
            value = _mix(near if score[y, x] > zero else far, i, j, fy, fx)
            if not value > zero:
                continue
            depth[y, x] = one / value
            valid[y, x] = True
            sure = (confidence[i, j] * (one - fx) + confidence[i, j1] * fx) * (one - fy)
            sure += (confidence[i1, j] * (one - fx) + confidence[i1, j1] * fx) * fy
            if near[i, j] > far[i, j] or near[i1, j1] > far[i1, j1]:
                sure *= half + half * min(abs(score[y, x]) / SURE, one)
            certain[y, x] = sure
    return depth, valid, certain
