# SPDX-License-Identifier: Apache-2.0
"""Shading of a point of a generated scene, for the ray caster on the CPU."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from scripts.train.scenes.solids import INLINE, intersect, into
from scripts.train.scenes.textures import texture
from scripts.train.scenes.world import LAMP_X, LAMP_Z, NEAR, SHADOW_REACH

F = np.float32


@njit(**INLINE)
def shade(world, ray, t, index, normal, per_metre, out):
    """Linear colour of a hit. ray: origin and direction, 6; normal: in the solid's axes; per_metre: a pixel's angle."""
    x, y, z = ray[0] + t * ray[3], ray[1] + t * ray[4], ray[2] + t * ray[5]
    solids = len(world.kinds)
    row = world.textures[index]
    if index < solids:
        m, sizes = world.solid_from_world, world.sizes
        lx, ly, lz = into(m, index, x, y, z, F(1))
        texture(row, lx * sizes[index, 0], ly * sizes[index, 1], lz * sizes[index, 2], t * per_metre, out)
        a, b, c = normal[0], normal[1], normal[2]
        nx = m[index, 0, 0] * a + m[index, 1, 0] * b + m[index, 2, 0] * c
        ny = m[index, 0, 1] * a + m[index, 1, 1] * b + m[index, 2, 1] * c
        nz = m[index, 0, 2] * a + m[index, 1, 2] * b + m[index, 2, 2] * c
        length = F(1) / math.sqrt(nx * nx + ny * ny + nz * nz + F(1e-20))
        nx, ny, nz = nx * length, ny * length, nz * length
    else:
        face = index - solids
        texture(row, x, y, z, t * per_metre, out)
        if world.open_air and face != 3:
            return
        nx = ny = nz = F(0)
        if face < 2:
            nx = F(1) if face == 0 else F(-1)
        elif face < 4:
            ny = F(1) if face == 2 else F(-1)
        else:
            nz = F(1) if face == 4 else F(-1)
    lamp = world.lamp
    lx, ly, lz = lamp[0] - x, lamp[1] - y, lamp[2] - z
    length = F(1) / math.sqrt(lx * lx + ly * ly + lz * lz)
    lx, ly, lz = lx * length, ly * length, lz * length
    facing = nx * lx + ny * ly + nz * lz
    light = lamp[5] * (F(0.78) - F(0.22) * ny)
    glow = F(0)
    if facing > F(0):
        lift = F(2e-3) * (F(1) + t)
        seen = _lamp_seen(world, x + nx * lift, y + ny * lift, z + nz * lift)
        if seen > F(0):
            light += lamp[4] * facing * seen
            if row[13] > F(0):
                dx, dy, dz = ray[3], ray[4], ray[5]
                size = F(1) / math.sqrt(dx * dx + dy * dy + dz * dz)
                hx, hy, hz = lx - dx * size, ly - dy * size, lz - dz * size
                half = max((nx * hx + ny * hy + nz * hz) / math.sqrt(hx * hx + hy * hy + hz * hz), F(0))
                half = half * half
                half = half * half
                half = half * half
                half = half * half
                glow = row[13] * seen * half * half
    for channel in range(3):
        out[channel] = out[channel] * light + glow


@njit(**INLINE)
def _lamp_seen(world, x, y, z):
    """Share of the lamp that is visible from a point."""
    lamp, m = world.lamp, world.solid_from_world
    lx, ly, lz = lamp[0] - x, lamp[1] - y, lamp[2] - z
    inverse = F(1) / (lx * lx + ly * ly + lz * lz)
    blocked = 0
    for item in range(len(world.objects)):
        if _aside(world.object_bounds, item, x, y, z, lx, ly, lz, inverse, lamp[3]):
            continue
        for solid in range(world.objects[item, 0], world.objects[item, 1]):
            if _clear(world.bounds, solid, x, y, z, lx, ly, lz, inverse, lamp[3]):
                continue
            ox, oy, oz = into(m, solid, x, y, z, F(1))
            for place in range(4):
                if blocked & (1 << place):
                    continue
                dx, dy, dz = into(m, solid, lx + lamp[3] * LAMP_X[place], ly, lz + lamp[3] * LAMP_Z[place], F(0))
                t, _, _, _ = intersect(world.kinds[solid], world.minor[solid], ox, oy, oz, dx, dy, dz, NEAR, F(1))
                if t < F(1):
                    blocked |= 1 << place
            if blocked == 15:
                return F(0)
    return F(4 - (blocked & 1) - (blocked >> 1 & 1) - (blocked >> 2 & 1) - (blocked >> 3)) * F(0.25)


@njit(**INLINE)
def _clear(bounds, solid, x, y, z, lx, ly, lz, inverse, lamp_radius):
    """Whether a ball is outside the cone from a point to the lamp."""
    cx, cy, cz = bounds[solid, 0] - x, bounds[solid, 1] - y, bounds[solid, 2] - z
    radius = bounds[solid, 3]
    along = (cx * lx + cy * ly + cz * lz) * inverse
    if along < F(0):
        return cx * cx + cy * cy + cz * cz > radius * radius
    if along >= SHADOW_REACH:
        return True
    wide = radius + along * lamp_radius
    px, py, pz = cx - along * lx, cy - along * ly, cz - along * lz
    return px * px + py * py + pz * pz > wide * wide


@njit(**INLINE)
def _aside(bounds, item, x, y, z, lx, ly, lz, inverse, lamp_radius):
    """Whether a ball around several balls is so far from the cone that `_clear` is true for each of them."""
    cx, cy, cz = bounds[item, 0] - x, bounds[item, 1] - y, bounds[item, 2] - z
    along = min(max((cx * lx + cy * ly + cz * lz) * inverse, F(0)), SHADOW_REACH)
    wide = bounds[item, 3] + SHADOW_REACH * lamp_radius
    px, py, pz = cx - along * lx, cy - along * ly, cz - along * lz
    return px * px + py * py + pz * pz > wide * wide
