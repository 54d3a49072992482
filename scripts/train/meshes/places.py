# SPDX-License-Identifier: Apache-2.0
"""Places: rooms, table tops, outdoors and heaps of things, set at random."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from scripts.train.meshes.stage import NO_SHADOW, PLAIN, TURNED_TEXTURE, Look, Stage, colour, tumbled

Area = tuple[float, float, float, float]
FLOORS = ("planks", "planks", "planks", "tiles", "cloth", "ground", "plaster")
WALLS = ("plaster", "plaster", "stripes", "bricks", "planks", "dots", "tiles", "cloth")
ANY = ("photo", "plaster", "cloth", "stripes", "tiles", "bricks", "planks", "dots", "print", "ground")


@dataclass(frozen=True)
class Place:
    """What a camera and a light need to know of a place.

    inside: x0, x1, top (y < 0), z0, z1 where cameras may stand. targets: N x 3, points worth looking at. near: metres
    at which a camera looks at a target, lowest and highest. outdoors: lit by sky and sun. open_side: has windows.
    """

    inside: tuple[float, float, float, float, float]
    targets: np.ndarray
    near: tuple[float, float]
    outdoors: bool
    windows: bool = False


def any_look(stage: Stage, keep: float = 0.5) -> Look:
    """A look for a thing: its mesh's own with a tint, or another texture or colour."""
    rng = stage.rng
    gloss = rng.random()
    mirror = float(rng.uniform(0.02, 0.12)) if gloss < 0.25 else (float(rng.uniform(0.3, 0.8)) if gloss < 0.3 else 0.0)
    shine = float(rng.uniform(0, 0.8)) if rng.random() < 0.5 else 0.0
    if rng.random() < keep:
        tint = tuple(np.clip(rng.normal(1, 0.12) * rng.normal(1, 0.06, 3), 0.3, 1.6).tolist())
        return Look(tint, mirror=mirror, shine=shine)  # type: ignore[arg-type]
    if rng.random() < 0.35:
        return Look(colour(rng), stage.texture("plaster"), 0.6, float(rng.uniform(0, 0.5)), mirror, shine)
    tint = (1.0, 1.0, 1.0) if rng.random() < 0.6 else tuple(min(3 * c, 1.5) for c in colour(rng, 0.1))
    return Look(tint, stage.texture(*ANY), float(rng.uniform(0.08, 1.0)), 1.0, mirror, shine)  # type: ignore[arg-type]


def shape_look(stage: Stage) -> Look:
    """A look for a shape made by formula, which has no materials of its own."""
    return any_look(stage, 0.0)


def leaf_look(stage: Stage) -> Look:
    rng = stage.rng
    tint = np.clip(np.array([0.12, 0.25, 0.05]) * rng.uniform(0.5, 1.8) * np.exp(rng.normal(0, 0.25, 3)), 0.01, 0.9)
    red, green, blue = tint.tolist()
    return Look((red, green, blue), stage.texture("ground", "plaster"), 0.5, float(rng.uniform(0, 0.6)))


