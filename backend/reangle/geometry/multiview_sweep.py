# SPDX-License-Identifier: Apache-2.0
"""Kernels of the plane sweep: how well neighbour frames agree with a frame on several planes, and the best plane.

Arrays are float32 unless said otherwise, and kernels release the interpreter's lock.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from reangle.kernels import KERNEL

RADIUS = 2
"""Windows have 2 * RADIUS + 1 pixels a side."""
UNSEEN = np.float32(0.6)
"""Cost of a pixel that a neighbour does not see."""
NOISE = np.float32(2.5)
"""Standard deviation, in grey levels of 255, of a window that tells nothing."""

WINDOW = 2 * RADIUS + 1
SINGLE = np.float32(0.4)
"""Share of a pixel's own difference in the cost; the rest is its window's, which is blind to where in it an edge is."""
UNLIKE = np.float32(24)
"""Difference of a pixel, in grey levels of 255, that costs most."""
PRIOR = np.float32(0.01)
"""Cost of a depth one standard deviation away from the first one."""
FARTHEST_PRIOR = np.float32(4)
"""The prior's cost ends to rise at the square root of this many standard deviations."""


@numba.njit(**KERNEL, fastmath=True, inline="always")
def _warp_row(image, usable, t, s, inverse, offset, y, warped, seen):
    """Row y of a neighbour's image as the frame would see it at 1 / depth inverse + offset; seen: 1 where it does.

    warped has RADIUS more pixels at both ends, which stay 0.
    """
    height, width = image.shape
    half, limit_x, limit_y = np.float32(0.5), np.float32(width - 1.001), np.float32(height - 1.001)
    yy = np.float32(y) + half
    b0, b1, b2 = t[0, 1] * yy + t[0, 2], t[1, 1] * yy + t[1, 2], t[2, 1] * yy + t[2, 2]
    for x in range(width):
        xx = np.float32(x) + half
        k = inverse[y, x] + offset
        # In units of the pixel's own depth.
        there = t[2, 0] * xx + b2 + k * s[2]
        over = np.float32(1) / max(there, np.float32(1e-6))
        u = (t[0, 0] * xx + b0 + k * s[0]) * over - half
        v = (t[1, 0] * xx + b1 + k * s[1]) * over - half
        inside = k > 0 and there > 1e-6 and u >= 0 and v >= 0 and u <= limit_x and v <= limit_y
        u = min(max(u, np.float32(0)), limit_x)
        v = min(max(v, np.float32(0)), limit_y)
        column, row = int(u), int(v)
        a, b = u - np.float32(column), v - np.float32(row)
        top = image[row, column] + a * (image[row, column + 1] - image[row, column])
        low = image[row + 1, column] + a * (image[row + 1, column + 1] - image[row + 1, column])
        warped[x + RADIUS] = top + b * (low - top)
        seen[x] = np.float32(1) if inside and usable[row, column] else np.float32(0)


@numba.njit(**KERNEL, fastmath=True)
def window_means(image):
    """Mean and variance (h x w each) of the window around each pixel, cut at the borders, and its area."""
    height, width = image.shape
    mean, variance, area = np.empty_like(image), np.empty_like(image), np.empty_like(image)
    for y in range(height):
        for x in range(width):
            total, square, count = np.float32(0), np.float32(0), np.float32(0)
            for row in range(max(y - RADIUS, 0), min(y + RADIUS + 1, height)):
                for column in range(max(x - RADIUS, 0), min(x + RADIUS + 1, width)):
                    value = image[row, column]
                    total += value
                    square += value * value
                    count += np.float32(1)
            mean[y, x], area[y, x] = total / count, count
            variance[y, x] = max(square / count - (total / count) ** 2, np.float32(0))
    return mean, variance, area


