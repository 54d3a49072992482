# SPDX-License-Identifier: Apache-2.0
"""How things look: their own materials with a tint, or another texture or colour."""

from __future__ import annotations

import numpy as np

from scripts.train.meshes.stage import Look, Stage, colour

FLOORS = ("planks", "planks", "planks", "tiles", "cloth", "ground", "plaster")
WALLS = ("plaster", "plaster", "stripes", "bricks", "planks", "dots", "tiles", "cloth")
ANY = ("photo", "plaster", "cloth", "stripes", "tiles", "bricks", "planks", "dots", "print", "ground")


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


def own_look(stage: Stage, mesh: int) -> Look:
    formula = mesh < stage.library.mesh_groups["terrain"].max() + 1
    return shape_look(stage) if formula else any_look(stage, 0.75)