def room(stage: Stage) -> Place:
    """A furnished room."""
    rng = stage.rng
    wide, deep, high = rng.uniform(2.6, 7.5), rng.uniform(2.6, 9), rng.uniform(2.3, 3.4)
    windows = _shell(stage, wide, deep, high)
    x, z = wide / 2, deep / 2
    targets = []
    for _ in range(int(rng.integers(5, 16))):
        found = _against_wall(stage, wide, deep) if rng.random() < 0.7 else _standing(stage, (-x, x, -z, z))
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
        targets += _person(stage, (-x, x, -z, z))
    targets += _littered(stage, (-x, x, -z, z), int(rng.integers(2, 18)))
    if rng.random() < 0.25:
        _line(
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
    targets = _on_surface(stage, (-half_x, half_x, -half_z, half_z), -top, int(rng.integers(4, 24)), None)
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
        _against_wall(stage, wide, deep)
    for _ in range(int(rng.integers(0, 5))):
        _on_wall(stage, wide, deep, high)
    if rng.random() < 0.3:
        _person(stage, (-wide / 2, wide / 2, -deep / 2, deep / 2))
    targets = targets or [(0.0, -top, 0.0)]
    inside = (-wide / 2 + 0.2, wide / 2 - 0.2, -min(high - 0.2, top + 0.9), -deep / 2 + 0.2, deep / 2 - 0.2)
    return Place(inside, np.array(targets), (0.35, 1.6), False, windows)


def outdoors(stage: Stage) -> Place:
    """A street, a garden or open ground under a sky."""
    rng = stage.rng
    reach = rng.uniform(8, 45)
    ground = Look(
        texture=stage.texture(*(("photo",) if rng.random() < 0.1 else ("ground", "ground", "bricks", "tiles"))),
        period=float(rng.uniform(0.6, 5)),
        contrast=float(rng.uniform(0.5, 1)),
        mirror=float(rng.choice([0, 0, 0, 0.04])),
    )
    if rng.random() < 0.6:
        side = rng.uniform(160, 400)
        stage.put(
            stage.pick("terrain"), (0, 0, 0), (side, side * rng.uniform(0.3, 1.5), side), rng.uniform(0, 6), ground
        )
    else:
        stage.put(stage.mesh("quad"), (0, 0, 0), 1500, 0, ground)
    targets: list[tuple[float, float, float]] = []
    street = rng.random() < 0.45
    if street:
        _houses(stage, reach)
    if rng.random() < 0.4:
        _fence(stage, reach)
    if rng.random() < 0.4:
        _poles(stage, reach)
    area = (-reach * 0.6, reach * 0.6, -reach * 0.6, reach)
    close = (-5.0, 5.0, -5.0, 5.0)
    for _ in range(int(rng.integers(2, 20))):
        targets += _plant(stage, area if rng.random() < 0.7 else close)
    for _ in range(int(rng.integers(1, 8))):
        targets += _standing(stage, area if rng.random() < 0.5 else close, ("vehicle", "outdoor", "outdoor"))
    for _ in range(int(rng.integers(0, 7))):
        targets += _person(stage, area if rng.random() < 0.4 else close)
    for _ in range(int(rng.integers(0, 8))):
        targets += _rock(stage, area if rng.random() < 0.5 else close)
    targets += _littered(stage, close, int(rng.integers(1, 14)))
    targets = targets or [(0.0, -0.3, 3.0)]
    return Place((-reach * 0.5, reach * 0.5, -2.5, -reach * 0.5, reach * 0.5), np.array(targets), (0.8, 12), True)


def heap(stage: Stage) -> Place:
    """Many things in random poses, on a floor or in the air: nothing here is where it belongs."""
    rng = stage.rng
    span = rng.uniform(1.0, 5)
    if rng.random() < 0.6:
        look = Look(texture=stage.texture(*ANY), period=float(rng.uniform(0.2, 2)))
        stage.put(stage.mesh("quad"), (0, 0, 0), 60, 0, look)
    if rng.random() < 0.6:
        look = Look(texture=stage.texture(*ANY), period=float(rng.uniform(0.5, 4)))
        for yaw in rng.uniform(0, 6.28, int(rng.integers(1, 4))):
            far = rng.uniform(1.2, 3) * span
            at = (far * np.sin(yaw), 0.5, far * np.cos(yaw))
            stage.put(stage.mesh("box"), at, (20, 12, 0.1), yaw, look)
    targets = []
    for _ in range(int(rng.integers(10, 50))):
        mesh = stage.pick(
            "furniture", "small", "outdoor", "solid", "box", "vessel", "rock", "animal", "shelf", "person"
        )
        size = stage.size_of(mesh)
        scale = span * rng.uniform(0.1, 0.4) / max(size.max(), 1e-3)
        at = np.array([*rng.uniform(-span, span, 3)]) * [1, 0.45, 1] - [0, span * 0.45, 0]
        stage.put(mesh, at, scale, 0, any_look(stage, 0.5), tumbled(rng))
        targets.append(tuple(at))
    for _ in range(int(rng.integers(0, 6))):
        ends = rng.uniform(-span, span, (2, 3)) * [1, 0.5, 1] - [0, span * 0.5, 0]
        _line(stage, *ends)
    return Place((-2 * span, 2 * span, -2.5, -2 * span, 2 * span), np.array(targets), (0.5 * span, 2.2 * span), True)


PLACES: dict[str, tuple[Callable[[Stage], Place], float]] = {
    "room": (room, 0.4),
    "table": (table_top, 0.24),
    "outdoors": (outdoors, 0.26),
    "heap": (heap, 0.1),
}
"""Places by name, with their shares."""


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
                _slab(stage, (u0 - 0.02, u1 + 0.02, v0 - 0.02, v1 + 0.02), far / 2 + 0.03, 0.05, yaw, (c, s), frame)
        for span in spans:
            _slab(stage, span, far / 2, thick, yaw, (c, s), here)
        if rng.random() < 0.6:
            _slab(stage, (-half, half, 0, 0.09), far / 2 - 0.015, 0.02, yaw, (c, s), pale)
    return windows


def _slab(
    stage: Stage, span: Area, far: float, thick: float, yaw: float, turn: tuple[float, float], look: Look
) -> None:
    """A part of a wall: from u0 to u1 along it, v0 to v1 above the floor, whose face is `far` from the middle."""
    u0, u1, v0, v1 = span
    u, out = (u0 + u1) / 2, far + thick / 2
    c, s = turn
    at = (c * u + s * out, -v0, -s * u + c * out)
    stage.put(stage.mesh("box"), at, (max(u1 - u0, 1e-3), max(v1 - v0, 1e-3), thick), yaw, look)


def _with_things(stage: Stage, mesh: int, at: np.ndarray, scale: float, yaw: float, share: float) -> list:
    """Things on the surfaces of a piece of furniture; returns where they are."""
    rng, found = stage.rng, []
    for y, x0, x1, z0, z1 in stage.library.supports[mesh]:
        if y == 0 or rng.random() > share:
            continue
        area = (x0 * scale, x1 * scale, z0 * scale, z1 * scale)
        room_for = (x1 - x0) * (z1 - z0) * scale**2
        count = int(min(rng.integers(1, 9), 2 + 25 * room_for))
        found += _on_surface(stage, area, at[1] + y * scale, count, (at[0], at[2], yaw))
    return found


def _on_surface(
    stage: Stage, area: Area, y: float, count: int, frame: tuple[float, float, float] | None
) -> list[tuple[float, float, float]]:
    """Small things on a surface at height y. frame: x, z and yaw of the surface's own axes."""
    rng, found = stage.rng, []
    outer, stage.taken = stage.taken, []
    px, pz, yaw = frame or (0.0, 0.0, 0.0)
    c, s = np.cos(yaw), np.sin(yaw)
    limit = min(area[1] - area[0], area[3] - area[2])
    for _ in range(count):
        kind = rng.random()
        if kind < 0.6:
            mesh = stage.pick("small")
            scale, look = rng.uniform(0.8, 1.25), any_look(stage, 0.75)
        elif kind < 0.8:
            mesh = stage.pick("vessel", "solid", "rock")
            scale, look = rng.uniform(0.05, 0.28), shape_look(stage)
        elif kind < 0.93:
            mesh = stage.mesh("box")
            scale, look = rng.uniform(0.02, 0.3, 3), shape_look(stage)
        else:
            mesh = stage.pick("grass", "bush")
            scale, look = rng.uniform(0.15, 0.4), leaf_look(stage)
        size = stage.size_of(mesh) * scale
        if max(size[0], size[2]) > 0.95 * limit + 0.1 or size[1] > 0.7:
            continue
        radius = 0.5 * float(np.hypot(size[0], size[2])) * 0.8
        place = stage.free_place(
            (area[0] + radius / 2, area[1] - radius / 2, area[2] + radius / 2, area[3] - radius / 2), radius
        )
        if place is None:
            continue
        x, z = px + c * place[0] + s * place[1], pz - s * place[0] + c * place[1]
        stage.put(mesh, (x, y, z), scale, rng.uniform(0, 2 * np.pi), look)
        found.append((float(x), float(y - size[1] / 2), float(z)))
    stage.taken = outer
    return found


def _furniture(stage: Stage) -> tuple[int, float]:
    rng = stage.rng
    mesh = stage.pick("furniture", "furniture", "furniture", "shelf", "table")
    if rng.random() < 0.2:
        mesh = stage.pick("shelf", "table")
    return mesh, float(rng.uniform(0.85, 1.2))


def _own(stage: Stage, mesh: int) -> Look:
    formula = mesh < stage.library.mesh_groups["terrain"].max() + 1
    return shape_look(stage) if formula else any_look(stage, 0.75)


def _against_wall(stage: Stage, wide: float, deep: float) -> list:
    """A piece of furniture with its back to a wall (the back of a mesh is at +z)."""
    rng = stage.rng
    mesh, scale = _furniture(stage)
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
            stage.put(mesh, (x, 0, z), scale, yaw, _own(stage, mesh))
            at = np.array([x, 0, z])
            return [(x, -size[1] * 0.6, z), *_with_things(stage, mesh, at, scale, yaw, 0.7)]
    return []


def _standing(stage: Stage, area: Area, groups: tuple[str, ...] = ()) -> list:
    """A piece of furniture, or a mesh of the groups, anywhere on the floor."""
    rng = stage.rng
    mesh, scale = (stage.pick(*groups), float(rng.uniform(0.9, 1.1))) if groups else _furniture(stage)
    size = stage.size_of(mesh) * scale
    radius = 0.5 * float(np.hypot(size[0], size[2])) * 0.8
    place = stage.free_place((area[0] + radius, area[1] - radius, area[2] + radius, area[3] - radius), radius)
    if place is None or size[1] > 12 or (not groups and size[1] > 2.4):
        return []
    yaw = float(rng.uniform(0, 2 * np.pi))
    stage.put(mesh, (place[0], 0, place[1]), scale, yaw, _own(stage, mesh))
    at = np.array([place[0], 0, place[1]])
    return [(at[0], -size[1] * 0.6, at[2]), *_with_things(stage, mesh, at, scale, yaw, 0.7)]


def _person(stage: Stage, area: Area) -> list:
    rng = stage.rng
    mesh = (
        stage.pick("person", "person", "person", "animal")
        if "person" in stage.library.mesh_groups
        else stage.pick("animal")
    )
    scale = float(rng.uniform(0.85, 1.1))
    place = stage.free_place(area, 0.35)
    if place is None:
        return []
    look = shape_look(stage) if mesh in stage.library.mesh_groups["animal"] else any_look(stage, 0.85)
    stage.put(mesh, (place[0], 0, place[1]), scale, rng.uniform(0, 2 * np.pi), look)
    return [(place[0], -float(stage.size_of(mesh)[1]) * scale * 0.75, place[1])] * 2


def _littered(stage: Stage, area: Area, count: int) -> list:
    """Things on the floor, some of them fallen over."""
    rng, found = stage.rng, []
    for _ in range(count):
        formula = rng.random() < 0.4
        mesh = stage.pick("vessel", "solid", "rock", "box", "animal") if formula else stage.pick("small")
        scale = rng.uniform(0.08, 0.6) if formula else rng.uniform(0.9, 1.4)
        size = stage.size_of(mesh) * scale
        place = stage.free_place(area, 0.5 * float(size.max()))
        if place is None:
            continue
        look = shape_look(stage) if formula else any_look(stage, 0.75)
        turn, lift = None, 0.0
        if rng.random() < 0.25:
            turn = tumbled(rng)
            low, high = stage.library.mesh_boxes[mesh].reshape(2, 3) * scale
            ends = np.array(
                [[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])]
            )
            lift = -float((ends @ turn.T)[:, 1].max()) * 0.9
        stage.put(mesh, (place[0], lift, place[1]), scale, rng.uniform(0, 2 * np.pi), look, turn)
        found.append((place[0], -size[1] / 2, place[1]))
    return found


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
            _slab(
                stage,
                (u - w / 2 - edge, u + w / 2 + edge, v - edge, v + h + edge),
                far / 2 - 0.02,
                0.02,
                yaw,
                (c, s),
                frame,
            )
        _slab(stage, (u - w / 2, u + w / 2, v, v + h), far / 2 - 0.03, 0.03, yaw, (c, s), look)
    elif kind < 0.75:
        mirror = Look((0.9, 0.9, 0.9), stage.texture("plaster"), 1, 0, mirror=-float(rng.uniform(0.7, 0.95)))
        _slab(stage, (u - w / 2, u + w / 2, v, v + h), far / 2 - 0.02, 0.02, yaw, (c, s), mirror)
    else:
        mesh = stage.pick("wall")
        size = stage.size_of(mesh)
        if size[0] < length and size[1] < high:
            base = 0.0 if size[1] > 1.6 else min(v, high - size[1])
            out = far / 2 - size[2] / 2
            stage.put(mesh, (c * u + s * out, -base, -s * u + c * out), 1, yaw, any_look(stage, 0.85))