@numba.njit(**KERNEL, fastmath=True)
def sweep(image, images, usable, others, turns, shifts, inverse, offsets, expected, sigma, volume):
    """Fill volume (h x w x D) with costs, 0 (agrees) to about 0.6, of 1 / depth inverse + offsets (h x w and D).

    The cost of one neighbour mixes 1 minus the zero-mean normalised cross-correlation of the windows, which exposure
    does not change, halved, with the pixel's own difference from both windows' means; where the window has no texture,
    all costs tend to 0.3. The two best neighbours of three or more count, because the others may be occluded. A prior
    rises with the distance from the expected depth.
    image: h x w. images, usable: T x h x w (usable bool). others: N int64, the neighbours. turns, shifts: N x 3 x 3 and
    N x 3, see `steady.pixel_maps`. expected, sigma: h x w, log of 1 / depth and its standard deviation.
    """
    height, width = image.shape
    count = len(others)
    mean, variance, area = window_means(image)
    warped = np.zeros(width + 2 * RADIUS, np.float32)
    padded = np.zeros((height, width + 2 * RADIUS), np.float32)
    padded[:, RADIUS : RADIUS + width] = image
    seen = np.empty((WINDOW, width), np.float32)
    sums = np.empty((4, WINDOW, width), np.float32)
    costs = np.empty((count, height, width), np.float32)
    floor = NOISE * NOISE
    half, zero, one, least = np.float32(0.5), np.float32(0), np.float32(1), np.float32(1e-9)
    for d in range(len(offsets)):
        offset = offsets[d]
        for n in range(count):
            turn, shift = turns[n], shifts[n]
            sums[:] = zero
            for y in range(height + RADIUS):
                slot = y % WINDOW
                if y < height:
                    _warp_row(images[others[n]], usable[others[n]], turn, shift, inverse, offset, y, warped, seen[slot])
                    for x in range(width):
                        total, square, product = zero, zero, zero
                        for step in range(WINDOW):
                            value = warped[x + step]
                            total += value
                            square += value * value
                            product += value * padded[y, x + step]
                        sums[0, slot, x], sums[1, slot, x], sums[2, slot, x] = total, square, product
                        sums[3, slot, x] = warped[x + RADIUS]
                else:
                    sums[:, slot] = zero
                middle = y - RADIUS
                if middle < 0:
                    continue
                for x in range(width):
                    total, square, product = zero, zero, zero
                    for step in range(WINDOW):
                        total += sums[0, step, x]
                        square += sums[1, step, x]
                        product += sums[2, step, x]
                    share = one / area[middle, x]
                    other_mean = total * share
                    other_variance = max(square * share - other_mean * other_mean, zero)
                    covariance = product * share - other_mean * mean[middle, x]
                    alike = covariance / (math.sqrt(variance[middle, x] * other_variance) + floor)
                    apart = abs(sums[3, middle % WINDOW, x] - other_mean - image[middle, x] + mean[middle, x])
                    apart = min(apart / UNLIKE, one)
                    cost = half * ((one - SINGLE) * (one - alike) + SINGLE * apart)
                    costs[n, middle, x] = cost if seen[middle % WINDOW, x] > 0 else UNSEEN
        for y in range(height):
            for x in range(width):
                best, second = np.float32(9), np.float32(9)
                for n in range(count):
                    cost = costs[n, y, x]
                    second = min(second, max(cost, best))
                    best = min(best, cost)
                away = (math.log(max(inverse[y, x] + offset, least)) - expected[y, x]) / sigma[y, x]
                prior = PRIOR * min(away * away, FARTHEST_PRIOR)
                volume[y, x, d] = prior + (best if count < 3 else half * (best + second))


@numba.njit(**KERNEL, fastmath=True)
def aggregate(volume, guide, small, large, total):
    """Semi-global matching (Hirschmueller 2008) along rows and columns, both ways: total (h x w x D) is filled.

    A step of one label between neighbours costs `small`, a longer one `large`, less where the guide (h x w, grey
    levels) has an edge.
    """
    height, width, labels = volume.shape
    total[:] = 0
    # Two more labels at the ends, which nobody takes, spare the kernel its ends.
    paths = np.full((2, max(height, width), labels + 2), np.float32(1e9))
    for sign in (1, -1):
        for y in range(height):
            for step in range(width):
                x = step if sign == 1 else width - 1 - step
                now, before = paths[step % 2, 0], paths[1 - step % 2, 0]
                if step == 0:
                    now[1 : labels + 1] = volume[y, x]
                    total[y, x] += volume[y, x]
                else:
                    _relax(volume[y, x], before, now, total[y, x], abs(guide[y, x] - guide[y, x - sign]), small, large)
    for sign in (1, -1):
        for step in range(height):
            y = step if sign == 1 else height - 1 - step
            for x in range(width):
                now, before = paths[step % 2, x], paths[1 - step % 2, x]
                if step == 0:
                    now[1 : labels + 1] = volume[y, x]
                    total[y, x] += volume[y, x]
                else:
                    _relax(volume[y, x], before, now, total[y, x], abs(guide[y, x] - guide[y - sign, x]), small, large)


