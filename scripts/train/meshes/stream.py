# SPDX-License-Identifier: Apache-2.0
"""Fresh scenes for every step of training: worker processes draw them, the training device renders them.

stream = SceneStream(Path("out/train/assets.npz"), seed=1, device="cuda")
batch = stream.batch(32, 256, 384)
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import shutil
import tempfile
from dataclasses import dataclass, fields
from pathlib import Path
from queue import Empty
from typing import Any

import numpy as np
import torch

from scripts.train.fresh import one_thread_each
from scripts.train.meshes.assets import Library, load_library
from scripts.train.meshes.caster import Built, Caster, Prober, prepare
from scripts.train.meshes.draw import Drawn, draw

FAR = 100.0
"""Depth of the sky and of all that is farther, in metres."""
AT_ONCE = 8
"""Scenes a worker draws before it hands them over."""
AHEAD = 6
"""Such parcels that a worker keeps ready."""


@dataclass(frozen=True)
class Batch:
    """n scenes of f frames on the stream's device; each camera has x right, y down, z forward.

    rgb: n x f x h x w x 3 in 0..1, sRGB, without noise. depth: n x f x h x w, planar z in metres of each pixel's
    centre, at most FAR. sky: n x f x h x w, where no surface is. K: n x f x 3 x 3 in pixels, pixel centres at +0.5.
    world_from_camera: n x f x 4 x 4.
    """

    rgb: torch.Tensor
    depth: torch.Tensor
    sky: torch.Tensor
    K: torch.Tensor
    world_from_camera: torch.Tensor


class SceneStream:
    """An endless stream of scenes. The same seed, number of workers and calls give the same scenes.

    workers: processes that draw scenes ahead; 0 draws them in `batch`. By default none for the CPU; for a GPU all
    cores but two. kind: one kind of place only (see places.PLACES).
    """

    def __init__(
        self,
        assets: Path | None,
        seed: int,
        device: torch.device | str,
        workers: int | None = None,
        kind: str | None = None,
    ) -> None:
        self.device = torch.device(device)
        if workers is None:
            workers = 0 if self.device.type == "cpu" else max((os.cpu_count() or 2) - 2, 1)
        self._kind, self._rng = kind, np.random.default_rng(seed)
        self._ready: list[Drawn] = []
        self._turn = 0
        self._folder: str | None = None
        prepare(self.device)
        # Workers start first: they import modules while this process loads the library.
        self._workers = _workers(workers, seed, kind)
        atexit.register(self.close)
        self.library = load_library(assets)
        self._hand_out()
        self.caster, self._prober = Caster(self.library, self.device), Prober(self.library)

    def batch(self, count: int, height: int, width: int, frames: int = 1) -> Batch:
        """Render `count` new scenes, each from `frames` cameras one step apart (see draw.Drawn)."""
        return self.render([self.next_scene() for _ in range(count)], height, width, frames)

    def render(self, scenes: list[Drawn], height: int, width: int, frames: int = 1) -> Batch:
        """Render scenes that are already drawn."""
        K, poses, views = cameras_of(scenes, height, width, frames)
        cast = self.caster.cast(together([scene.built for scene in scenes]), views, frames, height, width)
        exposure = torch.tensor([scene.exposure for scene in scenes], dtype=torch.float32)
        rgb = tone_mapped(cast.rgb, exposure.to(self.device, non_blocking=True), frames)
        sky = cast.ids < 0
        depth = torch.where(sky, FAR, cast.depth.clamp(max=FAR))
        shape = (len(scenes), frames)
        return Batch(
            rgb.view(*shape, height, width, 3),
            depth.view(*shape, height, width),
            sky.view(*shape, height, width),
            torch.from_numpy(K).to(self.device, non_blocking=True),
            torch.from_numpy(poses).to(self.device, non_blocking=True),
        )

    def close(self) -> None:
        """Stop the workers."""
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join()
        self._workers = []
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __enter__(self) -> SceneStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def next_scene(self) -> Drawn:
        """A new scene, without its picture."""
        if not self._workers:
            return draw(self.library, self._prober, self._rng, self._kind)
        worker = self._workers[self._turn % len(self._workers)]
        while not self._ready:
            try:
                self._ready = worker.queue.get(timeout=5)
                self._turn += 1
            except Empty:
                if not worker.process.is_alive():
                    raise RuntimeError("A process that draws scenes has ended. See its message above.") from None
        return self._ready.pop()

    def _hand_out(self) -> None:
        """Give the library to the workers as files in memory: one copy for all."""
        if not self._workers:
            return
        arrays = self.library.arrays()
        shared = Path("/dev/shm")
        size = sum(array.nbytes for array in arrays.values())
        roomy = os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > 1.5 * size
        self._folder = tempfile.mkdtemp(prefix="reangle-scenes-", dir=shared if roomy else None)
        for name, array in arrays.items():
            np.save(f"{self._folder}/{name}.npy", array)
        groups = {f.name: getattr(self.library, f.name) for f in fields(Library) if f.name.endswith("_groups")}
        for worker in self._workers:
            worker.orders.put((self._folder, groups))


@dataclass(frozen=True)
class _Worker:
    """A process that draws scenes. orders: where the library is. queue: lists of scenes."""

    process: Any
    orders: Any
    queue: Any


def _workers(count: int, seed: int, kind: str | None) -> list[_Worker]:
    # Not by fork: this process may hold a GPU and threads.
    context = multiprocessing.get_context("spawn")
    workers = []
    with one_thread_each():
        for index in range(count):
            orders, queue = context.SimpleQueue(), context.Queue(AHEAD)
            process = context.Process(target=_work, args=(orders, queue, [seed, index], kind), daemon=True)
            process.start()
            workers.append(_Worker(process, orders, queue))
    return workers


def _work(orders: Any, queue: Any, seeds: list[int], kind: str | None) -> None:
    torch.set_num_threads(1)
    folder, groups = orders.get()
    names = [f.name for f in fields(Library) if not f.name.endswith("_groups")]
    library = Library(**{name: np.load(f"{folder}/{name}.npy", mmap_mode="r") for name in names}, **groups)
    prober, rng = Prober(library), np.random.default_rng(seeds)
    while True:
        queue.put([draw(library, prober, rng, kind) for _ in range(AT_ONCE)])


def together(scenes: list[Built]) -> Built:
    """Many scenes for one cast."""
    counts = [len(scene.rows) for scene in scenes]
    return Built(
        np.concatenate([scene.rows for scene in scenes]),
        np.concatenate([scene.nodes for scene in scenes]),
        np.cumsum([0, *counts]).astype(np.int32),
    )


def cameras_of(scenes: list[Drawn], height: int, width: int, frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """K (n x f x 3 x 3), world_from_camera (n x f x 4 x 4) and the rows of views (n f x VIEW) for the caster."""
    count = len(scenes)
    K, poses = np.zeros((count, frames, 3, 3), np.float32), np.zeros((count, frames, 4, 4), np.float32)
    views = np.repeat(np.stack([scene.view for scene in scenes])[:, None], frames, 1)
    for index, scene in enumerate(scenes):
        focal = width / 2 / np.tan(scene.across / 2)
        K[index] = [[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]
        for frame in range(frames):
            moved = np.eye(4)
            moved[:3, :3] = rotation(scene.turn * frame)
            moved[:3, 3] = scene.shift * frame
            poses[index, frame] = scene.pose @ moved
    views[..., 0], views[..., 1], views[..., 2], views[..., 3] = K[..., 0, 0], K[..., 1, 1], K[..., 0, 2], K[..., 1, 2]
    views[..., 4:16] = poses[..., :3, :].reshape(count, frames, 12)
    return K, poses, views.reshape(count * frames, -1)


def rotation(vector: np.ndarray) -> np.ndarray:
    """The rotation about a vector by its length in radians (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-9:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def tone_mapped(rgb: torch.Tensor, exposure: torch.Tensor, frames: int) -> torch.Tensor:
    """Linear light (n f x h x w x 3) to sRGB: the frames of a scene share one exposure, from their mean brightness."""
    grey = rgb.view(len(exposure), -1, 3)[:, ::7].mean(-1).clamp(1e-3, 4)
    # The geometric mean of brightness, but bright pictures with black corners are not blown out.
    gain = torch.minimum(0.19 * exposure / grey.log().mean(-1).exp(), 0.38 * exposure / grey.mean(-1))
    gain = gain.repeat_interleave(frames).view(-1, 1, 1, 1)
    light = rgb * gain
    # Highlights roll off above 0.6.
    light = torch.where(light > 0.6, 0.6 + 0.4 * torch.tanh((light - 0.6) / 0.8) / 0.95, light).clamp(0, 1)
    return torch.where(light < 0.0031308, 12.92 * light, 1.055 * light.clamp(min=1e-6) ** (1 / 2.4) - 0.055)
