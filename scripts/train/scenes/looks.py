# SPDX-License-Identifier: Apache-2.0
"""Random colours and textures, and the words for them."""

from __future__ import annotations

import numpy as np

from scripts.train.scenes.types import CHECKS, DOTS, HILLS, NOISE, PLAIN, STRIPES, TEXTURE, TILES, WOOD

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.62, 0.06, 0.05),
    "orange": (0.75, 0.28, 0.05),
    "yellow": (0.78, 0.62, 0.08),
    "green": (0.10, 0.42, 0.09),
    "teal": (0.04, 0.36, 0.36),
    "blue": (0.06, 0.15, 0.58),
    "purple": (0.28, 0.09, 0.45),
    "pink": (0.72, 0.30, 0.42),
    "brown": (0.26, 0.13, 0.06),
    "white": (0.80, 0.80, 0.78),
    "grey": (0.30, 0.30, 0.31),
    "black": (0.03, 0.03, 0.035),
    "beige": (0.60, 0.50, 0.36),
}
"""Linear."""
KINDS = {
    PLAIN: "",
    CHECKS: "checkered",
    STRIPES: "striped",
    NOISE: "marbled",
    TILES: "tiled",
    DOTS: "dotted",
    WOOD: "wooden",
}


def texture(
    rng: np.random.Generator, period: float, kinds: tuple[int, ...] = tuple(KINDS), colour: str | None = None
) -> tuple[np.ndarray, str]:
    """A texture row (see `types.TEXTURE`) with about the given period in metres, and its words."""
    kind = int(rng.choice(kinds))
    name = colour or str(rng.choice(list(COLOURS)))
    if kind == WOOD and colour is None:
        name = str(rng.choice(["brown", "beige", "orange"]))
    first = np.clip(np.array(COLOURS[name]) * np.exp(rng.normal(0, 0.15, 3)) + rng.uniform(0, 0.02), 0.01, 0.9)
    if kind in (WOOD, NOISE):
        second = first * rng.uniform(0.35, 0.75)
    elif rng.random() < 0.5:
        second = np.array(COLOURS[str(rng.choice(list(COLOURS)))])
    else:
        second = first * 0.4 if first.mean() > 0.3 else np.minimum(first * 2.2 + 0.12, 0.85)
    row = np.zeros(len(TEXTURE))
    row[0], row[1] = kind, period * np.exp(rng.normal(0, 0.35))
    row[2:5], row[5:8] = first, second
    row[8:11] = rng.uniform(-20, 20, 3)
    row[11] = rng.integers(0, 3)
    row[12] = rng.choice([0.0, rng.uniform(0.1, 0.6)])
    row[13] = rng.choice([0.0, rng.uniform(0.05, 0.4)], p=[0.6, 0.4])
    return row, " ".join(word for word in (name, KINDS[kind]) if word)


def sky(rng: np.random.Generator, distance: float) -> tuple[list[np.ndarray], str]:
    """Rows for two walls, ceiling, and two more walls, and the word for the sky. distance: of the walls, in metres."""
    names = {
        "blue": (0.12, 0.32, 0.75),
        "grey": (0.42, 0.45, 0.5),
        "pink": (0.60, 0.33, 0.42),
        "orange": (0.7, 0.4, 0.2),
    }
    name = str(rng.choice(list(names), p=[0.5, 0.25, 0.125, 0.125]))
    above = np.array(names[name]) * rng.uniform(0.8, 1.2)
    horizon = np.clip(above * 0.4 + 0.5, 0, 0.95)
    row = np.zeros(len(TEXTURE))
    row[0], row[1] = HILLS, distance * rng.uniform(0.15, 0.4)
    row[2:5], row[5:8] = horizon, np.clip(above, 0, 0.95)
    row[8], row[10] = rng.uniform(-50, 50, 2)
    flat = row.copy()
    flat[0], flat[2:5] = PLAIN, row[5:8]
    return [row, row, flat, row, row], name
