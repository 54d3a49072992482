# SPDX-License-Identifier: Apache-2.0
"""Measure milliseconds to warp one 480x720 frame: the product's kernels, simpler peers, and the memory traffic alone.

A 49-frame clip of a furnished room, with an orbit of 10 degrees. `lookup` is the product's work for each frame, without
memory; `mesh` is its first half. The peers are forward splats of the nearest point: compiled (as
the training scripts use it), in torch and in numpy. Compiled kernels run one frame on each core. All are warmed
up; each figure is the median of several rounds over the clip, and kernels alternate.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import numpy as np
import torch
from reangle.media.parallel import thread_count
from reangle.warping.cameras import camera_from_world, pixel_transform
from reangle.warping.lookup import SAMPLES_PER_SIDE, look_up
from reangle.warping.mesh import mesh_depth
from reangle.warping.surface import make_surface

from scripts.train.splat import splat_frame

WIDTH, HEIGHT, FRAMES = 720, 480, 49
DEGREES, PIVOT = 10.0, 4.0
BYTES = WIDTH * HEIGHT * ((3 + 4 + 1) + (3 + 4 + 4))
"""Colour, depth and validity read, colour, depth and index written, once each."""


@dataclass(frozen=True, eq=False)
class Clip:
    rgb: list[np.ndarray]
    depth: list[np.ndarray]
    valid: list[np.ndarray]
    K: list[np.ndarray]
    pose: list[np.ndarray]


def make_clip(frames: int) -> Clip:
    """Balls that move and boxes in a room 5 units wide; colours depend on the position in space, so that there is
    texture everywhere.
    """
    K = np.array([[0.9 * WIDTH, 0, WIDTH / 2], [0, 0.9 * WIDTH, HEIGHT / 2], [0, 0, 1]])
    u, v = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    rays = np.stack(((u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones_like(u)), -1)
    rng = np.random.default_rng(0)
    balls = [(rng.uniform((-1.5, -0.8, 2.2), (1.5, 1.0, 5.0)), rng.uniform(0.2, 0.5)) for _ in range(7)]
    boxes = [(rng.uniform((-1.5, 0.2, 2.5), (1.5, 1.0, 5.0)), rng.uniform(0.15, 0.4, 3)) for _ in range(5)]
    with np.errstate(divide="ignore"):
        walls = np.max(rays / np.array([2.6, 1.4, 6.0]), -1), np.max(-rays / np.array([2.6, 1.6, 6.0]), -1)
        room = 1 / np.maximum(*walls)
        for centre, half in boxes:
            enters = np.minimum((centre - half) / rays, (centre + half) / rays).max(-1)
            leaves = np.maximum((centre - half) / rays, (centre + half) / rays).min(-1)
            room = np.where((enters < leaves) & (enters > 0) & (enters < room), enters, room)
    clip = Clip([], [], [], [], [])
    squared = (rays * rays).sum(-1)
    for frame in range(frames):
        depth = room
        for n, (centre, radius) in enumerate(balls):
            moved = centre + 0.3 * np.sin(0.1 * frame + n) * np.array([1, 0, 0.5])
            along = rays @ moved
            root = along**2 - squared * (moved @ moved - radius**2)
            near = (along - np.sqrt(np.maximum(root, 0))) / squared
            depth = np.where((root > 0) & (near < depth), near, depth)
        angle = np.radians(DEGREES * frame / max(1, frames - 1))
        pose = np.eye(4)
        pose[:3, :3] = [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
        pose[:3, 3] = np.array([0, 0, PIVOT]) - pose[:3, :3] @ (0, 0, PIVOT)
        clip.rgb.append((127 + 100 * np.sin(rays * depth[..., None] * (9, 11, 13))).astype(np.uint8))
        clip.depth.append(depth.astype(np.float32))
        clip.valid.append(np.ones((HEIGHT, WIDTH), bool))
        clip.K.append(K)
        clip.pose.append(pose)
    return clip


def numpy_splat(rgb: np.ndarray, depth: np.ndarray, K: np.ndarray, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A splat of 2 x 2 pixels a point by whole-array operations."""
    A, b = pixel_transform(K, pose, K)
    u, v = np.meshgrid(np.arange(WIDTH, dtype=np.float32) + 0.5, np.arange(HEIGHT, dtype=np.float32) + 0.5)
    points = (np.stack((u, v, np.ones_like(u)), -1) @ A.T.astype(np.float32)) * depth[..., None] + b.astype(np.float32)
    z = points[..., 2].ravel()
    x, y = (np.floor(points[..., axis].ravel() / z - 0.5).astype(np.int64) for axis in (0, 1))
    order = z.view(np.uint32).astype(np.uint64) << np.uint64(32) | np.arange(z.size, dtype=np.uint64)
    nothing = np.iinfo(np.uint64).max
    keys = np.full(WIDTH * HEIGHT, nothing)
    for dy in (0, 1):
        for dx in (0, 1):
            inside = (z > 0) & (x + dx >= 0) & (x + dx < WIDTH) & (y + dy >= 0) & (y + dy < HEIGHT)
            np.minimum.at(keys, ((y + dy) * WIDTH + x + dx)[inside], order[inside])
    hit = keys != nothing
    winner = np.where(hit, keys & np.uint64(0xFFFFFFFF), np.uint64(0)).astype(np.int64)
    colour = np.where(hit[:, None], rgb.reshape(-1, 3)[winner], 0).astype(np.uint8)
    return colour.reshape(rgb.shape), np.where(hit, z[winner], 0).reshape(depth.shape)


