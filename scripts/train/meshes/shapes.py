# SPDX-License-Identifier: Apache-2.0
"""Meshes made by formula: simple solids, turned vessels, plants, fences, cables and shelves.

All have y down and stand on y = 0 around the origin. Most are about one metre tall or wide; scenes scale them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

TAU = 2 * np.pi


class Shape(NamedTuple):
    """points: N x 3. corners: T x 3. supports: rows of y, x0, x1, z0, z1 on which things can stand."""

    points: np.ndarray
    corners: np.ndarray
    supports: tuple[tuple[float, float, float, float, float], ...] = ()


def shapes(rng: np.random.Generator) -> Iterator[tuple[str, Shape]]:
    """All shapes with the name of their group."""
    yield "box", box((-0.5, -1, -0.5), (0.5, 0, 0.5))
    yield "quad", grid(1, lambda x, z: 0 * x)
    yield "solid", moved(ball(20, 12), (0, -0.5, 0), 0.5)
    yield "solid", revolved([(0, 0), (0.5, 0), (0.5, 0), (0.5, -1), (0.5, -1), (0, -1)], 28)
    yield "solid", revolved([(0, 0), (0.5, 0), (0.5, 0), (0, -1)], 28)
    yield "solid", moved(ring(0.35, 0.14, 28, 12), (0, -0.14, 0), 1)
    yield "solid", revolved([(0, 0), (0.5, 0), (0.5, 0), (0.5, -1), (0.5, -1), (0, -1)], 6)
    yield "solid", wedge()
    yield "pole", revolved([(0, 0), (0.5, 0), (0.5, 0), (0.5, -1), (0.5, -1), (0, -1)], 10)
    for _ in range(28):
        yield "vessel", vessel(rng)
    for _ in range(14):
        yield "rock", rock(rng)
    for _ in range(12):
        yield "cable", cable(rng)
    for _ in range(8):
        yield "wire", wire(rng)
    for _ in range(8):
        yield "fence", fence(rng)
    for _ in range(8):
        yield "shelf", shelf(rng)
    for _ in range(8):
        yield "table", table(rng)
    for _ in range(14):
        trunk, crown = tree(rng, int(rng.integers(350, 700)))
        yield "trunk", trunk
        yield "crown", crown
    for _ in range(10):
        yield "bush", bush(rng, rng.integers(150, 500))
    for _ in range(6):
        yield "grass", grass(rng)
    for _ in range(10):
        yield "animal", animal(rng)
    for _ in range(3):
        yield "stairs", stairs(rng)
    for _ in range(6):
        yield "terrain", terrain(rng)


def joined(*parts: Shape) -> Shape:
    starts = np.cumsum([0, *(len(part.points) for part in parts)])
    corners = [part.corners + start for part, start in zip(parts, starts, strict=False)]
    return Shape(np.concatenate([part.points for part in parts]), np.concatenate(corners))


def moved(shape: Shape, to: tuple[float, float, float], scale: float | tuple[float, float, float] = 1.0) -> Shape:
    return Shape(shape.points * scale + np.array(to), shape.corners)


def box(low: tuple[float, float, float], high: tuple[float, float, float]) -> Shape:
    ends = np.array([low, high], float)
    points = np.array([[ends[i, 0], ends[j, 1], ends[k, 2]] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    corners = [triangle for a, b, c, d in faces for triangle in ((a, b, c), (a, c, d))]
    return Shape(points, np.array(corners))


def _mesh_of_grid(points: np.ndarray, close: bool) -> Shape:
    """Triangles between rows of points, rows x columns x 3; close: the last column meets the first."""
    rows, columns = points.shape[:2]
    across = columns if close else columns - 1
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(across), indexing="ij")
    k = (j + 1) % columns
    a, b, c, d = i * columns + j, i * columns + k, (i + 1) * columns + k, (i + 1) * columns + j
    corners = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    return Shape(points.reshape(-1, 3), corners)


def revolved(profile: list[tuple[float, float]], sides: int) -> Shape:
    """A profile of (radius, y) turned about the y axis; repeated points keep an edge sharp."""
    radius, y = np.array(profile, float).T
    angle = np.arange(sides) / sides * TAU
    points = np.stack(
        [radius[:, None] * np.cos(angle), np.repeat(y[:, None], sides, 1), radius[:, None] * np.sin(angle)], -1
    )
    return _mesh_of_grid(points, True)


def ball(sides: int, rings: int) -> Shape:
    angle = np.linspace(0, np.pi, rings + 1)
    return revolved([(float(np.sin(a)), float(np.cos(a))) for a in angle], sides)


def ring(radius: float, tube: float, sides: int, rings: int) -> Shape:
    a, b = np.meshgrid(np.arange(sides + 1) / sides * TAU, np.arange(rings) / rings * TAU, indexing="ij")
    across = radius + tube * np.cos(b)
    return _mesh_of_grid(np.stack([across * np.cos(a), tube * np.sin(b), across * np.sin(a)], -1), True)


def grid(cells: int, height) -> Shape:
    """A surface over [-0.5, 0.5]^2; height: of x and z, positive upwards."""
    x, z = np.meshgrid(np.linspace(-0.5, 0.5, cells + 1), np.linspace(-0.5, 0.5, cells + 1), indexing="ij")
    return _mesh_of_grid(np.stack([x, -height(x, z), z], -1), False)


def tube(path: np.ndarray, radius: float | np.ndarray, sides: int = 6) -> Shape:
    """A tube around a path of N x 3 points."""
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    helper = np.where(np.abs(along[:, :1]) < 0.8, [[1.0, 0, 0]], [[0, 0, 1.0]])
    side = np.cross(along, helper)
    side /= np.linalg.norm(side, axis=1, keepdims=True) + 1e-9
    up = np.cross(along, side)
    angle = np.arange(sides) / sides * TAU
    radius = np.broadcast_to(radius, len(path))[:, None, None]
    points = path[:, None] + radius * (
        np.cos(angle)[None, :, None] * side[:, None] + np.sin(angle)[None, :, None] * up[:, None]
    )
    return _mesh_of_grid(points, True)


def wedge() -> Shape:
    points = np.array([[-0.5, 0, -0.5], [0.5, 0, -0.5], [0.5, 0, 0.5], [-0.5, 0, 0.5], [-0.5, -1, 0.5], [0.5, -1, 0.5]])
    corners = [(0, 1, 2), (0, 2, 3), (0, 4, 1), (1, 4, 5), (3, 2, 5), (3, 5, 4), (0, 3, 4), (1, 5, 2)]
    return Shape(points, np.array(corners))


def vessel(rng: np.random.Generator) -> Shape:
    """A vase, bottle, cup, bowl or figure of a board game: a smooth random profile."""
    knots = rng.integers(4, 8)
    radius = rng.uniform(0.12, 0.5, knots)
    if rng.random() < 0.4:
        radius[-2:] *= rng.uniform(0.15, 0.5)
    at = np.linspace(0, knots - 1, 22)
    smooth = np.interp(at, np.arange(knots), radius)
    smooth = np.convolve(np.pad(smooth, 2, "edge"), np.ones(5) / 5, "valid")
    y = -np.linspace(0, 1, 22)
    profile = [(0.0, 0.0), (smooth[0], 0.0), *zip(smooth, y, strict=True)]
    if rng.random() < 0.6:
        # Open at the top: the inside goes down again.
        profile += [(r * 0.86, h) for r, h in zip(smooth[::-3], y[::-3] + 0.02, strict=True)]
    else:
        profile += [(0.0, -1.0)]
    return revolved([(float(r), float(h)) for r, h in profile], 26)


def rock(rng: np.random.Generator) -> Shape:
    base = ball(26, 16)
    points = base.points * rng.uniform(0.6, 1.2, 3)
    for _ in range(6):
        wave = rng.normal(0, 2.2, 3)
        points = points * (1 + rng.uniform(0.04, 0.16) * np.sin(base.points @ wave + rng.uniform(0, TAU))[:, None])
    points *= 0.5
    return Shape(points - [0, points[:, 1].max(), 0], base.corners)


def cable(rng: np.random.Generator) -> Shape:
    """A sagging cable from (-0.5, 0, 0) to (0.5, 0, 0)."""
    x = np.linspace(-0.5, 0.5, 22)
    path = np.stack([x, rng.uniform(0.01, 0.25) * (1 - 4 * x * x), rng.uniform(-0.04, 0.04) * np.sin(x * 9)], -1)
    return tube(path, rng.uniform(0.0015, 0.005), 5)


def wire(rng: np.random.Generator) -> Shape:
    """A loose wire on a surface or a coil."""
    t = np.linspace(0, 1, 50)
    a, b = rng.uniform(3, 9, 2)
    path = np.stack([0.5 * np.sin(a * t), -0.02 - rng.uniform(0, 0.5) * t**2, 0.5 * np.cos(b * t) * t], -1)
    return tube(path, rng.uniform(0.006, 0.02), 6)


def fence(rng: np.random.Generator) -> Shape:
    """One panel, 1 m high and 2 m wide: pickets, bars, boards or a lattice."""
    parts = [box((-1, -0.25, -0.015), (1, -0.18, 0.015)), box((-1, -0.85, -0.015), (1, -0.78, 0.015))]
    kind, count = rng.integers(4), int(rng.integers(9, 28))
    for x in np.linspace(-0.97, 0.97, count):
        wide = {0: 0.035, 1: 0.008, 2: 0.9 / count, 3: 0.006}[int(kind)]
        parts.append(box((x - wide, -1, -0.01), (x + wide, 0, 0.01)))
    if kind == 3:
        parts += [box((-1, -y - 0.006, -0.01), (1, -y + 0.006, 0.01)) for y in np.linspace(0.05, 0.98, count // 2)]
    return joined(*parts)


def shelf(rng: np.random.Generator) -> Shape:
    """Boards between two sides, with or without a back."""
    wide, deep, high = rng.uniform(0.3, 0.8), rng.uniform(0.12, 0.25), rng.uniform(0.7, 2.1)
    thick, boards = rng.uniform(0.01, 0.025), int(rng.integers(2, 6))
    levels = np.linspace(0.08, high - thick, boards)
    parts = [box((-wide, -y - thick, -deep), (wide, -y, deep)) for y in levels]
    for x in (-wide, wide):
        parts.append(box((x - thick, -high, -deep), (x + thick, 0, deep)))
    if rng.random() < 0.6:
        parts.append(box((-wide, -high, deep - 0.01), (wide, 0, deep)))
    tops = tuple((float(-y - thick), -wide * 0.9, wide * 0.9, -deep * 0.8, deep * 0.7) for y in levels)
    return Shape(*joined(*parts)[:2], tops[::-1][:4])


def table(rng: np.random.Generator) -> Shape:
    wide, deep, high = rng.uniform(0.35, 1.0), rng.uniform(0.3, 0.6), rng.uniform(0.4, 0.95)
    thick, leg = rng.uniform(0.01, 0.03), rng.uniform(0.015, 0.04)
    parts = [box((-wide, -high, -deep), (wide, -high + 2 * thick, deep))]
    if rng.random() < 0.25:
        parts = [
            revolved([(0, -high + 2 * thick), (deep, -high + 2 * thick), (deep, -high), (deep, -high), (0, -high)], 36)
        ]
        parts.append(box((-leg, -high, -leg), (leg, 0, leg)))
        inside = deep * 0.68
        return Shape(*joined(*parts)[:2], ((-high, -inside, inside, -inside, inside),))
    for x in (-1, 1):
        for z in (-1, 1):
            u, v = x * wide * 0.9, z * deep * 0.9
            parts.append(box((u - leg, -high, v - leg), (u + leg, 0, v + leg)))
    return Shape(*joined(*parts)[:2], ((-high, -wide * 0.95, wide * 0.95, -deep * 0.95, deep * 0.95),))


def _leaves(rng: np.random.Generator, middle: np.ndarray, size: float) -> Shape:
    """A rhombus-shaped leaf at each point."""
    count = len(middle)
    along, across = rng.normal(0, 1, (2, count, 3))
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = np.cross(along, across)
    across /= np.linalg.norm(across, axis=1, keepdims=True) + 1e-9
    long, wide = size * rng.uniform(0.6, 1.4, (count, 1)), size * rng.uniform(0.25, 0.5, (count, 1))
    points = np.stack(
        [middle - along * long, middle - across * wide, middle + along * long, middle + across * wide], 1
    ).reshape(-1, 3)
    first = np.arange(count)[:, None] * 4
    return Shape(points, np.concatenate([first + np.array([0, 1, 2]), first + np.array([0, 2, 3])]))


def tree(rng: np.random.Generator, leaves: int) -> tuple[Shape, Shape]:
    """A trunk with branches, 1 m tall, and its leaves."""
    t = np.linspace(0, 1, 8)
    sway = rng.normal(0, 0.05, 2)
    trunk = np.stack([sway[0] * t**2, -0.75 * t, sway[1] * t**2], -1)
    parts = [tube(trunk, 0.035 * (1 - 0.75 * t), 7)]
    tips = []
    for _ in range(int(rng.integers(7, 16))):
        start = trunk[rng.integers(2, 8)]
        angle, rise = rng.uniform(0, TAU), rng.uniform(0.1, 0.35)
        reach = rng.uniform(0.12, 0.38)
        end = start + np.array([reach * np.cos(angle), -rise, reach * np.sin(angle)])
        branch = start + (end - start) * t[:, None] + rng.normal(0, 0.012, (8, 3)) * t[:, None]
        parts.append(tube(branch, 0.014 * (1 - 0.8 * t), 4))
        tips.append(branch[3:])
    around = np.concatenate(tips)
    middle = around[rng.integers(0, len(around), leaves)] + rng.normal(0, 0.055, (leaves, 3))
    return joined(*parts), _leaves(rng, middle, rng.uniform(0.018, 0.045))


def bush(rng: np.random.Generator, leaves: int) -> Shape:
    direction = rng.normal(0, 1, (leaves, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    middle = direction * rng.uniform(0.6, 1, (leaves, 1)) * [0.5, 0.42, 0.5]
    return _leaves(rng, middle - [0, 0.42, 0], rng.uniform(0.03, 0.1))


def grass(rng: np.random.Generator) -> Shape:
    """A tuft of blades, or the leaves of a plant in a pot."""
    count = int(rng.integers(30, 90))
    root = rng.normal(0, 0.12, (count, 3)) * [1, 0, 1]
    lean = rng.normal(0, 0.3, (count, 3)) * [1, 0, 1] - [0, 0.75, 0] * rng.uniform(0.6, 1.3, (count, 1))
    side = np.cross(lean, rng.normal(0, 1, (count, 3)))
    side *= rng.uniform(0.01, 0.03) / (np.linalg.norm(side, axis=1, keepdims=True) + 1e-9)
    bend = rng.normal(0, 0.1, (count, 3))
    points = np.stack(
        [root - side, root + side, root + lean * 0.6 + side * 0.7 + bend * 0.2, root + lean + bend], 1
    ).reshape(-1, 3)
    first = np.arange(count)[:, None] * 4
    return Shape(points, np.concatenate([first + np.array([0, 1, 2]), first + np.array([0, 2, 3])]))


def animal(rng: np.random.Generator) -> Shape:
    """Something on four legs, 1 m long."""
    leg, thick = rng.uniform(0.15, 0.5), rng.uniform(0.1, 0.22)
    middle = -leg - thick * 0.8
    parts = [moved(ball(18, 10), (0, middle, 0), (0.42, thick, thick * 0.9))]
    for x in (-0.3, 0.3):
        for z in (-0.55, 0.55):
            foot = np.array([x + rng.normal(0, 0.06), 0, z * thick])
            hip = np.array([x, middle, z * thick])
            t = np.linspace(0, 1, 6)[:, None]
            parts.append(tube(foot + (hip - foot) * t, rng.uniform(0.03, 0.055), 8))
    head = np.array([0.5, middle - rng.uniform(0, 0.35), 0])
    size = thick * rng.uniform(0.6, 1)
    parts.append(moved(ball(16, 10), tuple(head), (size * 1.2, size, size * 0.8)))
    neck = np.array([0.35, middle, 0])
    t = np.linspace(0, 1, 5)[:, None]
    parts.append(tube(neck + (head - neck) * t, size * 0.7, 10))
    tail = np.linspace(0, 1, 9)[:, None]
    curve = np.array([-0.38, middle, 0]) + tail * [-0.3, 0.1, 0.05] + tail**2 * [0, rng.uniform(-0.5, 0.2), 0]
    parts.append(tube(curve, 0.02, 6))
    ears = [
        moved(ball(8, 6), (float(head[0]) - 0.02, float(head[1]) - size, z * size * 0.5), size * 0.3) for z in (-1, 1)
    ]
    return joined(*parts, *ears)


def stairs(rng: np.random.Generator) -> Shape:
    steps = int(rng.integers(4, 12))
    rise, tread = rng.uniform(0.14, 0.2), rng.uniform(0.22, 0.32)
    return joined(*[box((-0.6, -(k + 1) * rise, k * tread), (0.6, 0, (k + 1) * tread + 0.01)) for k in range(steps)])


def terrain(rng: np.random.Generator) -> Shape:
    """Hills over [-0.5, 0.5]^2, flat around the middle."""
    waves = [(rng.normal(0, 9, 2), rng.uniform(0, TAU), rng.uniform(0.003, 0.02)) for _ in range(7)]

    def height(x: np.ndarray, z: np.ndarray) -> np.ndarray:
        total = sum(size * np.sin(w[0] * x + w[1] * z + phase) for w, phase, size in waves)
        far = np.clip((np.hypot(x, z) - 0.08) / 0.25, 0, 1)
        return np.maximum(total, -0.01) * far**2

    return grid(56, height)
