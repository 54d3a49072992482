# SPDX-License-Identifier: Apache-2.0
"""4D memory: what the static scene looks like where this frame does not see it, from the frames that do."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numba
import numpy as np

from reangle.geometry.video_geometry import VideoGeometry
from reangle.warping.lift import KERNEL, pixel_transform, target_from_source, thread_count
from reangle.warping.lookup import SAME_SURFACE, cubic_colour, own_surface_colour, source_point, to_byte
from reangle.warping.mesh import mesh_depth
from reangle.warping.surface import Surface, make_surface
from reangle.warping.types import View

MOST_FRAMES = 64
"""Frames that are kept in mind; of longer clips, this many spread evenly."""

WITNESSES = 9
"""Pictures, spread over the clip, that each picture's pixels are checked against for things that move."""

MOST_AGREEMENT = 8
"""A pixel moves if at least one in this many pictures that know of its place looks through it."""

MOST_PLATES = 6
"""Static surfaces that are drawn into each target frame."""

SAME_VIEW = 0.5
"""Cameras whose pictures differ by fewer pixels than this are one view; their static pixels make one plate."""

EDGE_OF_MOVERS = 3
"""Pixels around a moving thing that are not trusted either: its blur and its soft edge."""


class Recalled(NamedTuple):
    """rgb: H x W x 3 uint8. depth: H x W float32, planar z, 0 where nothing is known.
    near: H x W bool, pixels at the nearer side of a depth edge of the picture they are from."""

    rgb: np.ndarray
    depth: np.ndarray
    near: np.ndarray


@dataclass(frozen=True, eq=False)
class Plate:
    """A static surface as seen from one camera."""

    surface: Surface
    K: np.ndarray
    world_from_camera: np.ndarray


