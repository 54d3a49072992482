# SPDX-License-Identifier: Apache-2.0
"""Scene memory: the static scene where one frame does not show it, from the frames that do."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numba
import numpy as np

from reangle.geometry.video_geometry import VideoGeometry
from reangle.kernels import KERNEL
from reangle.media.parallel import thread_count
from reangle.warping.cameras import pixel_transform, target_from_source
from reangle.warping.drawing import PROCESSOR, Drawing
from reangle.warping.lookup import SAME_SURFACE, cubic_colour, own_surface_colour, rounded, source_point, white_of
from reangle.warping.plates import Plate, make_plates
from reangle.warping.static_scene import Witnesses, static_pixels
from reangle.warping.surface import DEFAULT_EDGE_FILTER, Surface, make_surface
from reangle.warping.types import View

MOST_FRAMES = 64
"""Frames that the memory holds; of longer clips, this many spread evenly."""


class Recalled(NamedTuple):
    """The memory, seen from one camera.

    rgb: H x W x 3 uint8 or uint16. depth: H x W float32, planar z, 0 where unknown.
    near: H x W bool, pixels on the nearer side of a depth edge in their source picture.
    """

    rgb: np.ndarray
    depth: np.ndarray
    near: np.ndarray


class Memory:
    """Pictures of one static scene from M cameras.

    numbers: M rising frame numbers of the clip. colours: M x H x W x 3 uint8 or uint16. static: M x H x W bool, pixels
    that may be recalled. worth: `_worth_of` them. plates: the surfaces that are drawn into the target.
    """

    def __init__(
        self,
        numbers: np.ndarray,
        colours: np.ndarray,
        surfaces: Sequence[Surface],
        K: np.ndarray,
        world_from_camera: np.ndarray,
        drawing: Drawing = PROCESSOR,
    ) -> None:
        self.numbers = numbers
        self.drawing = drawing
        self.colours = colours
        self.surfaces = surfaces
        self.K = K
        self.world_from_camera = world_from_camera
        self.depth = np.stack([surface.depth for surface in surfaces])
        self.rough = np.stack([surface.rough for surface in surfaces])
        self.near = np.stack([surface.near for surface in surfaces])
        self.static = self.depth > 0
        self.worth = _worth_of(self.rough, self.static)
        self.plates: list[Plate] = []

    @classmethod
    def of_clip(
        cls,
        frames: np.ndarray,
        geometry: VideoGeometry,
        only: Sequence[int] | None = None,
        edge_filter: float = DEFAULT_EDGE_FILTER,
        drawing: Drawing = PROCESSOR,
    ) -> Memory:
        """The static pixels of a clip.

        frames: T x H x W x 3 uint8. geometry: of the same T frames. only: numbers of the frames to hold, rising.
        edge_filter: as in `contract.PreviewSettings`.
        """
        count, height, width = frames.shape[:3]
        numbers = np.unique(np.linspace(0, count - 1, min(count, MOST_FRAMES)).round().astype(int))
        numbers = numbers if only is None else np.array(only)
        K, world_from_camera = geometry.K_at(width, height)[numbers], geometry.world_from_camera[numbers]

        def surface(number: int) -> Surface:
            return make_surface(geometry.depth[number], geometry.valid[number], width, height, edge_filter)

        def static(index: int) -> np.ndarray:
            dynamic = None if geometry.dynamic is None else geometry.dynamic[numbers[index]]
            return static_pixels(memory.depth, witnesses, K, world_from_camera, index, dynamic)

        with ThreadPoolExecutor(thread_count()) as pool:
            surfaces = list(pool.map(surface, numbers))
            colours = frames if len(numbers) == count else np.ascontiguousarray(frames[numbers])
            memory = cls(numbers, colours, surfaces, K, world_from_camera, drawing)
            witnesses = Witnesses.of(memory.depth)
            memory.static = np.stack(list(pool.map(static, range(len(numbers)))))
        memory.worth = _worth_of(memory.rough, memory.static)
        memory.plates = make_plates(memory.depth, memory.static, K, world_from_camera, edge_filter)
        return memory

    @classmethod
    def of_views(cls, views: Sequence[View]) -> Memory:
        """Still pictures of one size; earlier ones take precedence."""
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
            Plate.whole(surface, view.K, view.world_from_camera) for surface, view in zip(surfaces, views, strict=True)
        ]
        return memory

    def surface_of(self, frame: int) -> Surface | None:
        """The surface of the clip's frame, if the memory holds that frame."""
        at = int(np.searchsorted(self.numbers, frame))
        return self.surfaces[at] if at < len(self.numbers) and self.numbers[at] == frame else None

    def recall(
        self,
        frame: int,
        K: np.ndarray,
        world_from_camera: np.ndarray,
        mask: np.ndarray,
        own: Plate | None = None,
        nearer_than: np.ndarray | None = None,
    ) -> Recalled:
        """The static scene in the masked pixels of a target camera.

        frame: number in the clip; pictures nearest in time take precedence. mask: height x width bool. own: that
        frame's surface; its picture is not used, and points that it would have shown in front of its own surface are
        dropped. nearer_than: height x width float32; outside the mask, points nearer than this depth are recalled too.
        """
        height, width = mask.shape
        recalled = Recalled(
            np.zeros((height, width, 3), self.colours.dtype),
            np.zeros((height, width), np.float32),
            np.zeros((height, width), np.bool_),
        )
        # In 1 / depth: what the recalled points must exceed.
        outside = np.float32(np.inf) if nearer_than is None else _inverse(nearer_than)
        nearest = np.where(mask, np.float32(0), outside)
        if np.isinf(nearest).all():
            return recalled
        order = np.argsort(np.abs(self.numbers - frame), kind="stable")
        own_depth, own_terms = np.zeros((1, 1), np.float32), (np.eye(3), np.zeros(3))
        if own is not None:
            own_depth = own.surface.depth
            own_terms = pixel_transform(K, target_from_source(own.world_from_camera, world_from_camera), own.K)
            order = order[self.numbers[order] != frame]
        if not len(order):
            return recalled
        for plate in self.plates:
            target_from_plate = target_from_source(world_from_camera, plate.world_from_camera)
            drawn, surface = nearest.copy(), plate.surface
            self.drawing.draw_nearer(drawn, surface.depth, surface.valid, plate.cells, plate.K, target_from_plate, K)
            _keep_hidden(drawn, nearest, own_depth, *own_terms, recalled.depth)
        terms = [
            pixel_transform(K, target_from_source(self.world_from_camera[k], world_from_camera), self.K[k])
            for k in order
        ]
        A, b = np.stack([A for A, _ in terms]), np.stack([b for _, b in terms])
        pictures = self.colours, self.depth, self.rough, self.near, self.worth
        _gather(*pictures, order, A, b, *recalled, white_of(self.colours))
        return recalled


