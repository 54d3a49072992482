# SPDX-License-Identifier: GPL-3.0-or-later
"""`cloud.npz`, the backend's depth in colour, as points in the space of the origin empty."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .camera import BLENDER_FROM_CV
from .errors import UserError


def _srgb_to_linear() -> np.ndarray:
    encoded = np.arange(256) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return linear.astype(np.float32)


LINEAR = _srgb_to_linear()
"""Linear value of each sRGB byte: 256 float32."""


class Filters(NamedTuple):
    """Which points are shown; edge, confidence: as in `contract.PreviewSettings`."""

    edge: float
    confidence: float


UNFILTERED = Filters(0.0, 0.0)


@dataclass(frozen=True, eq=False)
class CloudFrame:
    """The points of one frame, row by row. co: n x 3 float32, in the space of the origin empty (Blender axes, the
    geometry's unit). rgb: n x 3 uint8, sRGB. dynamic: n bool, points that move in the world. used: how many of them are
    points; the rest repeat the first one."""

    co: np.ndarray
    rgb: np.ndarray
    dynamic: np.ndarray
    used: int

    def linear_rgba(self) -> np.ndarray:
        """n x 4 float32 for a FLOAT_COLOR attribute: linear, opaque."""
        rgba = np.empty((len(self.rgb), 4), np.float32)
        rgba[:, 3] = 1
        for channel in range(3):
            LINEAR.take(self.rgb[:, channel], out=rgba[:, channel], mode="clip")
        return rgba


@dataclass(frozen=True, eq=False)
class PixelGrid:
    """What a shader needs to draw a frame: pixels of the depth map, row by row, also those without a point.

    columns, rows: how many; each stands for an equal part of the picture. depth: n float32, planar z, 0 without a
    point. rgba: n x 4 uint8, sRGB, opaque.
    """

    columns: int
    rows: int
    depth: np.ndarray
    rgba: np.ndarray

    @property
    def nbytes(self) -> int:
        return self.depth.nbytes + self.rgba.nbytes


@dataclass(frozen=True, eq=False)
class Cloud:
    """Depth and colour of T frames.

    depth: T x h x w float32, planar z, 0 where there is no point. rgb: T x h x w x 3 uint8. K: T x 3 x 3 of h x w.
    world_from_camera: T x 4 x 4, OpenCV axes. dynamic: T x h x w bool. confidence: T x h x w uint8, of 255. edges:
    T x h x w uint8, bit i set where the edge filter of edge_levels[i] leaves the point out. Clouds of older backends
    lack these three: no filter leaves out anything.
    """

    depth: np.ndarray
    rgb: np.ndarray
    K: np.ndarray
    world_from_camera: np.ndarray
    dynamic: np.ndarray
    confidence: np.ndarray | None = None
    edges: np.ndarray | None = None
    edge_levels: np.ndarray | None = None

    @classmethod
    def load(cls, path: Path) -> Cloud:
        """Read `cloud.npz`. Raises UserError if it is missing, truncated or inconsistent."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                cloud = cls(
                    depth=arrays["depth"].astype(np.float32, copy=False),
                    rgb=arrays["rgb"],
                    K=arrays["K"].astype(np.float64),
                    world_from_camera=arrays["world_from_camera"].astype(np.float64),
                    dynamic=arrays["dynamic"].astype(bool, copy=False),
                    **{name: arrays[name] for name in ("confidence", "edges", "edge_levels") if name in arrays},
                )
            cloud._check()
            _ = cloud.capacity  # now, in a thread: it looks at every point
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(
                f"The point cloud {path} cannot be read: {error}.", advice="Import the clip again."
            ) from error
        return cloud

    def _check(self) -> None:
        shape = self.depth.shape
        if len(shape) != 3:
            raise ValueError(f"depth has the shape {shape}, expected frames x height x width")
        expected = {"rgb": (*shape, 3), "K": (shape[0], 3, 3), "world_from_camera": (shape[0], 4, 4), "dynamic": shape}
        expected |= {name: shape for name in ("confidence", "edges") if getattr(self, name) is not None}
        for name, wanted in expected.items():
            if getattr(self, name).shape != wanted:
                raise ValueError(f"{name} has the shape {getattr(self, name).shape}, expected {wanted}")
        if self.rgb.dtype != np.uint8:
            raise ValueError(f"rgb is {self.rgb.dtype}, expected uint8")

    @property
    def frame_count(self) -> int:
        return self.depth.shape[0]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the depth maps, to which K belongs."""
        return self.depth.shape[2], self.depth.shape[1]

    def nearest(self, frame: int) -> int:
        """The frame to show for a frame of the clip: a first guess has fewer frames than the clip."""
        return min(frame, self.frame_count - 1)

    @cached_property
    def capacity(self) -> int:
        """Largest number of points of any frame."""
        return max((int(np.count_nonzero(depth > 0)) for depth in self.depth), default=0)

    def depth_ratio(self, other: Cloud) -> float:
        """How many times as deep as in `other` the clip's first frame is, in the middle of its pixels; 1 if unknown.

        For two clouds of one clip: the ratio of `other`'s unit to this one's.
        """
        (width, height), (other_width, other_height) = self.size, other.size
        # The pixel of `other` at the centre of each of this one's.
        rows = (2 * np.arange(height) + 1) * other_height // (2 * height)
        columns = (2 * np.arange(width) + 1) * other_width // (2 * width)
        one, two = self.depth[0], other.depth[0][np.ix_(rows, columns)]
        both = (one > 0) & (two > 0)
        return float(np.median(one[both] / two[both])) if both.any() else 1.0

    def focus_depth(self, frame: int) -> float:
        """Where to put a camera move's focus: the median depth of the picture's middle third; 1 without any point."""
        height, width = self.depth.shape[1:]
        middle = self.depth[frame, height // 3 : height - height // 3, width // 3 : width - width // 3]
        for depths in (middle, self.depth[frame]):
            seen = depths[depths > 0]
            if seen.size:
                return float(np.median(seen))
        return 1.0

    def filtered(self, frame: int, filters: Filters) -> np.ndarray:
        """The depth of a frame, h x w, with 0 where the filters leave the point out."""
        depth: np.ndarray = self.depth[frame]
        if self.confidence is None or self.edges is None or self.edge_levels is None:
            return depth
        kept = self.confidence[frame] >= round(255 * filters.confidence)
        # The level nearest to the filter, half a step below the first one at least.
        if len(self.edge_levels) > 1 and filters.edge > self.edge_levels[0] - np.diff(self.edge_levels)[0] / 2:
            kept &= self.edges[frame] >> int(np.abs(self.edge_levels - filters.edge).argmin()) & 1 == 0
        return np.where(kept, depth, np.float32(0))

    def frame(self, frame: int, *, pad_to: int = 0, filters: Filters = UNFILTERED) -> CloudFrame:
        """The points of a frame (0-based) that the filters keep.

        pad_to: repeat the first point up to this many, so that all frames are alike; without any point, the camera's
        centre is repeated."""
        depth = self.filtered(frame, filters)
        height, width = depth.shape
        origin_from_pixel = self.origin_from_pixel(frame)
        # A pixel's ray is the sum of a column's part and a row's part, so no full-size matrix product is needed.
        columns = np.asarray(origin_from_pixel[:3, :1] * (np.arange(width) + 0.5), np.float32)
        down = origin_from_pixel[:3, 1:2], origin_from_pixel[:3, 2:3]
        rows = np.asarray(down[0] * (np.arange(height) + 0.5) + down[1], np.float32)
        co = np.empty((height, width, 3), np.float32)
        ray = np.empty((height, width), np.float32)
        for axis in range(3):
            np.add(rows[axis][:, None], columns[axis], out=ray)
            ray *= depth
            np.add(ray, np.float32(origin_from_pixel[axis, 3]), out=co[..., axis])
        flat = co.reshape(-1, 3), self.rgb[frame].reshape(-1, 3), self.dynamic[frame].reshape(-1)
        seen = np.flatnonzero(depth > 0)
        used = len(seen)
        missing = pad_to - used
        if missing <= 0 and used == depth.size:
            return CloudFrame(*flat, used=used)
        if missing > 0:
            seen = np.concatenate([seen, np.full(missing, seen[0] if used else 0)])
        co, rgb, dynamic = (values.take(seen, axis=0) for values in flat)
        return CloudFrame(co, rgb, dynamic, used)

    def origin_from_pixel(self, frame: int) -> np.ndarray:
        """4 x 4 float64: (x z, y z, z, 1) of a pixel at x, y and depth z, in the space of the origin empty."""
        matrix: np.ndarray = BLENDER_FROM_CV @ self.world_from_camera[frame]
        matrix[:3, :3] = matrix[:3, :3] @ np.linalg.inv(self.K[frame])
        return matrix

    def grid(self, frame: int, *, filters: Filters = UNFILTERED, share: float = 1.0) -> PixelGrid:
        """A frame for `origin_from_pixel`, with this share (0 to 1) of its pixels, evenly spread."""
        height, width = self.depth.shape[1:]
        depth, rgb = self.filtered(frame, filters), self.rgb[frame]
        columns, rows = (max(1, round(side * share**0.5)) for side in (width, height))
        if (columns, rows) != (width, height):
            picked = np.ix_(_middles(rows, height), _middles(columns, width))
            depth, rgb = depth[picked], rgb[picked]
        rgba = np.empty((columns * rows, 4), np.uint8)
        rgba[:, :3], rgba[:, 3] = rgb.reshape(-1, 3), 255
        return PixelGrid(columns, rows, np.ascontiguousarray(depth).reshape(-1), rgba)

    def spacing(self, frame: int, points: CloudFrame) -> np.ndarray:
        """How far neighbours are apart at each point's depth, n float32, for the clip's camera: the wider one of a
        pixel's sides. In the geometry's unit; 0 for points that only repeat the first one."""
        pose, K = self.world_from_camera[frame], self.K[frame]
        axis = (BLENDER_FROM_CV @ pose)[:3, 2]
        centre = (BLENDER_FROM_CV @ pose)[:3, 3]
        depth = points.co @ axis.astype(np.float32) - np.float32(axis @ centre)
        spacing: np.ndarray = depth * np.float32(1 / min(K[0, 0], K[1, 1]))
        spacing[points.used :] = 0
        return spacing


def _middles(count: int, side: int) -> np.ndarray:
    """The pixel in the middle of each of `count` equal parts of a side."""
    return (2 * np.arange(count) + 1) * side // (2 * count)
