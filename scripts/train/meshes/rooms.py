# SPDX-License-Identifier: Apache-2.0
"""Furnished rooms, and table tops in rooms."""

from __future__ import annotations

import numpy as np

from scripts.train.meshes.looks import FLOORS, WALLS, any_look, own_look, shape_look
from scripts.train.meshes.stage import TURNED_TEXTURE, Look, Place, Stage, colour
from scripts.train.meshes.things import (
    Area,
    Points,
    litter,
    pick_furniture,
    put_cable,
    put_on_surface,
    put_person,
    put_standing,
    with_things,
)


def room(stage: Stage) -> Place:
    """A furnished room."""
    rng = stage.rng
    wide, deep, high = rng.uniform(2.6, 7.5), rng.uniform(2.6, 9), rng.uniform(2.3, 3.4)
    windows = _shell(stage, wide, deep, high)
    x, z = wide / 2, deep / 2
    targets = []
    for _ in range(int(rng.integers(5, 16))):
        found = put_against_wall(stage, wide, deep) if rng.random() < 0.7 else put_standing(stage, (-x, x, -z, z))
        targets += found
    for _ in range(int(rng.integers(0, 7))):
        _on_wall(stage, wide, deep, high)
    if rng.random() < 0.5:
        size = (rng.uniform(1, 2.5), 0.012, rng.uniform(1, 2.5))
        look = Look(texture=stage.texture("cloth", "stripes", "photo", "dots"), period=float(rng.uniform(0.3, 2)))
        stage.put(stage.mesh("box"), (rng.uniform(-x, x) / 2, 0, rng.uniform(-z, z) / 2), size, rng.uniform(0, 3), look)
    for _ in range(int(rng.integers(0, 3))):
        mesh = stage.pick("ceiling", "ceiling", "vessel")
        drop = stage.size_of(mesh)[1]
        if drop < 1.2:
            at = (rng.uniform(-x, x) * 0.7, -high + drop, rng.uniform(-z, z) * 0.7)
            stage.put(mesh, at, 1, rng.uniform(0, 6), any_look(stage, 0.9))
    for _ in range(int(rng.integers(0, 3))):
        targets += put_person(stage, (-x, x, -z, z))
    targets += litter(stage, (-x, x, -z, z), int(rng.integers(2, 18)))
    if rng.random() < 0.25:
        put_cable(
            stage,
            np.array([-x, -rng.uniform(0.5, high), rng.uniform(-z, z)]),
            np.array([x, -high * 0.9, rng.uniform(-z, z)]),
        )
    targets = targets or [(0.0, -0.8, 0.0)]
    inside = (-x + 0.25, x - 0.25, -min(high - 0.25, 2.3), -z + 0.25, z - 0.25)
    return Place(inside, np.array(targets), (0.8, 7), False, windows)


