# SPDX-License-Identifier: Apache-2.0
"""The static scene's surface, seen from a few cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numba
import numpy as np

from reangle.kernels import KERNEL
from reangle.media.parallel import in_order
from reangle.warping.cameras import pixel_transform, target_from_source
from reangle.warping.lookup import SAME_SURFACE, source_point
from reangle.warping.raster import EMPTY
from reangle.warping.static_scene import image_shift, typical_depth
from reangle.warping.surface import Surface, make_surface

MOST_PLATES = 6
"""Static surfaces that are drawn into each target frame."""

SAME_VIEW = 0.5
"""Cameras whose pictures differ by fewer pixels than this share one plate."""

AS_FINE = 0.7
"""A plate shows a point in place of another plate if the point's pixel covers at least this area of its own pixels."""


@dataclass(frozen=True, eq=False)
class Plate:
    """A static surface seen from one camera: K 3 x 3 in pixels, world_from_camera 4 x 4.

    cells: those of the surface that are drawn, the others EMPTY.
    """

    surface: Surface
    K: np.ndarray
    world_from_camera: np.ndarray
    cells: np.ndarray

    @classmethod
    def whole(cls, surface: Surface, K: np.ndarray, world_from_camera: np.ndarray) -> Plate:
        """All cells of the surface."""
        return cls(surface, K, world_from_camera, surface.cells)


def make_plates(
    depth: np.ndarray, static: np.ndarray, K: np.ndarray, world_from_camera: np.ndarray, edge_filter: float
) -> list[Plate]:
    """One plate for each group of pictures that share a view, the most different ones first.

    depth: M x H x W float32. static: M x H x W bool. K: M x 3 x 3. world_from_camera: M x 4 x 4. edge_filter: as in
    `contract.PreviewSettings`.
    """
    height, width = depth.shape[1:]
    typical = typical_depth(depth)
    cameras = list(zip(K, world_from_camera, strict=True))
    groups: list[list[int]] = []
    for index in range(len(cameras)):
        for group in groups:
            if image_shift(cameras[group[0]], cameras[index], typical, width, height) < SAME_VIEW:
                group.append(index)
                break
        else:
            groups.append([index])
    firsts = [cameras[group[0]] for group in groups]
    chosen = [0]
    distance = np.array([image_shift(firsts[0], first, typical, width, height) for first in firsts])
    while len(chosen) < min(len(groups), MOST_PLATES):
        chosen.append(int(np.argmax(distance)))
        new = np.array([image_shift(firsts[chosen[-1]], first, typical, width, height) for first in firsts])
        distance = np.minimum(distance, new)

    def whole(choice: int) -> Plate:
        median = _median_static(depth, static, np.array(groups[choice]))
        return Plate.whole(make_surface(median, median > 0, width, height, edge_filter), *firsts[choice])

    plates = list(in_order(whole, chosen))
    return list(in_order(lambda number: without_shown(plates[number], plates[:number]), range(len(plates))))


def without_shown(plate: Plate, earlier: Sequence[Plate]) -> Plate:
    """The plate with the cells alone that earlier plates do not show as finely, and those around."""
    depth = plate.surface.depth
    left = plate.surface.valid.copy()
    for other in earlier:
        A, b = pixel_transform(plate.K, target_from_source(other.world_from_camera, plate.world_from_camera), other.K)
        _leave_out_shown(depth, other.surface.depth, A, b, left)
    height, width = depth.shape
    around = np.zeros((height + 2, width + 2), np.uint8)
    around[1:-1, 1:-1] = left
    # One pixel more, so that what is left overlaps what others show; then the corners of these pixels.
    around = cv2.dilate(around, np.ones((3, 3), np.uint8))
    near = cv2.dilate(around, np.ones((2, 2), np.uint8))[1:, 1:]
    return replace(plate, cells=np.where(near > 0, plate.cells, np.uint8(EMPTY)))


@numba.njit(**KERNEL)
def _leave_out_shown(depth, other, A, b, left):
    """Clears `left` where another plate, to which A and b lead, shows the same point about as finely."""
    height, width = depth.shape
    for y in range(height):
        for x in range(width):
            if not left[y, x]:
                continue
            z = depth[y, x]
            u, v, there = source_point(x + 0.5, y + 0.5, z, A, b)
            if not (there > 0 and 0 <= u < other.shape[1] and 0 <= v < other.shape[0]):
                continue
            if abs(other[int(v), int(u)] - there) > SAME_SURFACE / 2 * there:
                continue
            right, down = _beside(depth, y, x, y, x + 1), _beside(depth, y, x, y + 1, x)
            u_right, v_right, z_right = source_point(x + 1.5, y + 0.5, right, A, b)
            u_down, v_down, z_down = source_point(x + 0.5, y + 1.5, down, A, b)
            area = abs((u_right - u) * (v_down - v) - (v_right - v) * (u_down - u))
            left[y, x] = not (z_right > 0 and z_down > 0 and area >= AS_FINE)


@numba.njit(inline="always")
def _beside(depth, y, x, j, i):
    """Depth of the pixel (j, i) if it continues the surface of (y, x), else that of (y, x)."""
    z = depth[y, x]
    if j < depth.shape[0] and i < depth.shape[1] and abs(depth[j, i] - z) < 0.1 * z:
        return depth[j, i]
    return z


@numba.njit(**KERNEL)
def _median_static(depths, static, group):
    """Median depth of each pixel's static ones, the upper of the two middle ones; 0 where there is none."""
    _, height, width = depths.shape
    out = np.zeros((height, width), np.float32)
    values = np.empty(group.shape[0], np.float32)
    for y in range(height):
        for x in range(width):
            count = 0
            for n in range(group.shape[0]):
                if static[group[n], y, x]:
                    # Sorted as they come. There are few, and a partition by the library copies them first.
                    z, at = depths[group[n], y, x], count
                    while at > 0 and values[at - 1] > z:
                        values[at] = values[at - 1]
                        at -= 1
                    values[at] = z
                    count += 1
            if count:
                out[y, x] = values[count // 2]
    return out