class Memory:
    """Pictures of one static scene from M cameras.

    kept: M clip indices, which tell how near in time a picture is. colours: M x H x W x 3 uint8.
    static: M x H x W bool, what may be recalled. plates: the surfaces that are drawn into the target.
    """

    def __init__(
        self,
        kept: np.ndarray,
        colours: np.ndarray,
        surfaces: Sequence[Surface],
        K: np.ndarray,
        world_from_camera: np.ndarray,
    ) -> None:
        self.kept = kept
        self.colours = colours
        self.surfaces = surfaces
        self.K = K
        self.world_from_camera = world_from_camera
        self.depth = np.stack([surface.depth for surface in surfaces])
        self.rough = np.stack([surface.rough for surface in surfaces])
        self.near = np.stack([surface.near for surface in surfaces])
        self.static = self.depth > 0
        self.plates: list[Plate] = []

    @classmethod
    def of_clip(cls, frames: np.ndarray, geometry: VideoGeometry, only: Sequence[int] | None = None) -> Memory:
        """The static pixels of a clip.

        frames: T x H x W x 3 uint8. geometry: of the same T frames. only: indices of the frames to keep in mind.
        """
        count, height, width = frames.shape[:3]
        kept = np.unique(np.linspace(0, count - 1, min(count, MOST_FRAMES)).round().astype(int))
        kept = kept if only is None else np.array(only)
        with ThreadPoolExecutor(thread_count(None)) as pool:
            surfaces = list(pool.map(lambda k: make_surface(geometry.depth[k], geometry.valid[k], width, height), kept))
            colours = frames if len(kept) == count else np.ascontiguousarray(frames[kept])
            memory = cls(kept, colours, surfaces, geometry.K_at(width, height)[kept], geometry.world_from_camera[kept])
            told = [None if geometry.dynamic is None else geometry.dynamic[k] for k in kept]
            memory.static = np.stack(list(pool.map(memory._static_of, range(len(kept)), told)))
        memory.plates = memory._make_plates()
        return memory

    @classmethod
    def of_views(cls, views: Sequence[View]) -> Memory:
        """Stills of one size, asked in the order given."""
        height, width = views[0].depth.shape
        surfaces = [make_surface(view.depth, view.depth > 0, width, height) for view in views]
        memory = cls(
            np.arange(len(views)),
            np.stack([view.rgb for view in views]),
            surfaces,
            np.stack([view.K for view in views]),
            np.stack([view.world_from_camera for view in views]),
        )
        memory.plates = [
            Plate(surface, view.K, view.world_from_camera) for surface, view in zip(surfaces, views, strict=True)
        ]
        return memory

    def surface_of(self, frame: int) -> Surface | None:
        """The surface of the clip's frame, if it was kept."""
        at = int(np.searchsorted(self.kept, frame))
        return self.surfaces[at] if at < len(self.kept) and self.kept[at] == frame else None

    def recall(
        self,
        frame: int,
        K: np.ndarray,
        world_from_camera: np.ndarray,
        wanted: np.ndarray,
        own: Plate | None = None,
        before: np.ndarray | None = None,
    ) -> Recalled:
        """The static scene at the wanted pixels of a target camera.

        frame: clip index; pictures near it in time are asked first. wanted: height x width bool. own: that frame
        itself; what it would have seen in front of its own surface is not believed, and its picture is not asked.
        before: height x width float32; at the other pixels, what lies nearer than this depth is recalled too.
        """
        height, width = wanted.shape
        recalled = Recalled(
            np.zeros((height, width, 3), np.uint8),
            np.zeros((height, width), np.float32),
            np.zeros((height, width), np.bool_),
        )
        limit = np.where(wanted, np.float32(np.inf), np.float32(0) if before is None else before).astype(np.float32)
        if not limit.any():
            return recalled
        order = np.argsort(np.abs(self.kept - frame), kind="stable")
        own_depth, own_terms = np.zeros((1, 1), np.float32), (np.eye(3), np.zeros(3))
        if own is not None:
            own_depth = own.surface.depth
            own_terms = pixel_transform(K, target_from_source(own.world_from_camera, world_from_camera), own.K)
            order = order[self.kept[order] != frame]
        if not len(order):
            return recalled
        for plate in self.plates:
            there = target_from_source(world_from_camera, plate.world_from_camera)
            depth = plate.surface.depth
            drawn = mesh_depth(depth, depth > 0, plate.K, there, K, width, height)
            _nearest_hidden(drawn, limit, own_depth, *own_terms, recalled.depth)
        terms = [self._terms_to(k, K, world_from_camera) for k in order]
        A, b = np.stack([A for A, _ in terms]), np.stack([b for _, b in terms])
        _gather(self.colours, self.depth, self.rough, self.near, self.static, order, A, b, *recalled)
        return recalled

    def _terms_to(self, k: int, K: np.ndarray, world_from_camera: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return pixel_transform(K, target_from_source(self.world_from_camera[k], world_from_camera), self.K[k])

    def _static_of(self, index: int, told: np.ndarray | None) -> np.ndarray:
        """A pixel is static unless the geometry says that it moves, or some other frame looks right through it."""
        count, height, width = self.depth.shape
        witnesses = np.unique(np.linspace(0, count - 1, min(count, WITNESSES)).round().astype(int))
        witnesses = witnesses[witnesses != index]
        moving = np.zeros((height, width), np.uint8)
        if len(witnesses):
            terms = [self._terms_to(j, self.K[index], self.world_from_camera[index]) for j in witnesses]
            A, b = np.stack([A for A, _ in terms]), np.stack([b for _, b in terms])
            moving = _seen_through(self.depth, index, witnesses, A, b)
            moving = cv2.morphologyEx(moving, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
        if told is not None:
            told = cv2.resize(told.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
            moving = np.maximum(moving, told)
        grow = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * EDGE_OF_MOVERS + 1,) * 2)
        return (cv2.dilate(moving, grow) == 0) & (self.depth[index] > 0)

    def _make_plates(self) -> list[Plate]:
        """One plate for each group of pictures that share a view, the most different ones first."""
        height, width = self.depth.shape[1:]
        typical = typical_depth(self.depth)
        cameras = list(zip(self.K, self.world_from_camera, strict=True))
        groups: list[list[int]] = []
        for index in range(len(cameras)):
            for group in groups:
                if apart(cameras[group[0]], cameras[index], typical, width, height) < SAME_VIEW:
                    group.append(index)
                    break
            else:
                groups.append([index])
        firsts = [cameras[group[0]] for group in groups]
        chosen = [0]
        distance = np.array([apart(firsts[0], first, typical, width, height) for first in firsts])
        while len(chosen) < min(len(groups), MOST_PLATES):
            chosen.append(int(np.argmax(distance)))
            new = np.array([apart(firsts[chosen[-1]], first, typical, width, height) for first in firsts])
            distance = np.minimum(distance, new)
        plates = []
        for choice in chosen:
            depth = _median_static(self.depth, self.static, np.array(groups[choice]))
            plates.append(Plate(make_surface(depth, depth > 0, width, height), *firsts[choice]))
        return plates


def typical_depth(depth: np.ndarray) -> float:
    """The median of what is there, in sixteenths of the pixels; 1 if there is nothing."""
    there = depth[..., ::4, ::4]
    there = there[there > 0]
    return float(np.median(there)) if there.size else 1.0


def apart(
    one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray], depth: float, width: int, height: int
) -> float:
    """How many pixels apart two cameras (K, world_from_camera) show points at this depth, at the most."""
    A, b = pixel_transform(one[0], target_from_source(other[1], one[1]), other[0])
    corners = np.array([[x, y, 1.0] for x in (0, width / 2, width) for y in (0, height / 2, height)])
    q = depth * corners @ A.T + b
    if (q[:, 2] <= 0).any():
        return float("inf")
    return float(np.abs(q[:, :2] / q[:, 2:] - corners[:, :2]).max())


