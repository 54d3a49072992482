# SPDX-License-Identifier: Apache-2.0
"""The cameras of a generated scene, before its rotation into the room: floor at y = 0, depth along z."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from scripts.train.scenes.types import Camera

MOVES: dict[str, tuple[float, float]] = {
    "orbit left": (6, 12),
    "orbit right": (6, 12),
    "orbit up": (4, 8),
    "orbit down": (3, 6),
    "dolly in": (12, 22),
    "dolly out": (12, 22),
    "truck left": (7, 13),
    "truck right": (7, 13),
    "pan left": (4, 8),
    "pan right": (4, 8),
    "handheld": (1, 2),
}
"""Smallest and largest amount of each move over a clip: degrees for orbits and pans, else percent of the focus."""


@dataclass(frozen=True)
class Rig:
    """The source camera in the first frame. height: above the floor; focus: depth of its target; both in metres."""

    width: int
    height_px: int
    focal: float
    height: float
    focus: float
    world_from_camera: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator, width: int, height_px: int) -> Rig:
        fov = np.radians(rng.uniform(38, 72))
        height = rng.uniform(0.7, 1.9)
        focus = rng.uniform(2.4, 5.5)
        target = np.array([0.0, -rng.uniform(0.1, 0.9), focus])
        centre = np.array([0.0, -height, 0.0])
        pose = np.eye(4)
        pose[:3, :3] = (
            _looking(target - centre) @ Rotation.from_rotvec([0, 0, np.radians(rng.normal(0, 1.2))]).as_matrix()
        )
        pose[:3, 3] = centre
        return cls(width, height_px, width / 2 / np.tan(fov / 2), height, float(np.linalg.norm(target - centre)), pose)

    @property
    def half_width(self) -> float:
        """Half the picture's width at depth 1."""
        return self.width / 2 / self.focal

    def camera(self, world_from_camera: np.ndarray) -> Camera:
        K = np.array([[self.focal, 0, self.width / 2], [0, self.focal, self.height_px / 2], [0, 0, 1]])
        return Camera(self.width, self.height_px, np.tile(K, (len(world_from_camera), 1, 1)), world_from_camera)


def moving_camera(rng: np.random.Generator, rig: Rig, words: str, frames: int) -> Camera:
    """The rig's camera with a move of MOVES, or "static"."""
    if words == "static":
        return rig.camera(np.tile(rig.world_from_camera, (frames, 1, 1)))
    low, high = MOVES[words]
    return rig.camera(
        rig.world_from_camera @ _steps(rng, rig, words, rng.uniform(low, high), np.linspace(0, 1, frames))
    )


def free_camera(rng: np.random.Generator, rig: Rig, source: Camera, held: bool) -> tuple[str, Camera]:
    """A new camera: still and beside the source (`held`), or moving from the source's first pose."""
    frames = source.count
    if not held:
        words = str(rng.choice([name for name in MOVES if name != "handheld"]))
        return words.replace(" ", "-"), moving_camera(rng, rig, words, frames)
    around, above = rng.choice([-1, 1]) * rng.uniform(5, 14), rng.uniform(-3, 7)
    still = np.ones(frames)
    steps = _steps(rng, rig, "orbit left", around, still) @ _steps(rng, rig, "orbit up", above, still)
    return "view", rig.camera(rig.world_from_camera @ steps)


def _steps(rng: np.random.Generator, rig: Rig, words: str, amount: float, progress: np.ndarray) -> np.ndarray:
    """Poses of the move in the first camera's axes: T x 4 x 4."""
    steps = np.tile(np.eye(4), (len(progress), 1, 1))
    shape, _, way = words.partition(" ")
    if shape == "handheld":
        times = 2 * np.pi * progress[:, None] * rng.uniform(0.5, 1.5, 6) + rng.uniform(0, 2 * np.pi, 6)
        sway = np.sin(times) - np.sin(times[0])
        steps[:, :3, :3] = Rotation.from_rotvec(np.radians(0.6 * amount) * sway[:, :3]).as_matrix()
        steps[:, :3, 3] = amount / 100 * rig.focus * sway[:, 3:]
    elif shape in ("orbit", "pan"):
        # A positive angle about y (down) moves a camera that looks at the focus left; about x, down.
        sign = 1 if way in ("left", "down") else -1
        if shape == "pan":
            sign = -sign
        axis = [0, 1, 0] if way in ("left", "right") else [1, 0, 0]
        steps[:, :3, :3] = Rotation.from_rotvec(np.outer(np.radians(sign * amount * progress), axis)).as_matrix()
        if shape == "orbit":
            focus = np.array([0, 0, rig.focus])
            steps[:, :3, 3] = focus - steps[:, :3, :3] @ focus
    else:
        direction = {"in": (0, 0, 1), "out": (0, 0, -1), "left": (-1, 0, 0), "right": (1, 0, 0)}[way]
        steps[:, :3, 3] = np.outer(amount / 100 * rig.focus * progress, direction)
    return steps


def _looking(forward: np.ndarray) -> np.ndarray:
    """World-from-camera rotation that looks along `forward`, with the image's up against y."""
    z = forward / np.linalg.norm(forward)
    x = np.cross([0.0, 1.0, 0.0], z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], axis=1)
