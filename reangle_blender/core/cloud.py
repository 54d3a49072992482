# SPDX-License-Identifier: GPL-3.0-or-later
"""`cloud.npz`, the backend's depth in colour, as points in the space of the origin empty."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
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
        rgba = np.ones((len(self.rgb), 4), np.float32)
        rgba[:, :3] = LINEAR[self.rgb]
        return rgba


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

    @property
    def capacity(self) -> int:
        """Largest number of points of any frame."""
        return int(np.count_nonzero(self.depth > 0, axis=(1, 2)).max())

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
        height, width = len(depth), len(depth[0])
        origin_from_camera = (BLENDER_FROM_CV @ self.world_from_camera[frame])[:3]
        # A pixel's ray is the sum of a column's part and a row's part, so no full-size matrix product is needed.
        K: np.ndarray = self.K[frame]
        per_pixel = origin_from_camera[:, :3] @ np.linalg.inv(K)
        columns = (per_pixel[:, :1] * (np.arange(width) + 0.5)).astype(np.float32)
        rows = (per_pixel[:, 1:2] * (np.arange(height) + 0.5) + per_pixel[:, 2:]).astype(np.float32)
        co = np.empty((height, width, 3), np.float32)
        for axis in range(3):
            ray = rows[axis][:, None] + columns[axis]
            ray *= depth
            ray += np.float32(origin_from_camera[axis, 3])
            co[..., axis] = ray
        seen = np.flatnonzero(depth > 0)
        used = len(seen)
        missing = pad_to - used
        if missing > 0:
            seen = np.concatenate([seen, np.full(missing, seen[0] if len(seen) else 0)])
        return CloudFrame(
            co=co.reshape(-1, 3).take(seen, axis=0),
            rgb=self.rgb[frame].reshape(-1, 3).take(seen, axis=0),
            dynamic=self.dynamic[frame].reshape(-1).take(seen),
            used=used,
        )

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