def _inverse(depth: np.ndarray) -> np.ndarray:
    """1 / depth, float32; infinite where depth is 0."""
    return np.divide(1, depth, out=np.full(depth.shape, np.inf, np.float32), where=depth > 0)


@numba.njit(**KERNEL)
def _worth_of(rough, static):
    """What a pixel is worth to one that is looked up: 2 away from depth edges, 1 beside one, 0 if it may not be
    recalled. M x H x W uint8."""
    worth = np.empty(rough.shape, np.uint8)
    flat, edges, still = worth.reshape(-1), rough.reshape(-1), static.reshape(-1)
    for n in range(flat.shape[0]):
        smooth = (edges[n] == 0) | (edges[n] > 2)
        flat[n] = (np.uint8(1) + smooth) * still[n]
    return worth


@numba.njit(**KERNEL)
def _keep_hidden(drawn, nearest, own, A, b, depth):
    """Keep drawn points, in 1 / depth, that are nearer than what is kept and were hidden from the frame itself."""
    height, width = nearest.shape
    for y in range(height):
        for x in range(width):
            if drawn[y, x] <= nearest[y, x]:
                continue
            z = np.float32(1) / drawn[y, x]
            u, v, there = source_point(x + 0.5, y + 0.5, z, A, b)
            if there > 0 and 0 <= u < own.shape[1] and 0 <= v < own.shape[0]:
                seen = own[int(v), int(u)]
                if seen > 0 and there < seen * (1 - SAME_SURFACE):
                    continue
            nearest[y, x] = drawn[y, x]
            depth[y, x] = z


@numba.njit(**KERNEL)
def _gather(colours, depths, rough, near, worth, order, A, b, out, depth, is_near, white):
    """Colour each pixel from the first picture that shows its point away from depth edges, else from the first that
    shows it beside one. Where no picture agrees on the depth, the depth is cleared."""
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
                # Worth first: more of it fits into the caches.
                this = worth[k, j, i]
                if this <= quality or abs(depths[k, j, i] - there) > SAME_SURFACE * there:
                    continue
                if this == 2:
                    cubic_colour(colours[k], u, v, colour)
                elif not own_surface_colour(colours[k], depths[k], rough[k], near[k], u, v, there, colour):
                    continue
                quality = this
                is_near[y, x] = near[k, j, i]
                for c in range(3):
                    out[y, x, c] = rounded(colour[c], white)
                if quality == 2:
                    break
            if quality == 0:
                depth[y, x] = 0
