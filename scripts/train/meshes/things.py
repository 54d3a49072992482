# SPDX-License-Identifier: Apache-2.0
"""Things on floors and on furniture: each function puts some where there is room and returns where they are."""

from __future__ import annotations

import numpy as np

from scripts.train.meshes.looks import any_look, leaf_look, own_look, shape_look
from scripts.train.meshes.stage import Look, Stage, colour, tumbled

Area = tuple[float, float, float, float]
"""x0, x1, z0, z1 on the floor."""
Points = list[tuple[float, float, float]]


def put_on_surface(stage: Stage, area: Area, y: float, count: int, frame: tuple[float, float, float] | None) -> Points:
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


def with_things(stage: Stage, mesh: int, at: np.ndarray, scale: float, yaw: float, share: float) -> Points:
    """Things on the surfaces of a piece of furniture; returns where they are."""
    rng, found = stage.rng, []
    for y, x0, x1, z0, z1 in stage.library.supports[mesh]:
        if y == 0 or rng.random() > share:
            continue
        area = (x0 * scale, x1 * scale, z0 * scale, z1 * scale)
        room_for = (x1 - x0) * (z1 - z0) * scale**2
        count = int(min(rng.integers(1, 9), 2 + 25 * room_for))
        found += put_on_surface(stage, area, at[1] + y * scale, count, (at[0], at[2], yaw))
    return found


def pick_furniture(stage: Stage) -> tuple[int, float]:
    rng = stage.rng
    mesh = stage.pick("furniture", "furniture", "furniture", "shelf", "table")
    if rng.random() < 0.2:
        mesh = stage.pick("shelf", "table")
    return mesh, float(rng.uniform(0.85, 1.2))


def put_standing(stage: Stage, area: Area, groups: tuple[str, ...] = ()) -> Points:
    """A piece of furniture, or a mesh of the groups, anywhere on the floor."""
    rng = stage.rng
    mesh, scale = (stage.pick(*groups), float(rng.uniform(0.9, 1.1))) if groups else pick_furniture(stage)
    size = stage.size_of(mesh) * scale
    radius = 0.5 * float(np.hypot(size[0], size[2])) * 0.8
    place = stage.free_place((area[0] + radius, area[1] - radius, area[2] + radius, area[3] - radius), radius)
    if place is None or size[1] > 12 or (not groups and size[1] > 2.4):
        return []
    yaw = float(rng.uniform(0, 2 * np.pi))
    stage.put(mesh, (place[0], 0, place[1]), scale, yaw, own_look(stage, mesh))
    at = np.array([place[0], 0, place[1]])
    return [(at[0], -size[1] * 0.6, at[2]), *with_things(stage, mesh, at, scale, yaw, 0.7)]


def put_person(stage: Stage, area: Area) -> Points:
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


def litter(stage: Stage, area: Area, count: int) -> Points:
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


def put_cable(stage: Stage, start: np.ndarray, end: np.ndarray) -> None:
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
