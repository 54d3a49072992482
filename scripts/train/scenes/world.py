# SPDX-License-Identifier: Apache-2.0
"""A scene as the input of the ray casters: single precision, with bounding balls in the world."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scripts.train.scenes.types import BOX, SPHERE, TORUS, Scene

ENDLESS = np.float32(1e9)
NEAR = np.float32(1e-3)
LAMP_X = np.array([0.62, -0.62, -0.35, 0.35], np.float32)
LAMP_Z = np.array([0.35, -0.35, 0.62, -0.62], np.float32)
"""Four sample positions on the lamp, as shares of its radius."""
SHADOW_REACH = np.float32(1.2)
"""Largest distance of the middle of a solid that can cast a shadow, relative to the lamp's distance."""


class World(NamedTuple):
    """N solids of G objects. Moving quantities have time as their first axis; kernels receive one frame.

    kinds: N. minor: N. solid_from_world: T x N x 3 x 4. bounds: T x N x 4, a ball around each solid: x, y, z, radius.
    objects: G x 2, first solid of each object and the one after its last. object_bounds: T x G x 4, balls around them.
    sizes, textures, room, open_air, lamp: as in `Scene`.
    """

    kinds: np.ndarray
    minor: np.ndarray
    solid_from_world: np.ndarray
    bounds: np.ndarray
    objects: np.ndarray
    object_bounds: np.ndarray
    sizes: np.ndarray
    textures: np.ndarray
    room: np.ndarray
    open_air: bool
    lamp: np.ndarray


def world_of(scene: Scene, frames: np.ndarray) -> World:
    """The scene at the given frames."""
    placed = scene.world_from_solid[frames]
    full = np.tile(np.eye(4), (*placed.shape[:2], 1, 1))
    full[:, :, :3] = placed
    squares = scene.sizes**2
    radius = np.select(
        [scene.kinds == SPHERE, scene.kinds == BOX, scene.kinds == TORUS],
        [np.sqrt(squares.max(axis=1)), np.sqrt(squares.sum(axis=1)), scene.sizes[:, 0] * 1.001],
        np.sqrt(np.maximum(squares[:, 0], squares[:, 2]) + squares[:, 1]),
    )
    bounds = np.concatenate([placed[..., 3], np.broadcast_to(radius[:, None], (*placed.shape[:2], 1))], axis=-1)
    first = np.flatnonzero(np.diff(scene.objects, prepend=0))
    objects = np.stack([first, np.append(first[1:], len(scene.objects))], axis=1)
    return World(
        kinds=scene.kinds.astype(np.int32),
        minor=scene.minor.astype(np.float32),
        solid_from_world=np.linalg.inv(full)[:, :, :3].astype(np.float32),
        bounds=bounds.astype(np.float32),
        objects=objects,
        object_bounds=_around(bounds, objects).astype(np.float32),
        sizes=scene.sizes.astype(np.float32),
        textures=scene.textures.astype(np.float32),
        room=scene.room.astype(np.float32),
        open_air=scene.open_air,
        lamp=scene.lamp.astype(np.float32),
    )


def _around(bounds: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """A ball around the balls of each object, slightly larger to allow for rounding."""
    counts = np.diff(objects, axis=1)[:, 0]
    first = objects[:, 0]
    centres = np.add.reduceat(bounds[..., :3], first, axis=1) / counts[:, None]
    away = np.linalg.norm(bounds[..., :3] - np.repeat(centres, counts, axis=1), axis=-1) + bounds[..., 3]
    return np.concatenate([centres, 1.001 * np.maximum.reduceat(away, first, axis=1)[..., None]], axis=-1)
