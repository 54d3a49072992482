# SPDX-License-Identifier: Apache-2.0
"""Kernels of the plane sweep: how well neighbour frames agree with a frame at several depths, and the best depth.

Arrays are float32 unless said otherwise, and kernels release the interpreter's lock.
"""

from __future__ import annotations

import math

import numba
import numpy as np

RADIUS = 2
"""Windows have 2 * RADIUS + 1 pixels a side."""
UNSEEN = np.float32(0.6)
"""Cost of a pixel that a neighbour does not see."""
NOISE = np.float32(2.5)
"""Standard deviation, in grey levels of 255, of a window that tells nothing."""


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def window_sums(image, sums):
    """Sums of an image over the window around each pixel; windows are cut at the borders."""
    height, width = image.shape
    across = np.empty((height, width), np.float32)
    for y in range(height):
        total = np.float32(0)
        for x in range(min(RADIUS, width)):
            total += image[y, x]
        for x in range(width):
            if x + RADIUS < width:
                total += image[y, x + RADIUS]
            if x - RADIUS - 1 >= 0:
                total -= image[y, x - RADIUS - 1]
            across[y, x] = total
    running = np.zeros(width, np.float32)
    for y in range(min(RADIUS, height)):
        for x in range(width):
            running[x] += across[y, x]
    for y in range(height):
        if y + RADIUS < height:
            for x in range(width):
                running[x] += across[y + RADIUS, x]
        if y - RADIUS - 1 >= 0:
            for x in range(width):
                running[x] -= across[y - RADIUS - 1, x]
        for x in range(width):
            sums[y, x] = running[x]


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def _warp(image, usable, turn, shift, depth, factor, warped, seen):
    """A neighbour's image as the frame would see it if the surface were at depth * factor. seen: 1 where it does."""
    height, width = depth.shape
    t = turn.astype(np.float32)
    s0, s1, s2 = np.float32(shift[0]), np.float32(shift[1]), np.float32(shift[2])
    half, limit_x, limit_y = np.float32(0.5), np.float32(width - 1.001), np.float32(height - 1.001)
    for y in range(height):
        yy = np.float32(y) + half
        b0, b1, b2 = t[0, 1] * yy + t[0, 2], t[1, 1] * yy + t[1, 2], t[2, 1] * yy + t[2, 2]
        for x in range(width):
            xx = np.float32(x) + half
            z = depth[y, x] * factor
            there = z * (t[2, 0] * xx + b2) + s2
            over = np.float32(1) / max(there, np.float32(1e-6))
            u = (z * (t[0, 0] * xx + b0) + s0) * over - half
            v = (z * (t[1, 0] * xx + b1) + s1) * over - half
            inside = there > 1e-6 and u >= 0 and v >= 0 and u <= limit_x and v <= limit_y
            u = min(max(u, np.float32(0)), limit_x)
            v = min(max(v, np.float32(0)), limit_y)
            column, row = int(u), int(v)
            a, b = u - np.float32(column), v - np.float32(row)
            top = image[row, column] + a * (image[row, column + 1] - image[row, column])
            low = image[row + 1, column] + a * (image[row + 1, column + 1] - image[row + 1, column])
            warped[y, x] = top + b * (low - top)
            seen[y, x] = np.float32(1) if inside and usable[row, column] else np.float32(0)


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def sweep(image, images, usable, others, turns, shifts, depth, factors, volume):
    """Fill volume (h x w x D) with costs, 0 (agrees) to about 1, of the depths depth * factors (D).

    The cost of one neighbour is 1 minus the zero-mean normalised cross-correlation of the windows, which exposure does
    not change, halved; where the window has no texture, all costs tend to 0.5. The better half of the neighbours
    counts, because the others may be occluded. image: h x w. images, usable: T x h x w (usable bool). others: N int64,
    the neighbours. turns, shifts: N x 3 x 3 and N x 3, see `steady.pixel_maps`. depth: h x w.
    """
    height, width = image.shape
    count = len(others)
    ones = np.ones((height, width), np.float32)
    area = np.empty((height, width), np.float32)
    window_sums(ones, area)
    mean, square = np.empty((height, width), np.float32), np.empty((height, width), np.float32)
    window_sums(image, mean)
    window_sums(image * image, square)
    mean /= area
    variance = square / area - mean * mean
    warped, seen = np.empty((height, width), np.float32), np.empty((height, width), np.float32)
    sums, squares, products = (
        np.empty((height, width), np.float32),
        np.empty((height, width), np.float32),
        np.empty((height, width), np.float32),
    )
    costs = np.empty((count, height, width), np.float32)
    floor = NOISE * NOISE
    kept = (count + 1) // 2
    for d in range(len(factors)):
        for n in range(count):
            _warp(images[others[n]], usable[others[n]], turns[n], shifts[n], depth, factors[d], warped, seen)
            window_sums(warped, sums)
            window_sums(warped * warped, squares)
            window_sums(warped * image, products)
            for y in range(height):
                for x in range(width):
                    share = np.float32(1) / area[y, x]
                    other_mean = sums[y, x] * share
                    other_variance = squares[y, x] * share - other_mean * other_mean
                    covariance = products[y, x] * share - other_mean * mean[y, x]
                    alike = covariance / (
                        math.sqrt(max(variance[y, x], np.float32(0)) * max(other_variance, np.float32(0))) + floor
                    )
                    cost = np.float32(0.5) * (np.float32(1) - alike)
                    costs[n, y, x] = cost if seen[y, x] > 0 else UNSEEN
        for y in range(height):
            for x in range(width):
                total = np.float32(0)
                last = np.float32(-1)
                taken = 0
                # selection of the `kept` smallest of a few
                while taken < kept:
                    best = np.float32(9)
                    for n in range(count):
                        if costs[n, y, x] < best:
                            best, last = costs[n, y, x], np.float32(n)
                    costs[int(last), y, x] = np.float32(10)
                    total += best
                    taken += 1
                volume[y, x, d] = total / np.float32(kept)


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def aggregate(volume, guide, small, large, total):
    """Semi-global matching (Hirschmueller 2008) along rows and columns, both ways: total (h x w x D) is filled.

    A step of one label between neighbours costs `small`, a longer one `large`, less where the guide (h x w, grey
    levels) has an edge.
    """
    height, width, labels = volume.shape
    total[:] = 0
    before, now = np.empty((max(height, width), labels), np.float32), np.empty(labels, np.float32)
    for sign in (1, -1):
        for y in range(height):
            for step in range(width):
                x = step if sign == 1 else width - 1 - step
                _relax(
                    volume[y, x],
                    before[0],
                    now,
                    step == 0,
                    guide[y, x],
                    guide[y, x - sign if step else x],
                    small,
                    large,
                )
                for d in range(labels):
                    before[0, d] = now[d]
                    total[y, x, d] += now[d]
    for sign in (1, -1):
        for step in range(height):
            y = step if sign == 1 else height - 1 - step
            for x in range(width):
                _relax(
                    volume[y, x],
                    before[x],
                    now,
                    step == 0,
                    guide[y, x],
                    guide[y - sign if step else y, x],
                    small,
                    large,
                )
                for d in range(labels):
                    before[x, d] = now[d]
                    total[y, x, d] += now[d]


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def _relax(cost, before, now, first, here, there, small, large):
    labels = len(cost)
    if first:
        for d in range(labels):
            now[d] = cost[d]
        return
    jump = max(large / (np.float32(1) + abs(here - there) * np.float32(0.1)), np.float32(1.5) * small)
    least = before[0]
    for d in range(1, labels):
        least = min(least, before[d])
    for d in range(labels):
        best = min(before[d], least + jump)
        if d > 0:
            best = min(best, before[d - 1] + small)
        if d + 1 < labels:
            best = min(best, before[d + 1] + small)
        now[d] = cost[d] + best - least


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def best_labels(total, volume, label, cost, margin):
    """The best label of each pixel with a part of a label (a parabola), its cost in the volume, and by how much labels
    more than one away are worse, all h x w."""
    height, width, labels = total.shape
    for y in range(height):
        for x in range(width):
            best = 0
            for d in range(1, labels):
                if total[y, x, d] < total[y, x, best]:
                    best = d
            part = np.float32(0)
            if 0 < best < labels - 1:
                before, here, after = total[y, x, best - 1], total[y, x, best], total[y, x, best + 1]
                bend = before - 2 * here + after
                if bend > 0:
                    part = np.float32(0.5) * (before - after) / bend
            label[y, x] = np.float32(best) + part
            cost[y, x] = volume[y, x, best]
            second = np.float32(1e9)
            for d in range(labels):
                if d < best - 1 or d > best + 1:
                    second = min(second, total[y, x, d])
            margin[y, x] = (second - total[y, x, best]) * np.float32(0.25)


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def spread_values(values, weights, guide, reach, contrast):
    """Values (h x w) smoothed along the guide's surfaces, weighted; changed in place, like the weights.

    A recursive domain transform filter (Gastal and Oliveira 2011) of three passes. reach: in pixels. guide: h x w x c,
    in units of which `contrast` separates surfaces.
    """
    height, width, channels = guide.shape
    for y in range(height):
        for x in range(width):
            values[y, x] *= weights[y, x]
    for turn in range(3):
        decay = -math.sqrt(2.0) / (reach * math.sqrt(3.0) * 2.0 ** (2 - turn) / math.sqrt(4.0**3 - 1))
        for y in range(height):
            for sign in (1, -1):
                for step in range(1, width):
                    x = step if sign == 1 else width - 1 - step
                    apart = 0.0
                    for c in range(channels):
                        apart += abs(guide[y, x, c] - guide[y, x - sign, c])
                    a = np.float32(math.exp(decay * (1 + reach / contrast * apart)))
                    values[y, x] += a * (values[y, x - sign] - values[y, x])
                    weights[y, x] += a * (weights[y, x - sign] - weights[y, x])
        for sign in (1, -1):
            for step in range(1, height):
                y = step if sign == 1 else height - 1 - step
                for x in range(width):
                    apart = 0.0
                    for c in range(channels):
                        apart += abs(guide[y, x, c] - guide[y - sign, x, c])
                    a = np.float32(math.exp(decay * (1 + reach / contrast * apart)))
                    values[y, x] += a * (values[y - sign, x] - values[y, x])
                    weights[y, x] += a * (weights[y - sign, x] - weights[y, x])
