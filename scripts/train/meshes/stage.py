# SPDX-License-Identifier: Apache-2.0
"""A scene while it is being set: instances of meshes, where there is room, and the rows that the caster reads."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from scripts.train.meshes.assets import Library
from scripts.train.meshes.caster import INSTANCE, Built, build_scenes

BOX_MAPPED, TURNED_TEXTURE = 1, 32
"""Flags of an instance, as in surfaces.h and rays.h."""


@dataclass(frozen=True)
class Look:
    """How an instance differs from its mesh.

    tint: linear, multiplies the colour. texture: replaces the mesh's materials, -1 to keep them; period: metres of one
    texture; contrast: of the texture, 0..1. mirror: reflectance at right angles; below 0 a true mirror of -mirror.
    shine: highlight, 0..1. glow: light that it gives off, in its own colour.
    """

    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    texture: int = -1
    period: float = 1.0
    contrast: float = 1.0
    mirror: float = 0.0
    shine: float = 0.0
    glow: float = 0.0
    flags: int = 0


PLAIN = Look()


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


@dataclass
class Stage:
    """Collects instances. taken: discs on the floor, rows of x, z, radius."""

    library: Library
    rng: np.random.Generator
    rows: list[np.ndarray] = field(default_factory=list)
    taken: list[tuple[float, float, float]] = field(default_factory=list)

    def put(
        self,
        mesh: int,
        at: tuple[float, float, float] | np.ndarray,
        size: float | tuple[float, float, float] | np.ndarray = 1.0,
        yaw: float = 0.0,
        look: Look = PLAIN,
        turn: np.ndarray | None = None,
    ) -> None:
        """Add a mesh: scaled by `size`, turned by `yaw` about y or by the matrix `turn`, moved to `at`."""
        row = np.zeros(INSTANCE, np.float32)
        if turn is None:
            c, s = np.cos(yaw), np.sin(yaw)
            turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
        scale = np.full(3, size) if isinstance(size, (float, int)) else np.asarray(size)
        matrix = row[:12].reshape(3, 4)
        matrix[:, :3] = turn * scale
        matrix[:, 3] = at
        flags = look.flags | (BOX_MAPPED if look.texture >= 0 else 0)
        row[12:14] = np.array([mesh, flags], np.int32).view(np.float32)
        row[14:17] = look.tint
        row[17:18] = np.array([look.texture], np.int32).view(np.float32)
        row[18], row[19], row[20] = 1 / look.period, look.mirror, look.shine
        row[24:27] = scale
        row[27], row[28], row[29] = self.rng.random(), look.contrast, look.glow
        self.rows.append(row)

    def pick(self, *groups: str) -> int:
        """A random mesh of the groups that exist."""
        return self._from(self.library.mesh_groups, groups, "vessel")

    def mesh(self, group: str, index: int = 0) -> int:
        return int(self.library.mesh_groups[group][index])

    def texture(self, *groups: str) -> int:
        """A random texture of the groups that exist."""
        return self._from(self.library.texture_groups, groups, "plaster")

    def _from(self, all_groups: dict[str, np.ndarray], groups: tuple[str, ...], default: str) -> int:
        """Every member of the groups is as likely as every other; a group named twice counts twice."""
        found = [all_groups[group] for group in groups if group in all_groups] or [all_groups[default]]
        place = int(self.rng.integers(sum(len(group) for group in found)))
        for group in found:
            if place < len(group):
                return int(group[place])
            place -= len(group)
        raise AssertionError

    def size_of(self, mesh: int) -> np.ndarray:
        """Width, height and depth of a mesh in metres."""
        low, high = self.library.mesh_boxes[mesh].reshape(2, 3)
        return high - low

    def free_place(self, area: tuple[float, float, float, float], radius: float, tries: int = 10) -> np.ndarray | None:
        """A point x, z in the area (x0, x1, z0, z1) whose disc touches no other; takes the place."""
        x = self.rng.uniform(area[0], max(area[1], area[0] + 1e-3), tries)
        z = self.rng.uniform(area[2], max(area[3], area[2] + 1e-3), tries)
        clear = np.ones(tries, bool)
        if self.taken:
            discs = np.array(self.taken)
            far = np.hypot(x[:, None] - discs[:, 0], z[:, None] - discs[:, 1])
            clear = (far > 0.85 * (discs[:, 2] + radius)).all(1)
        if not clear.any():
            return None
        k = int(clear.argmax())
        self.taken.append((float(x[k]), float(z[k]), radius))
        return np.array([x[k], z[k]])

    def built(self, moving: float = 0.0) -> Built:
        """The scene for the caster. moving: metres that a few of the instances move during the exposure."""
        rows = np.stack(self.rows)
        if moving > 0:
            for k in self.rng.choice(len(rows), min(4, len(rows)), replace=False):
                if np.abs(rows[k, 24:27]).max() < 3:
                    rows[k, 21:24] = self.rng.normal(0, moving, 3)
        first = np.array([0, len(rows)], np.int32)
        rows, nodes = build_scenes(rows, first, self.library.mesh_boxes)
        return Built(rows, nodes, first)


def colour(rng: np.random.Generator, low: float = 0.05, high: float = 0.9) -> tuple[float, float, float]:
    """A linear colour: mostly quiet, at times strong."""
    grey = rng.uniform(low**0.5, high**0.5) ** 2
    spread = rng.normal(0, 0.6 if rng.random() < 0.35 else 0.12, 3)
    red, green, blue = np.clip(grey * np.exp(spread), 0.01, 0.95)
    return float(red), float(green), float(blue)


def tumbled(rng: np.random.Generator) -> np.ndarray:
    """A uniformly random rotation (Shoemake 1992)."""
    q = rng.normal(0, 1, 4)
    w, x, y, z = q / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