@numba.njit(**KERNEL, fastmath=True, inline="always")
def _relax(cost, before, now, total, contrast, small, large):
    labels = len(cost)
    jump = max(large / (np.float32(1) + contrast * np.float32(0.1)), np.float32(1.5) * small)
    least = before[1]
    for d in range(2, labels + 1):
        least = min(least, before[d])
    limit = least + jump
    for d in range(labels):
        best = min(min(before[d + 1], limit), min(before[d], before[d + 2]) + small)
        value = cost[d] + best - least
        now[d + 1] = value
        total[d] += value


@numba.njit(**KERNEL, fastmath=True, inline="always")
def _lowest_label(costs):
    """The label of the lowest cost, and the part of a label by which a parabola's lowest point is beside it."""
    labels = len(costs)
    best = 0
    for d in range(1, labels):
        if costs[d] < costs[best]:
            best = d
    part = np.float32(0)
    if 0 < best < labels - 1:
        before, here, after = costs[best - 1], costs[best], costs[best + 1]
        bend = before - 2 * here + after
        if bend > 0:
            part = np.float32(0.5) * (before - after) / bend
    return best, part


@numba.njit(**KERNEL, fastmath=True)
def best_labels(total, volume, label, cost, margin):
    """The best label of each pixel with a part of a label, its cost in the volume, and by how much labels more than two
    away are worse, all h x w."""
    height, width, labels = total.shape
    for y in range(height):
        for x in range(width):
            best, part = _lowest_label(total[y, x])
            label[y, x] = np.float32(best) + part
            cost[y, x] = volume[y, x, best]
            second = np.float32(1e9)
            for d in range(labels):
                if d < best - 2 or d > best + 2:
                    second = min(second, total[y, x, d])
            # Four paths were added.
            margin[y, x] = (second - total[y, x, best]) * np.float32(0.25)


@numba.njit(**KERNEL, fastmath=True)
def lowest(volume, shift):
    """Fill shift (h x w) with where, from -n to n, the cost of volume (h x w x (2 n + 1)) is lowest; with 0 if that is
    at an end."""
    height, width, labels = volume.shape
    for y in range(height):
        for x in range(width):
            best, part = _lowest_label(volume[y, x])
            inside = 0 < best < labels - 1
            shift[y, x] = np.float32(best - labels // 2) + part if inside else np.float32(0)


@numba.njit(**KERNEL, fastmath=True)
def spread_values(values, weights, across, down, reach):
    """Values (h x w) smoothed along surfaces, weighted; changed in place, like the weights: divide one by the other.

    A recursive domain transform filter (Gastal and Oliveira 2011) of three passes. across, down: h x (w - 1) and
    (h - 1) x w, how far apart neighbours are, in units that separate surfaces. reach: in pixels.
    """
    height, width = values.shape
    one = np.float32(1)
    for y in range(height):
        for x in range(width):
            values[y, x] *= weights[y, x]
    for turn in range(3):
        decay = np.float32(-math.sqrt(2.0) / (reach * math.sqrt(3.0) * 2.0 ** (2 - turn) / math.sqrt(4.0**3 - 1)))
        for y in range(height):
            for sign in (1, -1):
                for step in range(1, width):
                    x = step if sign == 1 else width - 1 - step
                    a = math.exp(decay * (one + reach * across[y, min(x, x - sign)]))
                    values[y, x] += a * (values[y, x - sign] - values[y, x])
                    weights[y, x] += a * (weights[y, x - sign] - weights[y, x])
        for sign in (1, -1):
            for step in range(1, height):
                y = step if sign == 1 else height - 1 - step
                for x in range(width):
                    a = math.exp(decay * (one + reach * down[min(y, y - sign), x]))
                    values[y, x] += a * (values[y - sign, x] - values[y, x])
                    weights[y, x] += a * (weights[y - sign, x] - weights[y, x])
