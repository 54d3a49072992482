# SPDX-License-Identifier: Apache-2.0
"""Pictures with exact depth for training the depth network.

Two kinds: `solids`, the generated scenes of `scripts/train/scenes`, rendered by processes on a CPU; and `meshes`, the
scenes of `scripts/train/meshes`, rendered on the training device, or by processes where that is the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from scripts.train.fresh import Field, Store
from scripts.train.meshes.stream import SceneStream
from scripts.train.pool import FIRST_SEED
from scripts.train.scenes.draw import draw_scene
from scripts.train.scenes.raycast import render

HEIGHT, WIDTH = 192, 288
"""Size of stored pictures."""
FIELDS: dict[str, Field] = {"rgb": ((HEIGHT, WIDTH, 3), "uint8"), "depth": ((HEIGHT, WIDTH), "float16")}
"""Colours, and planar z in metres: 0 in the sky."""


@dataclass(frozen=True)
class Shape:
    """Height and width of a training batch, multiples of 16."""

    height: int
    width: int


def solids(seed: int) -> Iterator[dict[str, np.ndarray]]:
    """Four pictures of each new scene: random frames, half of them from its source camera."""
    rng = np.random.default_rng((seed, 11))
    while True:
        scene = draw_scene(FIRST_SEED + int(rng.integers(2**31)), width=WIDTH, height=HEIGHT)
        cameras = [scene.source, scene.source, *scene.targets.values()]
        seen = [render(scene, camera, [int(rng.integers(scene.count))]) for camera in cameras]
        yield {
            "rgb": np.concatenate([one.rgb for one in seen]),
            "depth": np.concatenate([one.depth for one in seen]).astype(np.float16),
        }


def meshes(seed: int, assets: Path) -> Iterator[dict[str, np.ndarray]]:
    """Pictures of new mesh scenes, rendered in this process on the CPU."""
    stream = SceneStream(assets, seed, "cpu")
    while True:
        yield {name: values.numpy() for name, values in _drawn(stream, 1).items()}


def _drawn(stream: SceneStream, count: int) -> dict[str, Tensor]:
    seen = stream.batch(count, HEIGHT, WIDTH)
    depth = torch.where(seen.sky, torch.zeros_like(seen.depth), seen.depth)
    return {"rgb": (seen.rgb[:, 0] * 255 + 0.5).to(torch.uint8), "depth": depth[:, 0].half()}


class MeshPictures:
    """A feed of pictures of fresh mesh scenes, rendered on the training device between the steps.

    each: pictures a step. workers: processes that draw scenes; 0 for drawing them between the steps, too.
    """

    def __init__(self, store: Store, assets: Path, seed: int, workers: int, each: int) -> None:
        self.store, self._each = store, each
        self._stream = SceneStream(assets, seed, store.arrays["rgb"].device, workers)

    def refresh(self) -> None:
        self.store.add(_drawn(self._stream, self._each))

    def stop(self) -> None:
        self._stream.close()


def crops(store: Store, count: int, shape: Shape, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Random parts of random stored pictures, half of them mirrored.

    Returns colours n x 3 x h x w in 0..1 and depth n x h x w, 0 in the sky. All parts have one size, between 60 % of
    what fits into the stored pictures and all of it, and at least 80 % of the shape's.
    """
    device = store.arrays["rgb"].device
    largest = min(HEIGHT / shape.height, WIDTH / shape.width)
    zoom = rng.uniform(min(max(0.6 * largest, 0.8), largest), largest)
    height, width = int(zoom * shape.height), int(zoom * shape.width)
    slots = torch.from_numpy(rng.integers(store.filled, size=count)).to(device)
    top = torch.from_numpy(rng.integers(HEIGHT - height + 1, size=(count, 1))).to(device)
    left = torch.from_numpy(rng.integers(WIDTH - width + 1, size=(count, 1))).to(device)
    mirrored = torch.from_numpy(rng.random((count, 1)) < 0.5).to(device)

    def places(size: int, wanted: int, offset: Tensor, flip: Tensor | None) -> Tensor:
        steps = ((torch.arange(wanted, device=device) + 0.5) * (size / wanted)).long()[None]
        return offset + (steps if flip is None else torch.where(flip, size - 1 - steps, steps))

    rows, columns = places(height, height, top, None), places(width, width, left, mirrored)
    rgb = store.arrays["rgb"][slots[:, None, None], rows[:, :, None], columns[:, None]]
    rgb = rgb.permute(0, 3, 1, 2).float() / 255
    rgb = functional.interpolate(rgb, (shape.height, shape.width), mode="bilinear", antialias=True).clamp(0, 1)
    rows, columns = places(height, shape.height, top, None), places(width, shape.width, left, mirrored)
    return rgb, store.arrays["depth"][slots[:, None, None], rows[:, :, None], columns[:, None]].float()
