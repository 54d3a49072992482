# SPDX-License-Identifier: Apache-2.0
"""Intersection of a ray and a solid, in the solid's own axes, for the ray caster on the CPU.

Each function returns the ray parameter of the first hit past `nearest` (or ENDLESS) and the normal there, of any
length.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from scripts.train.scenes.types import BOX, CONE, CYLINDER, SPHERE
from scripts.train.scenes.world import ENDLESS

F = np.float32
FAST = {"fastmath": True, "error_model": "numpy"}
# Counting references to arrays takes half of the time. These kernels create no arrays and keep none.
BORROWING = {**FAST, "_nrt": False}
# So does passing the whole scene at each call.
INLINE = {**BORROWING, "inline": "always"}


@njit(**INLINE)
def into(matrices, solid, x, y, z, w):
    """A point (w = 1) or a direction (w = 0) in the axes of one solid."""
    return (
        matrices[solid, 0, 0] * x + matrices[solid, 0, 1] * y + matrices[solid, 0, 2] * z + matrices[solid, 0, 3] * w,
        matrices[solid, 1, 0] * x + matrices[solid, 1, 1] * y + matrices[solid, 1, 2] * z + matrices[solid, 1, 3] * w,
        matrices[solid, 2, 0] * x + matrices[solid, 2, 1] * y + matrices[solid, 2, 2] * z + matrices[solid, 2, 3] * w,
    )


@njit(**BORROWING)
def intersect(kind, minor, ox, oy, oz, dx, dy, dz, nearest, farthest):
    """First hit between `nearest` and `farthest`."""
    if kind == SPHERE:
        t, nx, ny, nz = _sphere(ox, oy, oz, dx, dy, dz, nearest)
    elif kind == BOX:
        t, nx, ny, nz = _box(ox, oy, oz, dx, dy, dz, nearest)
    elif kind == CYLINDER:
        t, nx, ny, nz = _cylinder(ox, oy, oz, dx, dy, dz, nearest)
    elif kind == CONE:
        t, nx, ny, nz = _cone(ox, oy, oz, dx, dy, dz, nearest)
    else:
        t, nx, ny, nz = _torus(minor, ox, oy, oz, dx, dy, dz, nearest)
    if not (t > nearest and t < farthest):
        t = ENDLESS
    return t, nx, ny, nz


@njit(**INLINE)
def _sphere(ox, oy, oz, dx, dy, dz, nearest):
    a = dx * dx + dy * dy + dz * dz
    b = ox * dx + oy * dy + oz * dz
    c = ox * ox + oy * oy + oz * oz - F(1)
    under = b * b - a * c
    if under <= F(0):
        return ENDLESS, F(0), F(0), F(0)
    root = math.sqrt(under)
    t = (-b - root) / a
    if t < nearest:
        t = (-b + root) / a
    return t, ox + t * dx, oy + t * dy, oz + t * dz


@njit(**INLINE)
def _box(ox, oy, oz, dx, dy, dz, nearest):
    ix, iy, iz = F(1) / dx, F(1) / dy, F(1) / dz
    ax, bx = (-F(1) - ox) * ix, (F(1) - ox) * ix
    ay, by = (-F(1) - oy) * iy, (F(1) - oy) * iy
    az, bz = (-F(1) - oz) * iz, (F(1) - oz) * iz
    low_x, low_y, low_z = min(ax, bx), min(ay, by), min(az, bz)
    low, high = max(low_x, low_y, low_z), min(max(ax, bx), max(ay, by), max(az, bz))
    nx = ny = nz = F(0)
    if not (low < high and low > nearest):
        return ENDLESS, nx, ny, nz
    if low == low_x:
        nx = -math.copysign(F(1), dx)
    elif low == low_y:
        ny = -math.copysign(F(1), dy)
    else:
        nz = -math.copysign(F(1), dz)
    return low, nx, ny, nz


@njit(**INLINE)
def _cylinder(ox, oy, oz, dx, dy, dz, nearest):
    a = dx * dx + dz * dz
    b = ox * dx + oz * dz
    c = ox * ox + oz * oz - F(1)
    under = b * b - a * c
    if under > F(0):
        side = (-b - math.sqrt(under)) / a
        if side > nearest and abs(oy + side * dy) <= F(1):
            return side, ox + side * dx, F(0), oz + side * dz
        cap = (-math.copysign(F(1), dy) - oy) / dy
        x, z = ox + cap * dx, oz + cap * dz
        if cap > nearest and x * x + z * z <= F(1):
            return cap, F(0), -math.copysign(F(1), dy), F(0)
    return ENDLESS, F(0), F(0), F(0)


@njit(**INLINE)
def _cone(ox, oy, oz, dx, dy, dz, nearest):
    """The radius grows from 0 at y = -1 to 1 at y = 1."""
    t = ENDLESS
    nx = ny = nz = F(0)
    hy = oy + F(1)
    a = dx * dx + dz * dz - F(0.25) * dy * dy
    b = ox * dx + oz * dz - F(0.25) * hy * dy
    c = ox * ox + oz * oz - F(0.25) * hy * hy
    under = b * b - a * c
    if under > F(0) and abs(a) > F(1e-9):
        root = math.sqrt(under)
        first, second = (-b - root) / a, (-b + root) / a
        if first > second:
            first, second = second, first
        for side in (first, second):
            y = hy + side * dy
            if side > nearest and y >= F(0) and y <= F(2) and side < t:
                t = side
                nx, ny, nz = ox + t * dx, -F(0.25) * y, oz + t * dz
    cap = (F(1) - oy) / dy
    x, z = ox + cap * dx, oz + cap * dz
    if cap > nearest and x * x + z * z <= F(1) and cap < t:
        return cap, F(0), F(1), F(0)
    return t, nx, ny, nz


@njit(**INLINE)
def _torus(minor, ox, oy, oz, dx, dy, dz, nearest):
    """By sphere tracing inside the bounding ball."""
    a = dx * dx + dy * dy + dz * dz
    b = ox * dx + oy * dy + oz * dz
    c = ox * ox + oy * oy + oz * oz - F(1.0001)
    under = b * b - a * c
    if under > F(0):
        root = math.sqrt(under)
        at, end = max((-b - root) / a, nearest), (-b + root) / a
        length = math.sqrt(a)
        major = F(1) - minor
        for _ in range(48):
            if at > end:
                break
            x, y, z = ox + at * dx, oy + at * dy, oz + at * dz
            ring = math.sqrt(x * x + z * z)
            out = ring - major
            distance = math.sqrt(out * out + y * y) - minor
            if distance < F(2e-3):
                share = out / max(ring, F(1e-6))
                return at, x * share, y, z * share
            at += distance / length
    return ENDLESS, F(0), F(0), F(0)
