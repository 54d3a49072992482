# SPDX-License-Identifier: Apache-2.0
"""Refines the depth of static surfaces by comparing frames: a plane sweep around the anchored depth."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np

from reangle.geometry.anchor import confidence_of, sigma_of
from reangle.geometry.clip_camera import ClipCamera
from reangle.geometry.footage import Footage
from reangle.geometry.frame_depth import WorldDepth
from reangle.geometry.multiview_sweep import aggregate, best_labels, spread_values, sweep
from reangle.geometry.steady import pixel_maps, steady_static

Report = Callable[[float, str], None]
SWEEP_SIDE = 360
"""Longer side, in pixels, of the pictures that are compared."""
PARALLAX = (5.0, 12.0)
"""Wanted parallax in pixels of the two neighbours before a frame and of the two after it."""
LEAST_PARALLAX = 1.5
"""Parallax in pixels below which a frame is no neighbour."""
RANGE_SIGMAS = 3.0
"""Half of the search range in standard deviations of log depth."""
LEAST_RANGE, LARGEST_RANGE = 0.06, 0.4
"""Bounds of half of the search range, in log depth."""
MOST_LABELS = 49
"""Most depths searched."""
SMALL_STEP, LARGE_STEP = np.float32(0.03), np.float32(0.25)
"""Costs of a change between neighbouring pixels: by one label, by more."""
PRECISION = 0.3
"""Standard deviation, in pixels of parallax, of a depth that the sweep measures."""
AGREEMENT = 1.0
"""Most difference, in pixels of parallax, at which two frames' refined depths agree."""


def refine_static(world: WorldDepth, camera: ClipCamera, footage: Footage, report: Report) -> WorldDepth:
    """Depth whose static pixels fit the pictures of neighbour frames, where the camera's motion shows parallax.

    Movers, textureless places and clips without parallax keep their depth. If the depth is smaller than SWEEP_SIDE it
    is enlarged to it. Confidence (see `anchor`) rises where frames agree.
    """
    if camera.motion != "moving" or len(world.depth) < 3:
        return world
    height, width = world.depth.shape[1:]
    enlarge = SWEEP_SIDE / max(height, width)
    if enlarge > 1:
        width, height = round(width * enlarge), round(height * enlarge)
        world = resized(world, width, height)
    shrink = min(1.0, enlarge)
    size = round(width * shrink), round(height * shrink)
    small = resized(world, *size) if shrink < 1 else world
    pictures = _Pictures.of(footage, *size)
    refined = small
    for number, fineness in enumerate(ROUNDS):
        done = (number / len(ROUNDS), (number + 1) / len(ROUNDS))
        refined = _sweep_once(
            refined, camera, pictures, fineness, lambda x, d=done: report(d[0] + (d[1] - d[0]) * x, "")
        )
    change = np.where(small.valid, refined.depth / np.where(small.valid, small.depth, 1), 1).astype(np.float32)
    confidence = refined.confidence
    if shrink < 1:
        change, confidence = (
            np.stack([cv2.resize(one, (width, height), interpolation=cv2.INTER_LINEAR) for one in part])
            for part in (change, confidence)
        )
        change[world.moving] = 1
    return replace(
        world,
        depth=np.where(world.valid, world.depth * change, 0).astype(np.float32),
        confidence=np.where(world.valid, confidence, 0).astype(np.float32),
    )


def _sweep_once(
    world: WorldDepth, camera: ClipCamera, pictures: _Pictures, fineness: _Fineness, progress: Callable[[float], None]
) -> WorldDepth:
    sweeper = _Sweeper.of(world, camera, pictures, fineness)
    count = len(world.depth)
    with ThreadPoolExecutor(cv2.getNumberOfCPUs()) as pool:
        found = []
        for frame, one in enumerate(pool.map(sweeper.measure, range(count))):
            found.append(one)
            progress(0.8 * (frame + 1) / count)
    offset, weight, sigma = (np.stack(part) for part in zip(*found, strict=True))
    if not weight.any():
        return world
    weight *= sweeper.agreement(offset, weight, sigma)
    for frame in range(count):
        sweeper.fill(frame, offset[frame], weight[frame])
    usable = sweeper.usable
    refined, _ = steady_static(
        world.depth * np.exp(offset), usable, sweeper.K, camera.world_from_camera, moving_camera=True
    )
    before = sigma_of(world.confidence)
    after = np.sqrt(weight * np.minimum(sigma, before) ** 2 + (1 - weight) * before**2)
    return replace(
        world,
        depth=np.where(usable, refined, world.depth).astype(np.float32),
        confidence=np.where(usable, confidence_of(after), world.confidence).astype(np.float32),
    )


