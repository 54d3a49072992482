# SPDX-License-Identifier: Apache-2.0
"""A tiny scene of textured cards, rendered exactly: frames, depth and truth for the tests of the preview engine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from reangle.contract import CameraPath, from_data
from reangle.geometry.video_geometry import VideoGeometry
from reangle.warping.memory import Memory
from reangle.warping.video import Warper, check_clip, warp_frames

WIDTH, HEIGHT, FOCAL = 96, 64, 90.0
K = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])


@dataclass(frozen=True)
class Card:
    """A rectangle across the z axis: its corners in x and y, its distance, and its motion along x per frame."""

    left: float
    right: float
    top: float
    bottom: float
    z: float
    colour: tuple[float, float, float]
    speed: float = 0.0


WALL = Card(-9, 9, -9, 9, 4.0, (120, 150, 180))
BOX = Card(0.35, 0.75, -0.5, 0.9, 2.6, (200, 90, 60))
MOVER = Card(-0.75, -0.35, -0.3, 0.3, 2.0, (40, 220, 60), speed=0.11)


def camera(x: float = 0.0, y: float = 0.0) -> np.ndarray:
    """world_from_camera of a camera that looks along z from (x, y, 0)."""
    matrix = np.eye(4)
    matrix[:2, 3] = x, y
    return matrix


def shoot(
    cards: tuple[Card, ...], time: float, world_from_camera: np.ndarray, width: int = WIDTH, height: int = HEIGHT
) -> tuple[np.ndarray, np.ndarray]:
    """H x W x 3 uint8, 16 samples a pixel, and H x W float32 planar depth at the pixel centres, 0 between cards."""
    rgb = np.mean([_cast(cards, time, world_from_camera, width, height, x, y)[0] for x in _GRID for y in _GRID], axis=0)
    return np.rint(rgb).astype(np.uint8), _cast(cards, time, world_from_camera, width, height, 0.5, 0.5)[1]


_GRID = (0.125, 0.375, 0.625, 0.875)


def _cast(
    cards: tuple[Card, ...], time: float, world_from_camera: np.ndarray, width: int, height: int, dx: float, dy: float
) -> tuple[np.ndarray, np.ndarray]:
    fx, fy = FOCAL * width / WIDTH, FOCAL * height / HEIGHT
    x = (np.arange(width) + dx - width / 2) / fx
    y = ((np.arange(height) + dy - height / 2) / fy)[:, None]
    rgb = np.zeros((height, width, 3))
    depth = np.zeros((height, width), np.float32)
    for card in sorted(cards, key=lambda card: -card.z):
        z = card.z - world_from_camera[2, 3]
        u = world_from_camera[0, 3] + x * z - card.speed * time + 0 * y
        v = world_from_camera[1, 3] + y * z + 0 * x
        inside = (u >= card.left) & (u < card.right) & (v >= card.top) & (v < card.bottom)
        waves = np.sin(7 * u + 3 * v) * np.cos(5 * v - 2 * u) + 0.5 * np.sin(17 * u) * np.sin(15 * v)
        rgb[inside] = (np.asarray(card.colour) + 30 * waves[..., None])[inside].clip(0, 255)
        depth[inside] = z
    return rgb, depth


def film(
    cards: tuple[Card, ...], count: int, cameras: np.ndarray | None = None, depth_size: tuple[int, int] | None = None
) -> tuple[np.ndarray, VideoGeometry]:
    """A clip and its true geometry; depth_size: width and height of the depth maps, by default those of the frames."""
    cameras = np.stack([camera()] * count) if cameras is None else cameras
    frames, depth = zip(*(shoot(cards, t, cameras[t]) for t in range(count)), strict=True)
    size = depth_size or (WIDTH, HEIGHT)
    if depth_size:
        depth = [shoot(cards, t, cameras[t], *depth_size)[1] for t in range(count)]
    depth = np.stack(depth)
    K_depth = np.diag([size[0] / WIDTH, size[1] / HEIGHT, 1]) @ K
    geometry = VideoGeometry(
        depth, depth > 0, np.ones_like(depth), np.stack([K_depth] * count), cameras, "metric", "files", "files"
    )
    return np.stack(frames), geometry


def make_path(cameras: np.ndarray, frames: list[int] | None = None, name: str = "camera") -> CameraPath:
    """A path at the clip's size and lens."""
    count = len(cameras)
    return from_data(
        CameraPath,
        {
            "name": name,
            "fps": 24,
            "width": WIDTH,
            "height": HEIGHT,
            "frames": frames or list(range(count)),
            "world_from_camera": cameras.tolist(),
            "K": np.stack([K] * count).tolist(),
        },
    )


@dataclass(frozen=True, eq=False)
class Warped:
    """N output frames, stacked: see `WarpedFrame`."""

    rgb: np.ndarray
    visible: np.ndarray
    remembered: np.ndarray
    depth: np.ndarray


def warp_video(frames: np.ndarray, geometry: VideoGeometry, path: CameraPath, *, memory: bool = True) -> Warped:
    """Warp the clip to the path's camera."""
    check_clip(frames, geometry)
    warper = Warper(frames, geometry, Memory.of_clip(frames, geometry) if memory else None)
    return Warped(*(np.stack(images) for images in zip(*warp_frames(warper, path), strict=True)))
