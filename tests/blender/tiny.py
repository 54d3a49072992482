# SPDX-License-Identifier: GPL-3.0-or-later
"""A tiny clip, made in each run: a box in front of a wall, filmed by a moving camera."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import numpy as np

FRAMES, WIDTH, HEIGHT, FPS = 5, 64, 48, 12.0
FOCAL = 60.0
WALL, BOX = 4.0, 2.5


def write_png(path: Path, rgb: np.ndarray) -> None:
    """H x W x 3 uint8."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, _ = rgb.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), rgb.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows.tobytes())), chunk(b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def K() -> np.ndarray:
    return np.array([[FOCAL, 0, WIDTH / 2 + 1.5], [0, FOCAL, HEIGHT / 2], [0, 0, 1.0]])


def world_from_camera() -> np.ndarray:
    """FRAMES x 4 x 4; moves right by 0.05 per frame."""
    matrices = np.tile(np.eye(4), (FRAMES, 1, 1))
    matrices[:, 0, 3] = 0.05 * np.arange(FRAMES)
    return matrices


def depth() -> np.ndarray:
    """FRAMES x HEIGHT x WIDTH float32."""
    result = np.full((FRAMES, HEIGHT, WIDTH), WALL, np.float32)
    for index in range(FRAMES):
        left = 20 + 2 * index
        result[index, 14:34, left : left + 16] = BOX
    return result


def rgb() -> np.ndarray:
    """FRAMES x HEIGHT x WIDTH x 3 uint8."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    result = np.empty((FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    for index, near in enumerate(depth() == BOX):
        checks = ((x + index) // 6 + y // 6) % 2
        wall = np.stack([60 + 120 * checks, 90 + 60 * checks, 140 - 40 * checks], -1)
        result[index] = np.where(near[..., None], (230, 120, 40), wall)
    return result


def write(folder: Path) -> Path:
    """Write clip and geometry; returns the first image of the clip. The depth is in `folder / "depth"`."""
    clip, geometry = folder / "my clip", folder / "depth"
    clip.mkdir(parents=True)
    geometry.mkdir()
    for index, image in enumerate(rgb()):
        write_png(clip / f"shot_{index + 1:04d}.png", image)
    np.savez(geometry / "depth.npz", depth=depth())
    about = {"width": WIDTH, "height": HEIGHT, "K": K().tolist(), "world_from_camera": world_from_camera().tolist()}
    (geometry / "camera.json").write_text(json.dumps(about), encoding="utf-8")
    return clip / "shot_0001.png"
