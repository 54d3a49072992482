# SPDX-License-Identifier: Apache-2.0
"""The colours of a generated scene's textures, for the ray caster on the CPU."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from scripts.train.scenes.solids import BORROWING, INLINE
from scripts.train.scenes.types import CHECKS, DOTS, HILLS, NOISE, STRIPES, TILES, WOOD

F = np.float32


@njit(**INLINE)
def _hash(x, y, z):
    n = np.uint32(x) * np.uint32(374761393) + np.uint32(y) * np.uint32(668265263) + np.uint32(z) * np.uint32(2147483647)
    n = (n ^ (n >> np.uint32(13))) * np.uint32(1274126177)
    n = n ^ (n >> np.uint32(16))
    return F(np.uint32(n) & np.uint32(0xFFFF)) * F(1 / 65535)


@njit(**BORROWING)
def _noise(x, y, z):
    """Smooth noise in 0..1 with one knot per unit."""
    fx, fy, fz = math.floor(x), math.floor(y), math.floor(z)
    u, v, w = x - fx, y - fy, z - fz
    u, v, w = u * u * (F(3) - F(2) * u), v * v * (F(3) - F(2) * v), w * w * (F(3) - F(2) * w)
    i, j, k = np.int64(fx), np.int64(fy), np.int64(fz)
    near = (_hash(i, j, k) * (F(1) - u) + _hash(i + 1, j, k) * u) * (F(1) - v) + (
        _hash(i, j + 1, k) * (F(1) - u) + _hash(i + 1, j + 1, k) * u
    ) * v
    far = (_hash(i, j, k + 1) * (F(1) - u) + _hash(i + 1, j, k + 1) * u) * (F(1) - v) + (
        _hash(i, j + 1, k + 1) * (F(1) - u) + _hash(i + 1, j + 1, k + 1) * u
    ) * v
    return near * (F(1) - w) + far * w


@njit(**INLINE)
def _wave(x, blur):
    """A square wave in -1..1 with period 2, its edges softened over `blur`."""
    ramp = abs(x - F(2) * math.floor(x * F(0.5)) - F(1)) * F(2) - F(1)
    return min(max(ramp / blur, F(-1)), F(1))


@njit(**BORROWING)
def texture(row, x, y, z, footprint, colour):
    """Linear colour of a texture at a point in metres; footprint: size of a pixel there, in metres."""
    kind = int(row[0])
    scale = F(1) / row[1]
    x, y, z = (x + row[8]) * scale, (y + row[9]) * scale, (z + row[10]) * scale
    blur = max(footprint * scale * F(2), F(0.02))
    fade = F(1) / (F(1) + blur * blur)
    mix = F(0)
    if kind == CHECKS:
        mix = F(0.5) - F(0.5) * _wave(x * F(2), blur * 2) * _wave(y * F(2), blur * 2) * _wave(z * F(2), blur * 2)
    elif kind == STRIPES:
        axis = int(row[11])
        along = x if axis == 0 else (y if axis == 1 else z)
        mix = F(0.5) + F(0.5) * _wave(along * F(2), blur * 2)
    elif kind == NOISE:
        mix = _noise(x, y, z) * F(0.6) + _noise(x * F(2.1), y * F(2.1), z * F(2.1)) * F(0.4)
        mix = F(0.5) + (min(max((mix - F(0.5)) * F(2.6) + F(0.5), F(0)), F(1)) - F(0.5)) * fade
    elif kind == TILES:
        line = F(0)
        for one in (x, y, z):
            away = abs(one - math.floor(one) - F(0.5))
            line = max(line, min(max((away - F(0.45)) / max(blur, F(0.03)) + F(0.5), F(0)), F(1)))
        mix = line * min(F(0.1) / blur, F(1))
    elif kind == DOTS:
        u, v, w = x - math.floor(x) - F(0.5), y - math.floor(y) - F(0.5), z - math.floor(z) - F(0.5)
        away = math.sqrt(u * u + v * v + w * w)
        mix = min(max((F(0.4) - away) / blur + F(0.5), F(0)), F(1)) * fade + F(0.2) * (F(1) - fade)
    elif kind == WOOD:
        axis = int(row[11])
        along = x if axis == 0 else (y if axis == 1 else z)
        bend = _noise(x * F(0.7), y * F(0.7), z * F(0.7))
        mix = F(0.5) + F(0.5) * math.sin(F(6.2832) * (along * F(2) + bend * F(2.2))) * fade
    elif kind == HILLS:
        # A backdrop: the first colour at the horizon, the second above, hills of the mixed colour below a ragged line.
        ridge = F(0.10) + F(0.5) * _noise(x * F(0.5), F(3), z * F(0.5)) + F(0.12) * _noise(x * F(2), F(7), z * F(2))
        up = -y
        if up < ridge:
            green = F(0.55) + F(0.25) * _noise(x * F(5), y * F(5), z * F(5))
            colour[0], colour[1], colour[2] = F(0.30) * green, F(0.42) * green, F(0.26) * green
            return
        mix = min(up * F(0.45), F(1))
    grain = F(1)
    if row[12] > F(0):
        fine = F(7) * row[1]
        coarse = F(1) + fine * fine * F(0.25) * blur * blur
        grain += row[12] * (_noise(x * fine, y * fine, z * fine) - F(0.5)) / coarse
    for channel in range(3):
        colour[channel] = (row[2 + channel] * (F(1) - mix) + row[5 + channel] * mix) * grain
