# SPDX-License-Identifier: Apache-2.0
"""`solids` for many rays at once: their intersections with one solid, in its own axes.

Each function takes origins and directions, P x 3, and returns the ray parameters of the first hits past NEAR (or
ENDLESS) and the normals there, of any length.
"""

from __future__ import annotations

import torch
from torch import Tensor

from scripts.train.scenes import world
from scripts.train.scenes.types import BOX, CONE, CYLINDER, SPHERE

ENDLESS, NEAR = float(world.ENDLESS), float(world.NEAR)


def intersect(kind: int, minor: float, o: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    if kind == SPHERE:
        t, normal = _sphere(o, d)
    elif kind == BOX:
        t, normal = _box(o, d)
    elif kind == CYLINDER:
        t, normal = _cylinder(o, d)
    elif kind == CONE:
        t, normal = _cone(o, d)
    else:
        t, normal = _torus(minor, o, d)
    # A comparison with NaN is false, so rays whose roots are NaN miss.
    return torch.where(t > NEAR, t, ENDLESS), normal


def _sphere(o: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    a, b, c = (d * d).sum(1), (o * d).sum(1), (o * o).sum(1) - 1
    under = b * b - a * c
    root = under.clamp_min(0).sqrt()
    t = (-b - root) / a
    t = torch.where(t < NEAR, (-b + root) / a, t)
    return torch.where(under > 0, t, ENDLESS), o + t[:, None] * d


def _box(o: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    first, second = (-1 - o) / d, (1 - o) / d
    lows = torch.minimum(first, second)
    low, axis = lows.max(1)
    high = torch.maximum(first, second).amin(1)
    normal = torch.zeros_like(o)
    normal.scatter_(1, axis[:, None], -torch.copysign(torch.ones_like(d), d).gather(1, axis[:, None]))
    return torch.where((low < high) & (low > NEAR), low, ENDLESS), normal


def _cylinder(o: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    (ox, oy, oz), (dx, dy, dz) = o.unbind(1), d.unbind(1)
    a, b, c = dx * dx + dz * dz, ox * dx + oz * dz, ox * ox + oz * oz - 1
    under = b * b - a * c
    side = (-b - under.clamp_min(0).sqrt()) / a
    on_side = (side > NEAR) & ((oy + side * dy).abs() <= 1)
    up = -torch.copysign(torch.ones_like(dy), dy)
    cap = (up - oy) / dy
    on_cap = (cap > NEAR) & ((ox + cap * dx) ** 2 + (oz + cap * dz) ** 2 <= 1)
    t = torch.where(on_side, side, torch.where(on_cap, cap, ENDLESS))
    none = torch.zeros_like(t)
    round_normal = torch.stack([ox + side * dx, none, oz + side * dz], 1)
    flat_normal = torch.stack([none, up, none], 1)
    return torch.where(under > 0, t, ENDLESS), torch.where(on_side[:, None], round_normal, flat_normal)


def _cone(o: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    (ox, oy, oz), (dx, dy, dz) = o.unbind(1), d.unbind(1)
    hy = oy + 1
    a = dx * dx + dz * dz - 0.25 * dy * dy
    b = ox * dx + oz * dz - 0.25 * hy * dy
    c = ox * ox + oz * oz - 0.25 * hy * hy
    under = b * b - a * c
    root = under.clamp_min(0).sqrt()
    t = torch.full_like(a, ENDLESS)
    for side in ((-b - root) / a, (-b + root) / a):
        y = hy + side * dy
        met = (under > 0) & (a.abs() > 1e-9) & (side > NEAR) & (y >= 0) & (y <= 2) & (side < t)
        t = torch.where(met, side, t)
    normal = torch.stack([ox + t * dx, -0.25 * (hy + t * dy), oz + t * dz], 1)
    cap = (1 - oy) / dy
    on_cap = (cap > NEAR) & ((ox + cap * dx) ** 2 + (oz + cap * dz) ** 2 <= 1) & (cap < t)
    return torch.where(on_cap, cap, t), torch.where(on_cap[:, None], o.new_tensor([0.0, 1.0, 0.0]), normal)


def _torus(minor: float, o: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    a, b, c = (d * d).sum(1), (o * d).sum(1), (o * o).sum(1) - 1.0001
    under = b * b - a * c
    root = under.clamp_min(0).sqrt()
    at, end, length = ((-b - root) / a).clamp_min(NEAR), (-b + root) / a, a.sqrt()
    t = torch.full_like(a, ENDLESS)
    going = under > 0
    for _ in range(48):
        going = going & (at <= end)
        x, y, z = (o + at[:, None] * d).unbind(1)
        out = (x * x + z * z).sqrt() - (1 - minor)
        distance = (out * out + y * y).sqrt() - minor
        met = going & (distance < 2e-3)
        t = torch.where(met, at, t)
        going = going & ~met
        at = torch.where(going, at + distance / length, at)
    x, y, z = (o + t[:, None] * d).unbind(1)
    ring = (x * x + z * z).sqrt()
    share = (ring - (1 - minor)) / ring.clamp_min(1e-6)
    return t, torch.stack([x * share, y, z * share], 1)