@numba.njit(**KERNEL)
def _seen_through(depths, index, others, A, b):
    """H x W uint8: 1 where enough of the other pictures look through picture `index` at what is behind."""
    _, height, width = depths.shape
    out = np.zeros((height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            z = depths[index, y, x]
            if z <= 0:
                continue
            agree, through = 0, 0
            for n in range(others.shape[0]):
                u, v, there = source_point(x + 0.5, y + 0.5, z, A[n], b[n])
                if there <= 0 or not (1 <= u < width - 1 and 1 <= v < height - 1):
                    continue
                i, j = int(u), int(v)
                nearest, known = np.float32(1e30), True
                for jj in range(j - 1, j + 2):
                    for ii in range(i - 1, i + 2):
                        other = depths[others[n], jj, ii]
                        known &= other > 0
                        nearest = min(nearest, other)
                if not known:
                    continue
                if nearest > there * (1 + SAME_SURFACE):
                    through += 1
                elif abs(depths[others[n], j, i] - there) < SAME_SURFACE * there:
                    agree += 1
            out[y, x] = through > 0 and through * MOST_AGREEMENT >= agree + through
    return out


@numba.njit(**KERNEL)
def _median_static(depths, static, group):
    _, height, width = depths.shape
    out = np.zeros((height, width), np.float32)
    values = np.empty(group.shape[0], np.float32)
    for y in range(height):
        for x in range(width):
            count = 0
            for n in range(group.shape[0]):
                if static[group[n], y, x]:
                    values[count] = depths[group[n], y, x]
                    count += 1
            if count == 1:
                out[y, x] = values[0]
            elif count:
                out[y, x] = np.partition(values[:count], count // 2)[count // 2]
    return out


@numba.njit(**KERNEL)
def _nearest_hidden(drawn, limit, own, A, b, depth):
    """Keep the nearest surface that the frame itself could not have seen, if it is nearer than the limit."""
    height, width = limit.shape
    for y in range(height):
        for x in range(width):
            z = drawn[y, x]
            if z <= 0 or z >= limit[y, x] or 0 < depth[y, x] <= z:
                continue
            u, v, there = source_point(x + 0.5, y + 0.5, z, A, b)
            if there > 0 and 0 <= u < own.shape[1] and 0 <= v < own.shape[0]:
                seen = own[int(v), int(u)]
                if seen > 0 and there < seen * (1 - SAME_SURFACE):
                    continue
            depth[y, x] = z


@numba.njit(**KERNEL)
def _gather(colours, depths, rough, near, static, order, A, b, out, depth, is_near):
    """Ask the pictures in order: one that sees the place well is taken at once, one that sees it beside a depth edge
    only if there is none. Where none agrees on the depth, it is cleared."""
    height, width = depth.shape
    source_height, source_width = depths.shape[1:]
    colour = np.zeros(3)
    for y in range(height):
        for x in range(width):
            z = depth[y, x]
            if z <= 0:
                continue
            quality = 0
            for n in range(order.shape[0]):
                k = order[n]
                u, v, there = source_point(x + 0.5, y + 0.5, z, A[n], b[n])
                if there <= 0 or not (0 <= u < source_width and 0 <= v < source_height):
                    continue
                i, j = int(u), int(v)
                if not static[k, j, i] or abs(depths[k, j, i] - there) > SAME_SURFACE * there:
                    continue
                this = 2 if rough[k, j, i] == 0 or rough[k, j, i] > 2 else 1
                if this <= quality:
                    continue
                if this == 2:
                    cubic_colour(colours[k], u, v, colour)
                elif not own_surface_colour(colours[k], depths[k], rough[k], near[k], u, v, there, colour):
                    continue
                quality = this
                is_near[y, x] = near[k, j, i]
                for c in range(3):
                    out[y, x, c] = to_byte(colour[c])
                if quality == 2:
                    break
            if quality == 0:
                depth[y, x] = 0
