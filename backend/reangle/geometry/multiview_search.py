# SPDX-License-Identifier: Apache-2.0
"""Searches each frame's depth over the whole range of the scene, by comparing the frame with neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from reangle.geometry.anchor import sigma_of
from reangle.geometry.clip_camera import ClipCamera
from reangle.geometry.footage import Footage
from reangle.geometry.frame_depth import WorldDepth
from reangle.geometry.multiview_sweep import NOISE, aggregate, best_labels, lowest, sweep, window_means
from reangle.geometry.steady import maps_to, pixel_maps

PARALLAX = (5.0, 12.0)
"""Wanted parallax in pixels of the two neighbours before a frame and of the two after it."""
FURTHER_PARALLAX = (3.0, 8.0)
"""Of two more neighbours where the frame has them on one side only."""
WIDE_PARALLAX = (8.0, 20.0)
"""Of the neighbours that refine a depth that is known already."""
LEAST_PARALLAX = 1.5
"""Parallax in pixels below which a frame is no neighbour."""
NEARER, FARTHER = 0.7, 2.0
"""By how much the search goes beyond the nearest and the farthest depth expected."""
STEP = 0.75
"""Distance of two planes, in pixels of parallax."""
FINE, FINE_REACH = np.float32(0.5), 2
"""Steps of the last refinement, in planes, and how many to either side."""
LEAST_PLANES, MOST_PLANES = 17, 97
LEAST_SIGMA = np.float32(0.1)
"""Of the expected log depth: networks are surest where they are wrong about an edge."""
SMALL_STEP, LARGE_STEP = np.float32(0.03), np.float32(0.25)
"""Costs of a change between neighbouring pixels: by one plane, by more."""
TEXTURE = 2 * NOISE
"""Standard deviation, in grey levels of 255, of a window that has texture."""
RIM = 5
"""Pixels by which masks of movers, which come from sparse points, may be too wide."""
COARSE = 12
"""Distance in pixels of the pixels whose parallax chooses neighbours."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """colour: T x h x w x 3 uint8. grey: T x h x w float32, 0 to 255."""

    colour: np.ndarray
    grey: np.ndarray

    @classmethod
    def of(cls, footage: Footage, width: int, height: int) -> Pictures:
        colour = np.stack(
            [
                cv2.resize(footage.image(frame), (width, height), interpolation=cv2.INTER_AREA)
                for frame in range(footage.count)
            ]
        )
        return cls(colour, np.stack([cv2.cvtColor(one, cv2.COLOR_RGB2GRAY).astype(np.float32) for one in colour]))


@dataclass(frozen=True, eq=False)
class Found:
    """What the search says of one frame, h x w each.

    inverse: 1 / depth, 0 where it is not usable. cost: of that, 0 (the pictures agree) to about 0.6. margin: by how
    much other depths cost more. textured: where the cost tells right from wrong. parallax: in pixels, the most that a
    neighbour shows.
    """

    inverse: np.ndarray
    cost: np.ndarray
    margin: np.ndarray
    textured: np.ndarray
    parallax: np.ndarray


@dataclass(frozen=True, eq=False)
class Search:
    """What the frames' searches share.

    world: the expected depth. usable: T x h x w bool, static pixels with depth. K: for h x w. neighbours: of each
    frame; wide: those that show more parallax. inverse: D, 1 / depth of the planes, from the farthest to the nearest.
    """

    world: WorldDepth
    pictures: Pictures
    usable: np.ndarray
    K: np.ndarray
    world_from_camera: np.ndarray
    neighbours: list[list[int]]
    wide: list[list[int]]
    inverse: np.ndarray

    @classmethod
    def of(cls, world: WorldDepth, camera: ClipCamera, pictures: Pictures) -> Search | None:
        """None if no frame has neighbours with parallax."""
        count, height, width = world.depth.shape
        usable = world.valid & ~_cores(world.moving)
        K, world_from_camera = camera.K_at(width, height), camera.world_from_camera
        chosen = [_neighbours(world, usable, K, world_from_camera, frame) for frame in range(count)]
        neighbours, wide = [near for near, _ in chosen], [far for _, far in chosen]
        if not any(neighbours):
            return None
        known = world.depth[:, ::3, ::3][usable[:, ::3, ::3]]
        nearest, farthest = NEARER * np.percentile(known, 0.5), FARTHER * np.percentile(known, 99.5)
        spans = [
            _span(K, world_from_camera, frame, others, (height, width), nearest, farthest)
            for frame, others in enumerate(neighbours)
            if others
        ]
        planes = int(np.clip(np.ceil(np.percentile(spans, 75) / STEP), LEAST_PLANES, MOST_PLANES))
        inverse = np.linspace(1 / farthest, 1 / nearest, planes)
        return cls(world, pictures, usable, K, world_from_camera, neighbours, wide, inverse)

    @property
    def step(self) -> float:
        """Distance of two planes in 1 / depth."""
        return float(self.inverse[1] - self.inverse[0])

    def measure(self, frame: int) -> Found:
        """The depth at which a frame agrees best with its neighbours, and with itself from pixel to pixel."""
        expected, others, usable = self.world.depth[frame], self.neighbours[frame], self.usable[frame]
        nothing = np.zeros_like(expected)
        if not others or not usable.any():
            return Found(nothing, nothing + 1, nothing, nothing > 0, nothing)
        expected = np.where(usable, expected, np.median(expected[usable])).astype(np.float32)
        grey = self.pictures.grey[frame]
        volume = self._costs(frame, others, nothing, self.inverse.astype(np.float32), 1 / expected)
        volume[~usable] = 0
        total = np.empty_like(volume)
        aggregate(volume, grey, SMALL_STEP, LARGE_STEP, total)
        label, cost, margin = (np.empty_like(expected) for _ in range(3))
        best_labels(total, volume, label, cost, margin)
        inverse = np.interp(label, np.arange(len(self.inverse)), self.inverse).astype(np.float32)
        _, variance, _ = window_means(grey)
        seen = [parallax(expected, self.K, self.world_from_camera, frame, other) for other in others]
        return Found(inverse * usable, cost, margin, variance > TEXTURE**2, np.max(seen, axis=0))

    def finer(self, frame: int, inverse: np.ndarray) -> np.ndarray:
        """1 / depth (h x w float32) moved by up to a step of the search to where the pictures agree best."""
        if not self.wide[frame]:
            return inverse
        fine = np.float32(self.step) * FINE
        offsets = fine * np.arange(-FINE_REACH, FINE_REACH + 1, dtype=np.float32)
        volume = self._costs(frame, self.wide[frame], inverse, offsets, inverse)
        for label in range(len(offsets)):
            volume[..., label] = cv2.blur(volume[..., label], (3, 3))
        shift = np.empty_like(inverse)
        lowest(volume, shift)
        return inverse + fine * shift

    def _costs(
        self, frame: int, others: list[int], inverse: np.ndarray, offsets: np.ndarray, expected: np.ndarray
    ) -> np.ndarray:
        """Costs of 1 / depth inverse + offsets, h x w x D; see `multiview_sweep.sweep`. expected: 1 / depth, h x w."""
        turns, shifts = maps_to(self.K, self.world_from_camera, frame, others)
        sigma = sigma_of(self.world.confidence[frame]).astype(np.float32)
        volume = np.empty((*inverse.shape, len(offsets)), np.float32)
        sweep(
            self.pictures.grey[frame],
            self.pictures.grey,
            self.usable,
            np.array(others),
            turns,
            shifts,
            inverse,
            offsets,
            np.log(np.maximum(expected, 1e-9)),
            np.maximum(sigma, LEAST_SIGMA),
            volume,
        )
        return volume


def _cores(masks: np.ndarray) -> np.ndarray:
    """T x h x w bool, without the RIM along the outline, which is a guess."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * RIM + 1,) * 2)
    return np.stack([cv2.erode(one.astype(np.uint8), kernel) for one in masks]) > 0


