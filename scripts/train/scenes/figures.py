# SPDX-License-Identifier: Apache-2.0
"""Things made of several solids, on the floor, with joints that swing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scripts.train.scenes.types import BOX, CONE, CYLINDER, SPHERE


@dataclass(frozen=True)
class Part:
    """One solid of a thing. centre: metres in the thing's own axes (origin on the floor, y down, z its back).

    half: half sizes in metres. colour: which of the thing's textures. pivot, swing: a joint about the thing's x axis at
    `pivot` that swings by `swing` radians while the thing moves; wheel: turns about x as the thing rolls on.
    """

    kind: int
    centre: tuple[float, float, float]
    half: tuple[float, float, float]
    colour: int = 0
    pivot: tuple[float, float, float] = (0.0, 0.0, 0.0)
    swing: float = 0.0
    wheel: bool = False
    minor: float = 0.3


def person(rng: np.random.Generator) -> list[Part]:
    tall = rng.uniform(0.7, 1.7)
    wide = tall * rng.uniform(0.10, 0.14)
    legs, body, head = 0.46 * tall, 0.36 * tall, 0.09 * tall
    thin = wide * rng.uniform(0.33, 0.45)
    torso = int(rng.choice([BOX, CYLINDER, SPHERE]))
    shoulder, hip = -(legs + body * 0.95), -legs
    stride = rng.uniform(0.45, 0.7)
    parts = [
        Part(torso, (0, -(legs + body / 2), 0), (wide, body * (0.62 if torso == SPHERE else 0.5), wide * 0.65)),
        Part(SPHERE, (0, -(legs + body + head * 1.1), 0), (head * 0.85, head, head * 0.85), 1),
    ]
    for side, sign in ((-1, 1), (1, -1)):
        leg, arm = (side * wide * 0.5, 0.0, 0.0), (side * (wide + thin), 0.0, 0.0)
        parts.append(Part(CYLINDER, (leg[0], hip / 2, 0), (thin, legs / 2, thin), 2, (leg[0], hip, 0), sign * stride))
        reach = body * 0.5
        parts.append(
            Part(
                CYLINDER,
                (arm[0], shoulder + reach, 0),
                (thin * 0.8, reach, thin * 0.8),
                0,
                (arm[0], shoulder, 0),
                -sign * stride,
            )
        )
    return parts


def table(rng: np.random.Generator) -> list[Part]:
    high, wide, deep = rng.uniform(0.4, 0.8), rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.6)
    thick, leg = rng.uniform(0.02, 0.05), rng.uniform(0.025, 0.05)
    kind = int(rng.choice([BOX, CYLINDER]))
    inset = 0.6 if kind == CYLINDER else 0.9
    parts = [Part(kind, (0, -high, 0), (wide, thick, deep))]
    for x in (-1, 1):
        for z in (-1, 1):
            parts.append(Part(CYLINDER, (x * wide * inset, -high / 2, z * deep * inset), (leg, high / 2, leg), 1))
    return parts


def tree(rng: np.random.Generator) -> list[Part]:
    high, wide = rng.uniform(0.5, 1.2), rng.uniform(0.04, 0.09)
    parts = [Part(CYLINDER, (0, -high / 2, 0), (wide, high / 2, wide), 1)]
    if rng.random() < 0.5:
        for step in range(3):
            crown = (0.5 - 0.12 * step) * high
            parts.append(Part(CONE, (0, -high * (0.75 + 0.38 * step), 0), (crown, 0.3 * high, crown)))
    else:
        for _ in range(4):
            x, y, z = rng.uniform(-0.25, 0.25, 3) * high
            crown = rng.uniform(0.22, 0.4) * high
            parts.append(Part(SPHERE, (x, y - 1.15 * high, z), (crown, crown * 0.85, crown)))
    return parts


def car(rng: np.random.Generator) -> list[Part]:
    long, wide, high = rng.uniform(0.4, 0.8), rng.uniform(0.2, 0.35), rng.uniform(0.1, 0.18)
    wheel = high * 0.9
    parts = [
        Part(BOX, (0, -(wheel + high), 0), (wide, high, long)),
        Part(BOX, (0, -(wheel + 2.7 * high), 0.1 * long), (wide * 0.85, 0.75 * high, long * 0.5), 1),
    ]
    for x in (-1, 1):
        for z in (-1, 1):
            # A wheel is a flattened ball, which turns about its short axis.
            where = (x * wide, -wheel, z * long * 0.6)
            parts.append(Part(SPHERE, where, (0.06, wheel, wheel), 2, where, wheel=True))
    return parts


def snowman(rng: np.random.Generator) -> list[Part]:
    size = rng.uniform(0.18, 0.35)
    parts, floor = [], 0.0
    for share in (1.0, 0.75, 0.5):
        parts.append(Part(SPHERE, (0, floor - share * size, 0), (share * size, share * size, share * size)))
        floor -= 1.7 * share * size
    parts.append(Part(CONE, (0, floor - 0.35 * size, 0), (0.3 * size, 0.35 * size, 0.3 * size), 1))
    return parts


FIGURES: dict[str, Callable[[np.random.Generator], list[Part]]] = {
    "person": person,
    "table": table,
    "tree": tree,
    "car": car,
    "snowman": snowman,
}
ROLLING = ("car",)
WALKING = ("person",)
ROOTED = ("table", "tree")
"""Figures that never move."""
