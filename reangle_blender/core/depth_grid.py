# SPDX-License-Identifier: GPL-3.0-or-later
"""A depth map as a grid of vertices, cut at depth edges, in the space of the origin empty. No bpy; runs in threads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .camera import BLENDER_FROM_CV
from .cloud import LINEAR, Cloud

SOLID, BRIDGE, HOLE = 0, 1, 2
"""Kinds of cells: surface; between two surfaces; without depth at a corner."""

EDGE_TOLERANCE = 0.015
"""Neighbours are linked if the slope on one side predicts the other's inverse depth within this share of it. The
backend's warp has the same rule."""

FARTHEST = 200.0
"""Depth is limited to this many times the median: a sky at 1e10 would cost the renderer its precision."""

BORDER = 2
"""Pixels by which the grid reaches beyond the picture: the renderer's pixel filter looks over the border."""


@dataclass(frozen=True, eq=False)
class DepthGrid:
    """One frame's grid, row by row.

    columns, rows: of vertices. co: (rows * columns) x 3 float32, in the space of the origin empty (Blender axes, the
    geometry's unit). rgba: (rows * columns) x 4 float32, linear. cells: ((rows - 1) * (columns - 1)) uint8, SOLID,
    BRIDGE or HOLE. pose: 4 x 4, of the camera in the geometry's world, OpenCV axes.
    """

    columns: int
    rows: int
    co: np.ndarray
    rgba: np.ndarray
    cells: np.ndarray
    pose: np.ndarray

    @property
    def middle(self) -> np.ndarray:
        """The point in the picture's middle, as `co`."""
        return self.co[self.rows // 2 * self.columns + self.columns // 2]

    @property
    def nbytes(self) -> int:
        return self.co.nbytes + self.rgba.nbytes + self.cells.nbytes


@dataclass(frozen=True, eq=False)
class Topology:
    """Flat int32. corners: the four vertices of each cell, as the camera sees them counterclockwise. edges: the two
    vertices of each edge, those along rows first. after: the edge after each of `corners`. starts: the first of the
    `corners` of each cell."""

    corners: np.ndarray
    edges: np.ndarray
    after: np.ndarray
    starts: np.ndarray


def fill_gaps(depth: np.ndarray) -> np.ndarray:
    """Depth with a guess where there is none: in its row, the farther one of the two sides; else in its column.

    depth: h x w float32, 0 where there is none. What opens behind a thing belongs to what is farther away.
    """
    if (depth > 0).all():
        return depth
    filled = _farther_side(depth)
    return filled if (filled > 0).all() else _farther_side(filled.T).T


def _farther_side(depth: np.ndarray) -> np.ndarray:
    height, width = len(depth), len(depth[0])
    columns = np.arange(width)
    known = depth > 0
    left = np.maximum.accumulate(np.where(known, columns, 0), axis=1)
    right = np.minimum.accumulate(np.where(known, columns, width - 1)[:, ::-1], axis=1)[:, ::-1]
    rows = np.arange(height)[:, None]
    return np.where(known, depth, np.maximum(depth[rows, left], depth[rows, right]))


def cells_of(depth: np.ndarray, tolerance: float = EDGE_TOLERANCE) -> np.ndarray:
    """The kind of each cell between four neighbours: (h - 1) x (w - 1) uint8. depth: h x w, 0 where there is none.

    Inverse depth is affine in pixels over a plane, so that a floor at a grazing angle is not cut.
    """
    inverse = np.divide(1, depth, out=np.zeros(depth.shape, np.float32), where=depth > 0)
    across, down = _cut(inverse, tolerance), _cut(inverse.T, tolerance).T
    cut = across[1:] | across[:-1] | down[:, 1:] | down[:, :-1]
    hole = depth <= 0
    hole = hole[1:, 1:] | hole[1:, :-1] | hole[:-1, 1:] | hole[:-1, :-1]
    return np.where(hole, np.uint8(HOLE), cut.astype(np.uint8) * np.uint8(BRIDGE))


def _cut(inverse: np.ndarray, tolerance: float) -> np.ndarray:
    """h x (w - 1) bool: between a pixel and the one to its right lies a depth edge."""
    step = np.diff(inverse, axis=1)
    bend = np.abs(np.diff(step, axis=1))
    error = np.abs(step)
    # A neighbour without depth predicts nothing.
    error[:, 1:] = np.minimum(error[:, 1:], np.where(inverse[:, :-2] > 0, bend, np.inf))
    error[:, :-1] = np.minimum(error[:, :-1], np.where(inverse[:, 2:] > 0, bend, np.inf))
    return error > tolerance * np.maximum(inverse[:, 1:], inverse[:, :-1])


@lru_cache(maxsize=2)
def topology(columns: int, rows: int) -> Topology:
    """How the vertices of a grid are linked. The clip's frames have the same, and so do a result's: both are kept."""
    first = np.arange(rows - 1, dtype=np.int32)[:, None] * columns + np.arange(columns - 1, dtype=np.int32)
    corners = np.stack([first, first + columns, first + columns + 1, first + 1], -1)
    vertices = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    along = np.stack([vertices[:, :-1], vertices[:, 1:]], -1).reshape(-1, 2)
    down = np.stack([vertices[:-1], vertices[1:]], -1).reshape(-1, 2)
    upper = np.arange(rows * (columns - 1), dtype=np.int32).reshape(rows, columns - 1)
    left = len(along) + np.arange((rows - 1) * columns, dtype=np.int32).reshape(rows - 1, columns)
    after = np.stack([left[:, :-1], upper[1:], left[:, 1:], upper[:-1]], -1)
    starts = np.arange(0, corners.size, 4, dtype=np.int32)
    return Topology(corners.ravel(), np.concatenate([along, down]).ravel(), after.ravel(), starts)


def make_grid(
    depth: np.ndarray,
    K: np.ndarray,
    world_from_camera: np.ndarray,
    cloud: Cloud | None,
    frame: int,
    *,
    every: int = 1,
    fill: bool = True,
) -> DepthGrid:
    """The grid of a depth map, coloured as the clip's frame shows it.

    depth: h x w float32, planar z, 0 where there is none. K: 3 x 3 of these pixels. world_from_camera: 4 x 4, OpenCV
    axes. cloud, frame: where the colours come from; grey without. every: take each so many-th pixel in both directions.
    fill: guess the depth of holes.
    """
    height, width = len(depth), len(depth[0])
    rows = np.arange(min(every // 2, height - 1), height, every)
    columns = np.arange(min(every // 2, width - 1), width, every)
    picked = depth[np.ix_(rows, columns)]
    known = picked[picked > 0]
    if known.size:
        picked = np.minimum(picked, np.float32(FARTHEST * np.median(known)))
    if fill:
        picked = fill_gaps(picked)
    # Vertices at pixel centres, and around them a ring beyond the border.
    picked = np.pad(picked, 1, mode="edge")
    beyond = BORDER * every
    x: np.ndarray = np.r_[-beyond, columns + 0.5, width + beyond]
    y: np.ndarray = np.r_[-beyond, rows + 0.5, height + beyond]
    origin_from_camera: np.ndarray = BLENDER_FROM_CV @ world_from_camera
    per_pixel: np.ndarray = origin_from_camera[:3, :3] @ np.linalg.inv(K)
    centre = origin_from_camera[:3, 3]
    co = np.empty((*picked.shape, 3), np.float32)
    for axis in range(3):
        ray = (per_pixel[axis, 1] * y + per_pixel[axis, 2])[:, None] + per_pixel[axis, 0] * x
        co[..., axis] = ray * picked + centre[axis]
    co = co.reshape(-1, 3)
    topology(len(x), len(y))  # here, in a thread
    return DepthGrid(
        columns=len(x),
        rows=len(y),
        co=co,
        rgba=_colours(cloud, frame, co),
        cells=cells_of(picked).ravel(),
        pose=np.asarray(world_from_camera, np.float64),
    )


def _colours(cloud: Cloud | None, frame: int, co: np.ndarray) -> np.ndarray:
    """N x 4 float32, linear: what the clip's frame shows in the direction of each point, at its border beyond it; grey
    without a cloud."""
    rgba = np.ones((len(co), 4), np.float32)
    if cloud is None:
        rgba[:, :3] = LINEAR[128]
        return rgba
    origin_from_camera: np.ndarray = BLENDER_FROM_CV @ cloud.world_from_camera[frame]
    camera_from_origin = np.linalg.inv(origin_from_camera)[:3]
    pixel_from_point: np.ndarray = np.asarray(cloud.K[frame] @ camera_from_origin, np.float32)
    pixels: np.ndarray = pixel_from_point[:, :3] @ co.T + pixel_from_point[:, 3:]
    pixels[2][pixels[2] <= 0] = np.inf  # behind the clip's camera
    width, height = cloud.size
    column = np.asarray(np.clip(pixels[0] / pixels[2], 0, width - 1), np.intp)
    row = np.asarray(np.clip(pixels[1] / pixels[2], 0, height - 1), np.intp)
    rgba[:, :3] = LINEAR[cloud.rgb[frame, row, column]]
    return rgba
