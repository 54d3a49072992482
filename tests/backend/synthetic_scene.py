# SPDX-License-Identifier: Apache-2.0
"""A ray-cast room with a moving sphere, and the point maps that a two-view network would predict for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from reangle.folders import ClipMetadata, DecodedClip
from reangle.geometry.footage import Footage
from reangle.geometry.point_maps import PairMaps, pair_graph
from scipy.spatial.transform import Rotation

WALLS = (((0, 1, 0), 1.6), ((0, -1, 0), 2.2), ((1, 0, 0), 3.5), ((-1, 0, 0), 3.5), ((0, 0, 1), 10))
BALLS = (((-1.3, 0.7, 6.2), 0.8), ((1.7, 0.9, 7.5), 0.6), ((0.4, -1.2, 8.2), 0.5))


@dataclass(frozen=True, eq=False)
class Scene:
    """Truth: shapes as in VideoGeometry; the first camera is the world."""

    depth: np.ndarray
    K: np.ndarray
    world_from_camera: np.ndarray
    moving: np.ndarray

    @property
    def count(self) -> int:
        return len(self.depth)

    def pictures(self) -> list[np.ndarray]:
        """Grey h x w uint8: a pattern that is fixed to the room, even on the moving ball."""
        height, width = self.depth.shape[1:]
        rows, columns = np.mgrid[0:height, 0:width] + 0.5
        rays = np.stack([columns, rows, np.ones(rows.shape)], axis=-1) @ np.linalg.inv(self.K[0]).T
        pictures = []
        for depth, matrix in zip(self.depth, self.world_from_camera, strict=True):
            x, y, z = np.moveaxis(rays * depth[..., None] @ matrix[:3, :3].T + matrix[:3, 3], -1, 0)
            waves = sum(np.sin(3 * x + k * y + k) * np.cos(2.5 * y - k * z) for k in range(1, 5))
            pictures.append(np.clip(127.5 + 30 * waves, 0, 255).astype(np.uint8))
        return pictures


def arc(degrees: float, handheld: float = 0.0) -> Callable[[float], np.ndarray]:
    """A camera on an arc about a point 6 ahead; handheld: degrees of slow sway."""

    def world_from_camera(t: float) -> np.ndarray:
        turn = np.eye(4)
        turn[:3, :3] = Rotation.from_euler("yx", (degrees * t, degrees * t / 4), degrees=True).as_matrix()
        there, back = np.eye(4), np.eye(4)
        there[2, 3], back[2, 3] = 6, -6
        sway = np.eye(4)
        angles = handheld * np.sin(np.array([7 * t, 5 * t, 3 * t]))
        sway[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
        return there @ turn @ back @ sway

    return world_from_camera


def make_scene(camera: Callable[[float], np.ndarray], count: int = 10, width: int = 96, height: int = 64) -> Scene:
    """Floor, ceiling, three walls, three still balls and one that crosses the image."""
    focal = 0.9 * width
    K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    rows, columns = np.mgrid[0:height, 0:width] + 0.5
    rays = np.linalg.inv(K) @ np.stack([columns.ravel(), rows.ravel(), np.ones(rows.size)])
    times = np.linspace(0, 1, count)
    matrices = np.stack([camera(t) for t in times])
    matrices = np.linalg.inv(matrices[0]) @ matrices
    depth, moving = np.zeros((count, height, width), np.float32), np.zeros((count, height, width), bool)
    for index, (t, matrix) in enumerate(zip(times, matrices, strict=True)):
        # Rays have z = 1 in the camera, so the distance along them is planar depth.
        origin, along = matrix[:3, 3], matrix[:3, :3] @ rays
        best = np.full(rows.size, np.inf)
        for normal, offset in (
            ((0, 1, 0), 1.6),
            ((0, -1, 0), 2.2),
            ((1, 0, 0), 3.5),
            ((-1, 0, 0), 3.5),
            ((0, 0, 1), 10),
        ):
            best = np.minimum(best, _positive((offset - np.dot(normal, origin)) / (normal @ along)))
        for centre, radius in BALLS:
            best = np.minimum(best, _sphere(origin, along, np.array(centre), radius))
        ball = _sphere(origin, along, np.array([-2.2 + 4.4 * t, -0.2 + 0.4 * np.sin(4 * t), 5.0]), 0.7)
        moving[index] = (ball < best).reshape(height, width)
        depth[index] = np.minimum(best, ball).reshape(height, width)
    return Scene(depth, np.tile(K, (count, 1, 1)), matrices, moving)


def _positive(distance: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(distance) & (distance > 1e-6), distance, np.inf)


def _sphere(origin: np.ndarray, along: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    a = (along**2).sum(axis=0)
    b = along.T @ (origin - centre)
    c = ((origin - centre) ** 2).sum() - radius**2
    root = b**2 - a * c
    return np.where(root > 0, _positive((-b - np.sqrt(np.maximum(root, 0))) / a), np.inf)


def textured_footage(
    scene: Scene, folder: Path, *, exposure: np.ndarray | None = None, plain_beyond: float = np.inf
) -> Footage:
    """The decoded clip of the scene with a fine texture that is fixed to the room, even on the moving ball.

    exposure: a factor for each frame. plain_beyond: depth in the first camera from which surfaces have no texture.
    """
    random = np.random.default_rng(0)
    waves = random.normal(size=(24, 3)) * random.uniform(4, 14, (24, 1))
    phases = random.uniform(0, 2 * np.pi, 24)
    clip = DecodedClip(folder)
    clip.frames.mkdir(parents=True)
    height, width = scene.depth.shape[1:]
    rows, columns = np.mgrid[0:height, 0:width] + 0.5
    rays = np.stack([columns, rows, np.ones(rows.shape)], axis=-1) @ np.linalg.inv(scene.K[0]).T
    exposure = np.ones(scene.count) if exposure is None else exposure
    for index, (depth, matrix) in enumerate(zip(scene.depth, scene.world_from_camera, strict=True)):
        world = rays * depth[..., None] @ matrix[:3, :3].T + matrix[:3, 3]
        picture = 100 + 20 * np.sin(world @ waves.T + phases).sum(axis=-1) * (world[..., 2] < plain_beyond)
        picture = np.clip(picture * exposure[index], 0, 255).astype(np.uint8)
        cv2.imwrite(str(clip.frames / f"{index + 1:06d}.png"), picture)
    clip.write_metadata(ClipMetadata(fps=12, frames=scene.count, width=width, height=height))
    return Footage.open(clip)


def network_maps(scene: Scene, noise: float, seed: int = 0) -> list[PairMaps]:
    """Simulated output of DUSt3R, each pair in its own unit.

    noise: relative error of each point, half of it smooth over the image and half of it independent per pixel. Noise
    adds outliers (2 % of pixels, low confidence) and blurred edges. 0 gives exact maps.
    """
    random = np.random.default_rng(seed)
    count, height, width = scene.depth.shape
    rows, columns = np.mgrid[0:height, 0:width] + 0.5
    rays = np.stack([columns, rows, np.ones(rows.shape)], axis=-1) @ np.linalg.inv(scene.K[0]).T

    def seen(frame: int) -> tuple[np.ndarray, np.ndarray]:
        depth = scene.depth[frame].astype(np.float64)
        if noise:
            depth = 0.5 * depth + 0.5 * cv2.GaussianBlur(depth, (3, 3), 0)
            smooth = cv2.resize(random.normal(size=(4, 6)), (width, height), interpolation=cv2.INTER_CUBIC)
            depth = depth * np.exp(noise * (smooth + random.normal(size=depth.shape)) / 2**0.5)
        points = rays * depth[..., None]
        if noise:
            points[..., :2] += noise / 4 * depth[..., None] * random.normal(size=(height, width, 2))
        confidence = np.full(depth.shape, 8.0)
        wrong = random.random(depth.shape) < (0.02 if noise else 0)
        points[wrong] *= np.exp(random.normal(size=(wrong.sum(), 1)))
        confidence[wrong] = 1.2
        return points, confidence

    pairs = []
    for first, second in pair_graph(count):
        unit = np.exp(0.5 * random.normal())
        first_map, first_confidence = seen(first)
        second_map, second_confidence = seen(second)
        first_from_second = np.linalg.inv(scene.world_from_camera[first]) @ scene.world_from_camera[second]
        second_map = second_map @ first_from_second[:3, :3].T + first_from_second[:3, 3]
        maps = (unit * first_map, first_confidence, unit * second_map, second_confidence)
        pairs.append(PairMaps.from_maps(first, second, *(one.astype(np.float32) for one in maps)))
    return pairs