def _line(stage: Stage, start: np.ndarray, end: np.ndarray) -> None:
    """A cable between two points."""
    along = end - start
    length = float(np.linalg.norm(along))
    x = along / (length + 1e-9)
    z = np.cross(x, [0, 1, 0])
    z /= np.linalg.norm(z) + 1e-9
    turn = np.stack([x, np.cross(z, x), z], -1)
    rng = stage.rng
    thick = min(max(length, 1.0), 6.0)
    look = Look(colour(rng, 0.01, 0.5), stage.texture("plaster"), 1, 0.1)
    stage.put(stage.pick("cable"), (start + end) / 2, (length, thick, thick), 0, look, turn)


def _houses(stage: Stage, reach: float) -> None:
    """Rows of houses to the left and right, at times across the end."""
    rng, box = stage.rng, stage.mesh("box")
    aside = rng.uniform(4, 14)
    for side in (-1, 1):
        if rng.random() < 0.25:
            continue
        z = -reach
        while z < reach * 2:
            wide, deep, high = rng.uniform(5, 14), rng.uniform(6, 12), rng.uniform(3, 16)
            look = Look(texture=stage.texture("front", "front", "bricks"), period=float(rng.uniform(8, 14)))
            x = side * (aside + rng.uniform(0, 2) + deep / 2)
            stage.put(box, (x, 0, z + wide / 2), (deep, high, wide), 0, look)
            stage.taken.append((x, z + wide / 2, max(wide, deep) * 0.6))
            if rng.random() < 0.5:
                roof = Look(colour(rng, 0.03, 0.4), stage.texture("bricks", "tiles"), float(rng.uniform(0.8, 3)))
                stage.put(
                    stage.mesh("solid", 5), (x, -high, z + wide / 2), (deep * 1.05, rng.uniform(1, 4), wide), 0, roof
                )
            z += wide + (rng.uniform(0, 6) if rng.random() < 0.4 else 0)
    if rng.random() < 0.5:
        kerb = Look(texture=stage.texture("ground", "tiles", "bricks"), period=float(rng.uniform(0.5, 3)))
        for side in (-1, 1):
            stage.put(box, (side * aside * 0.85, 0, 0), (aside * 0.3, 0.14, reach * 6), 0, kerb)


