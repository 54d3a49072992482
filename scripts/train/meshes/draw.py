# SPDX-License-Identifier: Apache-2.0
"""A random scene: a place, its light, and a camera that sees something."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scripts.train.meshes.assets import Library
from scripts.train.meshes.caster import VIEW, Built, Prober
from scripts.train.meshes.places import PLACES
from scripts.train.meshes.stage import Place, Stage, colour

TRIES = 10
ENOUGH = 8
"""Instances that a good view shows on its 18 x 12 rays."""
BLURRED = 0.2
"""Share of scenes whose camera or things move during the exposure."""
BLUR_SAMPLES = 5


@dataclass(frozen=True)
class Drawn:
    """One scene.

    view: VIEW numbers as in light.h, whose lens and pose are still to be set. across: horizontal field of view in
    radians. pose: world_from_camera, 4 x 4. shift, turn: from one frame to the next, metres and a rotation vector, in
    the first camera's axes. exposure: brightness to which a picture is brought, and contrast of the tone curve.
    """

    built: Built
    view: np.ndarray
    across: float
    pose: np.ndarray
    shift: np.ndarray
    turn: np.ndarray
    exposure: float
    kind: str


def draw(library: Library, prober: Prober, rng: np.random.Generator, kind: str | None = None) -> Drawn:
    """A random scene, of one kind of PLACES if given."""
    if kind is None:
        kind = str(rng.choice(list(PLACES), p=[share for _, share in PLACES.values()]))
    stage = Stage(library, rng)
    place = PLACES[kind][0](stage)
    view = np.zeros(VIEW, np.float32)
    _light(stage, place, view)
    blurred = rng.random() < BLURRED
    built = stage.built(float(rng.uniform(0.005, 0.06)) if blurred and rng.random() < 0.5 else 0.0)
    across = float(np.radians(rng.uniform(35, 90)))
    pose, depth = _camera(prober, built, place, across, rng)
    shift, turn = _step(prober, built, pose, across, depth, rng)
    view[44], view[45] = BLUR_SAMPLES if blurred else 0, rng.random()
    if blurred:
        view[16:19] = rng.normal(0, 0.006, 3) * depth * rng.random()
        view[19:22] = rng.normal(0, 0.01, 3) * rng.random()
    return Drawn(built, view, across, pose, shift, turn, float(np.exp(rng.normal(-0.1, 0.25))), kind)


def _light(stage: Stage, place: Place, view: np.ndarray) -> None:
    """A sky, and a sun or a lamp: see the rows of views in light.h."""
    rng, library = stage.rng, stage.library
    group = "outdoor" if place.outdoors or place.windows else "room"
    if group not in library.sky_groups or rng.random() < 0.1:
        group = "outdoor"
    sky = int(rng.choice(library.sky_groups[group]))
    yaw = float(rng.uniform(0, 2 * np.pi))
    view[34], view[35] = sky, yaw
    warm = np.exp(rng.normal(0, 0.12) * np.array([1, 0, -1]))
    if place.outdoors:
        view[36:39] = np.exp(rng.normal(0, 0.1, 3))
        view[33] = 1
        _sun(library, rng, view, sky, yaw, float(rng.uniform(0.5, 3.5)) if rng.random() < 0.75 else 0.02)
        view[39] = rng.uniform(0.6, 2.5)
        if rng.random() < 0.3:
            view[40], view[41:44] = np.exp(rng.uniform(np.log(0.002), np.log(0.03))), rng.uniform(0.6, 1.1) * np.ones(3)
        return
    # Rooms: what the sky gives is weak inside, and the view out of a window is bright.
    view[36:39] = rng.uniform(0.6, 2.5)
    view[33] = rng.uniform(0, 0.2)
    view[30:33] = rng.uniform(0.12, 0.45) * warm
    view[39] = rng.uniform(0.35, 1.0)
    if place.windows and rng.random() < 0.4:
        _sun(library, rng, view, sky, yaw, float(rng.uniform(1.5, 5)))
        return
    x0, x1, top, z0, z1 = place.inside
    view[22:25] = rng.uniform(x0, x1) * 0.7, top * rng.uniform(0.9, 1.05), rng.uniform(z0, z1) * 0.7
    tint = warm * np.exp(rng.normal(0.15, 0.15) * np.array([1, 0.1, -1]))
    view[25:28] = rng.uniform(0.25, 1.1) * tint
    view[28], view[29] = rng.choice([0.02, 0.1, 0.25, 0.5]), 1
    if rng.random() < 0.1:
        view[25:28] *= np.array(colour(rng, 0.2)) * 2


def _sun(library: Library, rng: np.random.Generator, view: np.ndarray, sky: int, yaw: float, strength: float) -> None:
    towards, light = library.suns[sky, :3], library.suns[sky, 3:]
    if towards[1] > -0.12 or light.max() <= 0:
        high, around = rng.uniform(0.2, 1.2), rng.uniform(0, 2 * np.pi)
        towards = np.array([np.cos(high) * np.sin(around), -np.sin(high), np.cos(high) * np.cos(around)])
        light = np.array([1, 0.95, 0.88])
    c, s = np.cos(yaw), np.sin(yaw)
    view[22:25] = c * towards[0] - s * towards[2], towards[1], s * towards[0] + c * towards[2]
    view[25:28] = strength * light / max(light.max(), 1e-6)
    view[28], view[29] = rng.choice([0.005, 0.01, 0.05, 0.12]), 0


def looking(at: np.ndarray, target: np.ndarray, roll: float) -> np.ndarray:
    """world_from_camera of a camera at a point that looks at another: x right, y down, z forward."""
    z = target - at
    z = z / (np.linalg.norm(z) + 1e-9)
    x = np.cross([0.0, 1.0, 0.0], z)
    x /= np.linalg.norm(x) + 1e-9
    y = np.cross(z, x)
    c, s = np.cos(roll), np.sin(roll)
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 1], pose[:3, 2], pose[:3, 3] = c * x + s * y, c * y - s * x, z, at
    return pose


def _rays(across: float) -> np.ndarray:
    """Directions of 18 x 12 rays over a picture, with z = 1."""
    x, y = np.meshgrid((np.arange(18) + 0.5) / 9 - 1, ((np.arange(12) + 0.5) / 6 - 1) * 2 / 3)
    return np.stack([x * np.tan(across / 2), y * np.tan(across / 2), np.ones_like(x)], -1).reshape(-1, 3)


def _camera(
    prober: Prober, built: Built, place: Place, across: float, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """A pose from which things at several depths are seen, none of them in the lens, and the median depth."""
    x0, x1, top, z0, z1 = place.inside
    rays = _rays(across)
    best, best_score, best_depth = np.eye(4), -np.inf, 1.0
    for _ in range(TRIES):
        target = place.targets[rng.integers(len(place.targets))] + rng.normal(0, 0.15, 3)
        far = np.exp(rng.uniform(*np.log(place.near)))
        around, above = rng.uniform(0, 2 * np.pi), rng.uniform(-0.15, 0.75)
        at = target + far * np.array([np.sin(around) * np.cos(above), -np.sin(above), np.cos(around) * np.cos(above)])
        at = np.clip(at, [x0, top, z0], [x1, -0.3, z1])
        if place.near[0] >= 0.8 and rng.random() < 0.6:
            at[1] = -rng.uniform(0.5, min(2.2, -top))
        pose = looking(at, target + rng.normal(0, 0.12, 3) * far, rng.normal(0, 0.05))
        score, middle = _score(*prober(built, at, rays @ pose[:3, :3].T))
        if score > best_score:
            best, best_score, best_depth = pose, score, middle
        if score > 0:
            break
    return best, best_depth


def _score(depth: np.ndarray, ids: np.ndarray) -> tuple[float, float]:
    """Above 0 for a view that is worth having; and its median depth."""
    seen = depth[depth > 0]
    if len(seen) < 0.35 * len(depth):
        return -10 + len(seen) / len(depth), 10.0
    middle, spread = float(np.median(seen)), float(np.log(seen).std())
    near = float((seen < 0.22).mean())
    things = np.bincount(ids[ids >= 0])
    score = min(spread - 0.13, 0.3) - 4 * max(near - 0.01, 0) - 2 * max(float((seen < 0.4).mean()) - 0.4, 0)
    score += 0.06 * (min(int((things > 0).sum()), ENOUGH) - ENOUGH) - max(things.max() / len(depth) - 0.55, 0)
    return score - (1 if middle < 0.3 else 0), middle


def _step(
    prober: Prober, built: Built, pose: np.ndarray, across: float, depth: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The way to the next frame: up to 15 % of the median depth, up to 20 degrees; shorter where something is near."""
    direction = rng.normal(0, 1, 3) * [1, 0.5, 0.7]
    shift = direction / np.linalg.norm(direction) * depth * 0.15 * rng.random()
    axis = rng.normal(0, 1, 3) * [0.6, 1, 0.3]
    turn = axis / np.linalg.norm(axis) * np.radians(20) * rng.random() ** 2
    rays = _rays(across) @ pose[:3, :3].T
    for _ in range(3):
        seen, _ = prober(built, pose[:3, 3] + pose[:3, :3] @ shift, rays)
        seen = seen[seen > 0]
        if len(seen) and (seen < 0.15).mean() < 0.02:
            break
        shift = shift / 3
    return shift, turn