def torch_splat(
    rgb: torch.Tensor, depth: torch.Tensor, K: np.ndarray, pose: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor]:
    """`numpy_splat` in torch, on the device of the depth."""
    device = depth.device
    A, b = (torch.from_numpy(array).float().to(device) for array in pixel_transform(K, pose, K))
    v, u = torch.meshgrid(torch.arange(HEIGHT, device=device), torch.arange(WIDTH, device=device), indexing="ij")
    points = (torch.stack((u + 0.5, v + 0.5, torch.ones_like(depth)), -1) @ A.T) * depth[..., None] + b
    x, y, z = points.reshape(-1, 3).unbind(-1)
    x, y = (torch.floor(value / z - 0.5).long() for value in (x, y))
    order = (z.contiguous().view(torch.int32).long() << 32) | torch.arange(z.numel(), device=device)
    nothing = torch.iinfo(torch.int64).max
    # The last slot takes the points outside the picture.
    keys = torch.full((WIDTH * HEIGHT + 1,), nothing, dtype=torch.int64, device=device)
    for dy in (0, 1):
        for dx in (0, 1):
            inside = (z > 0) & (x + dx >= 0) & (x + dx < WIDTH) & (y + dy >= 0) & (y + dy < HEIGHT)
            slot = torch.where(inside, (y + dy) * WIDTH + x + dx, WIDTH * HEIGHT)
            keys.scatter_reduce_(0, slot, order, "amin")
    hit = keys[:-1] != nothing
    winner = torch.where(hit, keys[:-1] & 0xFFFFFFFF, 0)
    colour = torch.where(hit[:, None], rgb.reshape(-1, 3)[winner], 0)
    return colour.reshape(rgb.shape), torch.where(hit, z[winner], 0.0).reshape(depth.shape)