def _fence(stage: Stage, reach: float) -> None:
    rng = stage.rng
    mesh, high = stage.pick("fence"), rng.uniform(0.8, 1.8)
    at, yaw = np.array([rng.uniform(-4, 4), 0, rng.uniform(-4, 6)]), rng.uniform(0, np.pi)
    along = np.array([np.cos(yaw), 0, -np.sin(yaw)])
    look = Look(colour(rng, 0.03, 0.9), stage.texture("planks", "plaster"), 0.7, 0.5)
    for k in range(-4, 5):
        stage.put(mesh, at + along * 2 * k, (1, high, 1), yaw, look)


def _poles(stage: Stage, reach: float) -> None:
    """Poles in a row with cables between them."""
    rng = stage.rng
    x, high, gap, thin = rng.uniform(-6, 6), rng.uniform(3, 8), rng.uniform(5, 18), rng.uniform(0.05, 0.25)
    look = Look(colour(rng, 0.05, 0.6), stage.texture("planks", "plaster"), 0.7, 0.5)
    tops = [np.array([x + rng.normal(0, 0.2), -high, z]) for z in np.arange(-2, 4) * gap]
    for top in tops:
        stage.put(stage.mesh("pole"), top * [1, 0, 1], (thin, high, thin), 0, look)
        stage.put(stage.mesh("box"), top + np.array([0, 0.3, 0]), (1.2, 0.08, 0.08), 0, look)
    for first, second in pairwise(tops):
        for aside in (-0.5, 0.0, 0.5):
            _line(stage, first + np.array([aside, 0.25, 0]), second + np.array([aside, 0.25, 0]))