def table_top(stage: Stage) -> Place:
    """Things on a table, a desk or a shelf, seen from close by."""
    rng = stage.rng
    wide, deep, high = rng.uniform(3, 7), rng.uniform(3, 7), rng.uniform(2.4, 3.2)
    windows = _shell(stage, wide, deep, high)
    top = rng.uniform(0.55, 0.95)
    half_x, half_z = rng.uniform(0.4, 1.0), rng.uniform(0.3, 0.6)
    look = Look(
        tuple(min(2 * c, 1.2) for c in colour(rng, 0.2)) if rng.random() < 0.3 else (1.0, 1.0, 1.0),  # type: ignore[arg-type]
        stage.texture(*(("photo",) if rng.random() < 0.3 else (*FLOORS, "stripes"))),
        float(rng.uniform(0.25, 1.5)),
        mirror=float(rng.choice([0, 0, 0.03, 0.06, 0.25])),
        shine=float(rng.uniform(0, 0.5)),
    )
    thick = rng.uniform(0.015, 0.06)
    stage.put(stage.mesh("box"), (0, -top + thick, 0), (2 * half_x, thick, 2 * half_z), 0, look)
    for sx in (-0.92, 0.92):
        for sz in (-0.9, 0.9):
            stage.put(stage.mesh("box"), (sx * half_x, 0, sz * half_z), (0.05, top - thick, 0.05), 0, look)
    targets = put_on_surface(stage, (-half_x, half_x, -half_z, half_z), -top, int(rng.integers(4, 24)), None)
    if rng.random() < 0.25:
        radius = rng.uniform(0.02, 0.05)
        for _ in range(int(rng.integers(6, 20))):
            at = (rng.uniform(-half_x, half_x) * 0.9, -top, rng.uniform(-half_z, half_z) * 0.9)
            stage.put(
                stage.pick("vessel", "solid"), at, radius * rng.uniform(1, 3), rng.uniform(0, 6), shape_look(stage)
            )
    if rng.random() < 0.3:
        size = rng.uniform(0.3, 0.8)
        at = (rng.uniform(-0.3, 0.3), -top, rng.uniform(-0.2, 0.2))
        stage.put(
            stage.pick("wire"),
            at,
            size,
            rng.uniform(0, 6),
            Look(colour(rng, 0.02, 0.6), stage.texture("plaster"), 1, 0.2),
        )
    stage.taken.append((0.0, 0.0, max(half_x, half_z)))
    for _ in range(int(rng.integers(1, 7))):
        put_against_wall(stage, wide, deep)
    for _ in range(int(rng.integers(0, 5))):
        _on_wall(stage, wide, deep, high)
    if rng.random() < 0.3:
        put_person(stage, (-wide / 2, wide / 2, -deep / 2, deep / 2))
    targets = targets or [(0.0, -top, 0.0)]
    inside = (-wide / 2 + 0.2, wide / 2 - 0.2, -min(high - 0.2, top + 0.9), -deep / 2 + 0.2, deep / 2 - 0.2)
    return Place(inside, np.array(targets), (0.35, 1.6), False, windows)


def _shell(stage: Stage, wide: float, deep: float, high: float) -> bool:
    """Floor, ceiling and walls; returns whether a wall has a window."""
    rng = stage.rng
    box, thick = stage.mesh("box"), 0.12
    gloss = float(rng.choice([0, 0, 0.03, 0.06, 0.15]))
    floor = Look(
        texture=stage.texture(*(("photo",) if rng.random() < 0.3 else FLOORS)),
        period=float(rng.uniform(0.5, 2.5)),
        mirror=gloss,
        shine=gloss * 3,
        flags=TURNED_TEXTURE if rng.random() < 0.5 else 0,
    )
    stage.put(box, (0, thick, 0), (wide + 1, thick, deep + 1), 0, floor)
    pale = Look(colour(rng, 0.4, 0.95), stage.texture("plaster"), float(rng.uniform(1, 3)), float(rng.uniform(0, 0.5)))
    if rng.random() < 0.85:
        stage.put(box, (0, -high, 0), (wide + 1, thick, deep + 1), 0, pale)
    wall = pale
    if rng.random() < 0.7:
        group = ("photo",) if rng.random() < 0.25 else WALLS
        wall = Look(
            texture=stage.texture(*group), period=float(rng.uniform(0.4, 3)), contrast=float(rng.uniform(0.2, 1))
        )
    windows = False
    for side, (length, far) in enumerate(((wide, deep), (deep, wide), (wide, deep), (deep, wide))):
        yaw = side * np.pi / 2
        c, s = np.cos(yaw), np.sin(yaw)
        here = wall if rng.random() < 0.8 else pale
        half = length / 2
        spans = [(-half, half, 0.0, high)]
        if rng.random() < 0.4:
            w, h = rng.uniform(0.6, min(2.4, length * 0.8)), rng.uniform(0.8, 1.7)
            middle, sill = rng.uniform(-half + w / 2, half - w / 2), rng.uniform(0.05, max(high - h - 0.1, 0.1))
            a, b = middle - w / 2, middle + w / 2
            spans = [(-half, a, 0, high), (b, half, 0, high), (a, b, 0, sill), (a, b, sill + h, high)]
            windows = True
            frame = Look(colour(rng, 0.3, 0.95), stage.texture("plaster", "planks"), 0.5, 0.3)
            bars = [(u, u, sill, sill + h) for u in np.linspace(a, b, int(rng.integers(2, 5)))]
            bars += [(a, b, v, v) for v in np.linspace(sill, sill + h, int(rng.integers(2, 4)))]
            for u0, u1, v0, v1 in bars:
                slab(stage, (u0 - 0.02, u1 + 0.02, v0 - 0.02, v1 + 0.02), far / 2 + 0.03, 0.05, yaw, (c, s), frame)
        for span in spans:
            slab(stage, span, far / 2, thick, yaw, (c, s), here)
        if rng.random() < 0.6:
            slab(stage, (-half, half, 0, 0.09), far / 2 - 0.015, 0.02, yaw, (c, s), pale)
    return windows