def resized(world: WorldDepth, width: int, height: int) -> WorldDepth:
    """The same depth at another size: inverse depth is interpolated, invalid pixels stay invalid."""
    shrinks = width < world.depth.shape[2]

    def soft(one: np.ndarray) -> np.ndarray:
        return cv2.resize(one, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)

    def hard(one: np.ndarray) -> np.ndarray:
        return cv2.resize(one.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0

    known = np.stack([soft(one.astype(np.float32)) for one in world.valid])
    inverse = np.stack(
        [soft(np.where(v, 1 / np.where(v, z, 1), 0)) for z, v in zip(world.depth, world.valid, strict=True)]
    )
    valid = known > 0.5
    return WorldDepth(
        np.where(valid, known / np.where(valid, inverse, 1), 0).astype(np.float32),
        valid,
        np.stack([soft(one) for one in world.confidence]),
        np.stack([hard(one) for one in world.moving]),
        world.notes,
    )


@dataclass(frozen=True)
class _Fineness:
    """Of one round of sweeps. step: distance of two searched depths, in pixels of parallax. reach: half of the range in
    pixels of parallax; None for RANGE_SIGMAS. stiffness: of neighbouring pixels."""

    step: float
    reach: float | None
    stiffness: float


ROUNDS = (_Fineness(0.75, None, 1.0), _Fineness(0.3, 1.2, 0.4))


@dataclass(frozen=True, eq=False)
class _Pictures:
    """colour: T x h x w x 3 uint8. grey: T x h x w float32, 0 to 255."""

    colour: np.ndarray
    grey: np.ndarray

    @classmethod
    def of(cls, footage: Footage, width: int, height: int) -> _Pictures:
        colour = np.stack(
            [
                cv2.resize(footage.image(frame), (width, height), interpolation=cv2.INTER_AREA)
                for frame in range(footage.count)
            ]
        )
        return cls(colour, np.stack([cv2.cvtColor(one, cv2.COLOR_RGB2GRAY).astype(np.float32) for one in colour]))


@dataclass(frozen=True, eq=False)
class _Sweeper:
    """What the frames' sweeps share. usable: T x h x w bool, static pixels with depth. K: for h x w.
    neighbours: of each frame."""

    world: WorldDepth
    pictures: _Pictures
    fineness: _Fineness
    usable: np.ndarray
    K: np.ndarray
    world_from_camera: np.ndarray
    neighbours: list[list[int]]

    @classmethod
    def of(cls, world: WorldDepth, camera: ClipCamera, pictures: _Pictures, fineness: _Fineness) -> _Sweeper:
        count, height, width = world.depth.shape
        near_mover = np.stack([cv2.dilate(one.astype(np.uint8), np.ones((3, 3), np.uint8)) for one in world.moving]) > 0
        K = camera.K_at(width, height)
        usable = world.valid & ~near_mover
        neighbours = [_neighbours(world, usable, K, camera.world_from_camera, frame) for frame in range(count)]
        return cls(world, pictures, fineness, usable, K, camera.world_from_camera, neighbours)

    def measure(self, frame: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Offset of log depth, its weight (0 to 1) and its standard deviation if it is right: h x w each."""
        depth, others = self.world.depth[frame], self.neighbours[frame]
        sigma = sigma_of(self.world.confidence[frame])
        usable = self.usable[frame]
        nothing = np.zeros_like(depth)
        if not others or not usable.any():
            return nothing, nothing.copy(), sigma
        parallax = np.max([self.parallax(frame, other) for other in others], axis=0)
        pixel = 1 / max(float(np.percentile(parallax[usable], 75)), 1e-6)
        if self.fineness.reach is None:
            reach = float(np.clip(RANGE_SIGMAS * np.percentile(sigma[usable], 80), LEAST_RANGE, LARGEST_RANGE))
        else:
            reach = min(self.fineness.reach * pixel, LARGEST_RANGE)
        half = int(np.clip(np.ceil(reach / (self.fineness.step * pixel)), 2, MOST_LABELS // 2))
        offsets = np.linspace(-reach, reach, 2 * half + 1).astype(np.float32)
        maps = [pixel_maps(self.K, self.world_from_camera, frame, other) for other in others]
        volume = np.empty((*depth.shape, len(offsets)), np.float32)
        sweep(
            self.pictures.grey[frame],
            self.pictures.grey,
            self.usable,
            np.array(others),
            np.stack([turn for turn, _ in maps]),
            np.stack([shift for _, shift in maps]),
            np.where(usable, depth, float(np.median(depth[usable]))).astype(np.float32),
            np.maximum(sigma, np.float32(0.01)),
            offsets,
            volume,
        )
        volume[~usable] = 0
        total = np.empty_like(volume)
        stiffness = np.float32(self.fineness.stiffness)
        aggregate(volume, self.pictures.grey[frame], SMALL_STEP * stiffness, LARGE_STEP * stiffness, total)
        label, cost, margin = (np.empty_like(depth) for _ in range(3))
        best_labels(total, volume, label, cost, margin)
        weight = np.clip((0.35 - cost) / 0.2, 0, 1) * np.clip(margin / 0.1, 0, 1)
        # A best depth at an end of the range is not a minimum.
        weight *= (label > 0.5) & (label < len(offsets) - 1.5) & usable
        offset = np.interp(label, np.arange(len(offsets)), offsets).astype(np.float32)
        return (
            offset * (weight > 0),
            weight.astype(np.float32),
            (PRECISION / np.maximum(parallax, 0.1)).astype(np.float32),
        )

    def parallax(self, frame: int, other: int) -> np.ndarray:
        """By how many pixels each pixel moves from a frame to another because the camera's centre moves: h x w."""
        return _parallax(self.world.depth[frame], self.K, self.world_from_camera, frame, other)

    def agreement(self, offset: np.ndarray, weight: np.ndarray, sigma: np.ndarray) -> np.ndarray:
        """Share of the neighbours that see the same depth there, T x h x w float32, if they measured it at all."""
        depth = self.world.depth * np.exp(offset)
        shares = np.zeros_like(depth)
        height, width = depth.shape[1:]
        rows, columns = np.mgrid[0:height, 0:width] + 0.5
        pixels = np.stack([columns, rows, np.ones_like(rows)])
        for frame, others in enumerate(self.neighbours):
            agree, seen = np.zeros((height, width)), np.zeros((height, width))
            for other in others:
                turn, shift = pixel_maps(self.K, self.world_from_camera, frame, other)
                u, v, z = np.tensordot(turn, pixels, 1) * depth[frame] + shift[:, None, None]
                ahead = z > 1e-6
                x, y = ((one / np.where(ahead, z, 1) - 0.5).astype(np.float32) for one in (u, v))
                there = cv2.remap(depth[other], x, y, cv2.INTER_LINEAR)
                sure = cv2.remap(weight[other], x, y, cv2.INTER_LINEAR) * ahead * (there > 0)
                apart = np.abs(np.log(np.where(there > 0, there, 1) / np.where(ahead, z, 1)))
                seen += sure
                agree += sure * (apart < np.maximum(AGREEMENT / PRECISION * sigma[frame], 0.005))
            # One neighbour that is unsure says little; the constant keeps it from deciding.
            shares[frame] = agree / (seen + 0.3)
        return shares

    def fill(self, frame: int, offset: np.ndarray, weight: np.ndarray) -> None:
        """Blend offsets (changed in place) with those of sure pixels around them on the same surface; 0 without any."""
        log_depth = np.log(np.maximum(self.world.depth[frame], 1e-9))
        guide = np.dstack([self.pictures.grey[frame] / 60, log_depth / 0.15]).astype(np.float32)
        values, weights = offset.copy(), weight.copy()
        spread_values(values, weights, guide, np.float32(offset.shape[1] / 24), np.float32(1))
        # Sparse support lets the anchored depth win.
        around = values / (weights + 0.02)
        offset[:] = weight * offset + (1 - weight) * around


def _parallax(depth: np.ndarray, K: np.ndarray, world_from_camera: np.ndarray, frame: int, other: int) -> np.ndarray:
    turn, shift = pixel_maps(K, world_from_camera, frame, other)
    height, width = depth.shape
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32) + np.float32(0.5)
    far = turn[:, 0, None, None] * columns + turn[:, 1, None, None] * rows + turn[:, 2, None, None]
    near = far * np.maximum(depth, 1e-9) + shift[:, None, None]
    ahead = (far[2] > 1e-6) & (near[2] > 1e-6)
    far, near = far[:2] / np.where(ahead, far[2], 1), near[:2] / np.where(ahead, near[2], 1)
    return np.where(ahead, np.hypot(*(near - far)), 0).astype(np.float32)


def _neighbours(
    world: WorldDepth, usable: np.ndarray, K: np.ndarray, world_from_camera: np.ndarray, frame: int
) -> list[int]:
    """On either side in time, the frames whose parallax is nearest to each of PARALLAX."""
    grid = (slice(None, None, 12), slice(None, None, 12))
    if not usable[frame][grid].any():
        return []
    coarse_K = np.diag([1 / 12, 1 / 12, 1.0]) @ K
    count = len(world.depth)
    shifts = np.zeros(count)
    for other in range(count):
        if other != frame:
            moved = _parallax(world.depth[frame][grid], coarse_K, world_from_camera, frame, other)
            shifts[other] = 12 * float(np.median(moved[usable[frame][grid]]))
    chosen = set()
    for side in (range(frame), range(frame + 1, count)):
        able = np.array([other for other in side if shifts[other] >= LEAST_PARALLAX], int)
        for wanted in PARALLAX if len(able) else ():
            chosen.add(int(able[np.argmin(np.abs(np.log(shifts[able] / wanted)))]))
    return sorted(chosen)