def _plant(stage: Stage, area: Area) -> list:
    rng = stage.rng
    kind = rng.random()
    group, high, radius = ("tree", rng.uniform(2, 8), 0.6) if kind < 0.5 else ("bush", rng.uniform(0.4, 2), 0.5)
    if kind > 0.8:
        group, high, radius = "grass", rng.uniform(0.2, 0.8), 0.2
    place = stage.free_place(area, radius)
    if place is None:
        return []
    scale = np.array([high, high * rng.uniform(0.8, 1.2), high])
    at, yaw = (place[0], 0, place[1]), rng.uniform(0, 6.28)
    if group == "tree":
        which = int(rng.integers(len(stage.library.mesh_groups["trunk"])))
        bark = np.array([0.16, 0.1, 0.06]) * rng.uniform(0.5, 2.5)
        look = Look((float(bark[0]), float(bark[1]), float(bark[2])), stage.texture("ground", "planks"), 0.4)
        stage.put(stage.mesh("trunk", which), at, scale, yaw, look)
        if rng.random() < 0.8:
            stage.put(stage.mesh("crown", which), at, scale, yaw, leaf_look(stage))
    else:
        stage.put(stage.pick(group), at, scale, yaw, leaf_look(stage))
    return [(place[0], -high * 0.4, place[1])]


def _rock(stage: Stage, area: Area) -> list:
    rng = stage.rng
    size = float(rng.uniform(0.15, 1.2))
    place = stage.free_place(area, size / 2)
    if place is None:
        return []
    look = Look(texture=stage.texture("ground", "plaster"), period=size * float(rng.uniform(0.6, 2)))
    stage.put(stage.pick("rock"), (place[0], size * 0.1, place[1]), size, rng.uniform(0, 6.28), look)
    return [(place[0], -size / 2, place[1])]


__all__ = ["NO_SHADOW", "PLACES", "PLAIN", "Place", "heap", "outdoors", "room", "table_top"]