def slab(stage: Stage, span: Area, far: float, thick: float, yaw: float, turn: tuple[float, float], look: Look) -> None:
    """A part of a wall: from u0 to u1 along it, v0 to v1 above the floor, whose face is `far` from the middle."""
    u0, u1, v0, v1 = span
    u, out = (u0 + u1) / 2, far + thick / 2
    c, s = turn
    at = (c * u + s * out, -v0, -s * u + c * out)
    stage.put(stage.mesh("box"), at, (max(u1 - u0, 1e-3), max(v1 - v0, 1e-3), thick), yaw, look)


def put_against_wall(stage: Stage, wide: float, deep: float) -> Points:
    """A piece of furniture with its back to a wall (the back of a mesh is at +z)."""
    rng = stage.rng
    mesh, scale = pick_furniture(stage)
    size = stage.size_of(mesh) * scale
    side = int(rng.integers(4))
    length, far = (wide, deep) if side % 2 == 0 else (deep, wide)
    if size[0] > length * 0.9 or size[2] > far * 0.6 or size[1] > 2.4:
        return []
    yaw = side * np.pi / 2
    c, s = np.cos(yaw), np.sin(yaw)
    for _ in range(4):
        u, out = rng.uniform(-1, 1) * (length - size[0]) / 2, far / 2 - size[2] / 2 - rng.uniform(0.01, 0.12)
        x, z = c * u + s * out, -s * u + c * out
        if stage.free_place((x, x, z, z), 0.45 * float(size[[0, 2]].max()), 1) is not None:
            stage.put(mesh, (x, 0, z), scale, yaw, own_look(stage, mesh))
            at = np.array([x, 0, z])
            return [(x, -size[1] * 0.6, z), *with_things(stage, mesh, at, scale, yaw, 0.7)]
    return []


def _on_wall(stage: Stage, wide: float, deep: float, high: float) -> None:
    """A picture, a mirror, a screen or a mesh that hangs on walls."""
    rng = stage.rng
    side = int(rng.integers(4))
    length, far = (wide, deep) if side % 2 == 0 else (deep, wide)
    yaw = side * np.pi / 2
    c, s = np.cos(yaw), np.sin(yaw)
    w, h = rng.uniform(0.2, 1.4), rng.uniform(0.2, 1.1)
    u = rng.uniform(-1, 1) * max(length - w, 0.1) / 2
    v = rng.uniform(0.7, max(high - h - 0.1, 0.8))
    kind = rng.random()
    if kind < 0.6:
        look = Look(
            texture=stage.texture("photo", "print", "print"), period=float(max(w, h)), shine=float(rng.uniform(0, 0.4))
        )
        frame = Look(colour(rng, 0.02, 0.8), stage.texture("planks", "plaster"), 0.5, 0.5)
        edge = rng.uniform(0, 0.05)
        if edge > 0.015:
            slab(
                stage,
                (u - w / 2 - edge, u + w / 2 + edge, v - edge, v + h + edge),
                far / 2 - 0.02,
                0.02,
                yaw,
                (c, s),
                frame,
            )
        slab(stage, (u - w / 2, u + w / 2, v, v + h), far / 2 - 0.03, 0.03, yaw, (c, s), look)
    elif kind < 0.75:
        mirror = Look((0.9, 0.9, 0.9), stage.texture("plaster"), 1, 0, mirror=-float(rng.uniform(0.7, 0.95)))
        slab(stage, (u - w / 2, u + w / 2, v, v + h), far / 2 - 0.02, 0.02, yaw, (c, s), mirror)
    else:
        mesh = stage.pick("wall")
        size = stage.size_of(mesh)
        if size[0] < length and size[1] < high:
            base = 0.0 if size[1] > 1.6 else min(v, high - size[1])
            out = far / 2 - size[2] / 2
            stage.put(mesh, (c * u + s * out, -base, -s * u + c * out), 1, yaw, any_look(stage, 0.85))