def parallax(depth: np.ndarray, K: np.ndarray, world_from_camera: np.ndarray, frame: int, other: int) -> np.ndarray:
    """By how many pixels each pixel moves from a frame to another because the camera's centre moves: h x w."""
    return _apart(depth, np.float32(np.inf), K, world_from_camera, frame, other)


def _apart(
    near: np.ndarray, far: np.floating, K: np.ndarray, world_from_camera: np.ndarray, frame: int, other: int
) -> np.ndarray:
    """Distance in pixels between where another frame sees each pixel at depth `near` (h x w) and at depth `far`."""
    turn, shift = pixel_maps(K, world_from_camera, frame, other)
    height, width = near.shape
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32) + np.float32(0.5)
    rays = turn[:, 0, None, None] * columns + turn[:, 1, None, None] * rows + turn[:, 2, None, None]
    a, b = (rays + shift[:, None, None] / depth for depth in (np.maximum(near, 1e-9), far))
    ahead = (a[2] > 1e-6) & (b[2] > 1e-6)
    a, b = a[:2] / np.where(ahead, a[2], 1), b[:2] / np.where(ahead, b[2], 1)
    return np.where(ahead, np.hypot(*(a - b)), 0).astype(np.float32)


def _span(
    K: np.ndarray,
    world_from_camera: np.ndarray,
    frame: int,
    others: list[int],
    shape: tuple[int, int],
    nearest: float,
    farthest: float,
) -> float:
    """Parallax in pixels between the nearest and the farthest plane: the median of the picture, the most of others."""
    coarse = np.full((shape[0] // COARSE, shape[1] // COARSE), nearest, np.float32)
    small = np.diag([1 / COARSE, 1 / COARSE, 1.0]) @ K
    far = np.float32(farthest)
    return max(
        COARSE * float(np.median(_apart(coarse, far, small, world_from_camera, frame, other))) for other in others
    )


def _neighbours(
    world: WorldDepth, usable: np.ndarray, K: np.ndarray, world_from_camera: np.ndarray, frame: int
) -> tuple[list[int], list[int]]:
    """On either side in time, the frames whose parallax is nearest to each of PARALLAX, and of WIDE_PARALLAX."""
    grid = (slice(None, None, COARSE), slice(None, None, COARSE))
    if not usable[frame][grid].any():
        return [], []
    small = np.diag([1 / COARSE, 1 / COARSE, 1.0]) @ K
    shifts = np.zeros(len(world.depth))
    for other in range(len(shifts)):
        if other != frame:
            moved = parallax(world.depth[frame][grid], small, world_from_camera, frame, other)
            shifts[other] = COARSE * float(np.median(moved[usable[frame][grid]]))
    able = np.flatnonzero(shifts >= LEAST_PARALLAX)
    sides = able[able < frame], able[able > frame]

    def nearest(few: tuple[float, ...], more: tuple[float, ...]) -> list[int]:
        chosen: set[int] = set()
        for side, opposite in (sides, sides[::-1]):
            for wanted in few if len(opposite) else (*few, *more):
                if len(side):
                    chosen.add(int(side[np.argmin(np.abs(np.log(shifts[side] / wanted)))]))
        return sorted(chosen)

    return nearest(PARALLAX, FURTHER_PARALLAX), nearest(WIDE_PARALLAX, PARALLAX)
