# SPDX-License-Identifier: Apache-2.0
"""Streets, gardens and open ground, and heaps of things in random poses."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from scripts.train.meshes.looks import ANY, any_look, leaf_look
from scripts.train.meshes.stage import Look, Place, Stage, colour, tumbled
from scripts.train.meshes.things import Area, Points, litter, put_cable, put_person, put_standing


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
    targets: Points = []
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
        targets += put_plant(stage, area if rng.random() < 0.7 else close)
    for _ in range(int(rng.integers(1, 8))):
        targets += put_standing(stage, area if rng.random() < 0.5 else close, ("vehicle", "outdoor", "outdoor"))
    for _ in range(int(rng.integers(0, 7))):
        targets += put_person(stage, area if rng.random() < 0.4 else close)
    for _ in range(int(rng.integers(0, 8))):
        targets += _rock(stage, area if rng.random() < 0.5 else close)
    targets += litter(stage, close, int(rng.integers(1, 14)))
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
        put_cable(stage, *ends)
    return Place((-2 * span, 2 * span, -2.5, -2 * span, 2 * span), np.array(targets), (0.5 * span, 2.2 * span), True)


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
            put_cable(stage, first + np.array([aside, 0.25, 0]), second + np.array([aside, 0.25, 0]))


def put_plant(stage: Stage, area: Area) -> Points:
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


def _rock(stage: Stage, area: Area) -> Points:
    rng = stage.rng
    size = float(rng.uniform(0.15, 1.2))
    place = stage.free_place(area, size / 2)
    if place is None:
        return []
    look = Look(texture=stage.texture("ground", "plaster"), period=size * float(rng.uniform(0.6, 2)))
    stage.put(stage.pick("rock"), (place[0], size * 0.1, place[1]), size, rng.uniform(0, 6.28), look)
    return [(place[0], -size / 2, place[1])]