def copy_bandwidth(threads: int) -> float:
    """Bytes per second, read and written together, of the fastest of several copies far larger than the caches."""
    source = np.ones(threads * 2**25, np.float32)
    target = np.empty_like(source)
    parts = list(zip(np.array_split(target, threads), np.array_split(source, threads), strict=True))
    best = float("inf")
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(8):
            start = time.perf_counter()
            list(pool.map(lambda part: np.copyto(*part), parts))
            best = min(best, time.perf_counter() - start)
    return 2 * source.nbytes / best


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure milliseconds per frame of every warping kernel.")
    parser.add_argument("--rounds", type=int, default=9, help="rounds over the clip (9)")
    parser.add_argument("--threads", type=int, default=thread_count(), help="cores to use (all)")
    options = parser.parse_args()
    threads = options.threads
    torch.set_num_threads(threads)
    clip = make_clip(FRAMES)
    surfaces = [make_surface(*maps, WIDTH, HEIGHT) for maps in zip(clip.depth, clip.valid, strict=True)]
    some = range(0, FRAMES, 12)

    def each(work: Callable[[int], object]) -> Callable[[], object]:
        def frames() -> None:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(work, range(FRAMES)))

        return frames

    def splat(n: int) -> object:
        return splat_frame(clip.rgb[n], clip.depth[n], clip.valid[n], clip.K[n], clip.pose[n], clip.K[n], WIDTH, HEIGHT)

    def mesh(n: int) -> np.ndarray:
        camera = (clip.K[n], clip.pose[n], clip.K[n], WIDTH, HEIGHT)
        return mesh_depth(clip.depth[n], clip.valid[n], *camera, scale=SAMPLES_PER_SIDE)

    def lookup(n: int) -> object:
        back = pixel_transform(clip.K[n], camera_from_world(clip.pose[n]), clip.K[n])
        return look_up(clip.rgb[n], surfaces[n], mesh(n), *back)

    def torch_clip(device: str) -> Callable[[], object]:
        frames = [(torch.from_numpy(clip.rgb[n]).to(device), torch.from_numpy(clip.depth[n]).to(device)) for n in some]

        def work() -> None:
            for (rgb, depth), n in zip(frames, some, strict=True):
                torch_splat(rgb, depth, clip.K[n], clip.pose[n])
            if device != "cpu":
                torch.cuda.synchronize()

        return work

    works: dict[str, tuple[str, int, Callable[[], object]]] = {
        "lookup_ms": ("lookup: mesh depth, then colours", FRAMES, each(lookup)),
        "mesh_ms": ("mesh depth, 3 x 3 samples a pixel", FRAMES, each(mesh)),
        "splat_ms": ("peer: compiled splat, 2 x 2", FRAMES, each(splat)),
        "torch_ms": ("peer: torch splat, CPU", len(some), torch_clip("cpu")),
        "numpy_ms": (
            "peer: numpy splat",
            len(some),
            lambda: [numpy_splat(clip.rgb[n], clip.depth[n], clip.K[n], clip.pose[n]) for n in some],
        ),
    }
    if torch.cuda.is_available():
        works["torch_cuda_ms"] = (f"peer: torch splat, {torch.cuda.get_device_name()}", len(some), torch_clip("cuda"))
    times: dict[str, list[float]] = {key: [] for key in works}
    for turn in range(options.rounds + 1):
        for key, (_, frames, work) in works.items():
            start = time.perf_counter()
            work()
            if turn:  # the first round compiles and warms up
                times[key].append(1e3 * (time.perf_counter() - start) / frames)

    bandwidth = copy_bandwidth(threads)
    floor = 1e3 * BYTES / bandwidth
    print(f"{WIDTH}x{HEIGHT}, {FRAMES} frames, {threads} threads, {options.rounds} rounds; ms per frame")
    print(f"{'':42}{'median':>9}{'best':>9}{'x floor':>9}")
    figures = {}
    for key, (label, _, _) in works.items():
        figures[key] = round(statistics.median(times[key]), 3)
        print(f"{label:42}{figures[key]:9.2f}{min(times[key]):9.2f}{figures[key] / floor:9.0f}")
    print(f"{'memory floor':42}{floor:9.2f}   {BYTES / 1e6:.2f} MB a frame at {bandwidth / 1e9:.1f} GB/s copied")
    figures["floor_ms"] = round(floor, 4)
    print(json.dumps({"bench": "warp", "figures": figures}))


if __name__ == "__main__":
    main()
