# SPDX-License-Identifier: Apache-2.0
"""The geometry of one clip: depth, confidence and camera of every frame, in one world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from reangle.errors import UserError
from reangle.folders import GeometryFolder, GeometryMetadata

SCALE_KINDS = ("metric", "relative")
ARRAYS = ("depth", "valid", "confidence", "dynamic")


@dataclass(frozen=True, eq=False)
class VideoGeometry:
    """Depth and cameras of T frames.

    The world is OpenCV (x right, y down, z forward) and equals the first source camera.

    depth: T x h x w float32, planar z along the camera's axis; 0 where not valid.
    valid: T x h x w bool.
    confidence: T x h x w float32, >= 0, larger is more certain; 1 if a provider gives none.
    K: T x 3 x 3 float64 in pixels of the h x w depth map, pixel centres at +0.5.
    world_from_camera: T x 4 x 4 float64, rigid.
    dynamic: T x h x w bool, pixels that move in the world; None if unknown.
    scale: whether a unit is a metre ("metric") or arbitrary ("relative").
    camera_from, depth_from: the providers. checkpoint, licence: of both; checkpoint is "" for files. notes: for the
    artist.
    """

    depth: np.ndarray
    valid: np.ndarray
    confidence: np.ndarray
    K: np.ndarray
    world_from_camera: np.ndarray
    scale: Literal["metric", "relative"]
    camera_from: str
    depth_from: str
    checkpoint: str = ""
    licence: str = ""
    dynamic: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        frames, height, width = self.depth.shape
        expected = {
            "depth": (self.depth, (frames, height, width), np.float32),
            "valid": (self.valid, (frames, height, width), np.bool_),
            "confidence": (self.confidence, (frames, height, width), np.float32),
            "K": (self.K, (frames, 3, 3), np.float64),
            "world_from_camera": (self.world_from_camera, (frames, 4, 4), np.float64),
        }
        if self.dynamic is not None:
            expected["dynamic"] = (self.dynamic, (frames, height, width), np.bool_)
        for name, (array, shape, dtype) in expected.items():
            if array.shape != shape or array.dtype != dtype:
                raise ValueError(f"{name} is {array.dtype} {array.shape}, expected {np.dtype(dtype)} {shape}")
        if self.scale not in SCALE_KINDS:
            raise ValueError(f"scale must be one of {SCALE_KINDS}, not {self.scale!r}")
        if not (np.isfinite(self.K).all() and np.isfinite(self.world_from_camera).all()):
            raise ValueError("K and world_from_camera must be finite")
        for depth, valid in zip(self.depth, self.valid, strict=True):
            seen = depth[valid]
            if not (np.isfinite(seen).all() and (seen > 0).all()):
                raise ValueError("depth must be finite and above zero wherever it is valid")

    @property
    def frame_count(self) -> int:
        return self.depth.shape[0]

    @property
    def height(self) -> int:
        return self.depth.shape[1]

    @property
    def width(self) -> int:
        return self.depth.shape[2]

    def K_at(self, width: int, height: int) -> np.ndarray:
        """K for the same view at another pixel size: T x 3 x 3. Exact because centres are at +0.5."""
        return np.diag([width / self.width, height / self.height, 1.0]) @ self.K

    def save(self, folder: GeometryFolder) -> None:
        """Write metadata and arrays into an existing folder."""
        for name in ARRAYS:
            array = getattr(self, name)
            if array is not None:
                np.save(folder.array(name), array, allow_pickle=False)
        folder.write_metadata(
            GeometryMetadata(
                frames=self.frame_count,
                width=self.width,
                height=self.height,
                scale=self.scale,
                camera_from=self.camera_from,
                depth_from=self.depth_from,
                checkpoint=self.checkpoint,
                licence=self.licence,
                notes=self.notes,
                K=matrix_rows(self.K),
                world_from_camera=matrix_rows(self.world_from_camera),
            )
        )

    @classmethod
    def load(cls, folder: GeometryFolder, *, mapped: bool = False) -> VideoGeometry:
        """Read what `save` wrote. mapped: leave the arrays on disk, for one look at each frame.

        Raises UserError if a file is missing or damaged.
        """
        try:
            metadata = folder.metadata()
            arrays = {
                name: np.load(folder.array(name), mmap_mode="r" if mapped else None, allow_pickle=False)
                for name in ARRAYS
                if name != "dynamic" or folder.array(name).exists()
            }
            return cls(
                **arrays,
                K=np.asarray(metadata.K, np.float64),
                world_from_camera=np.asarray(metadata.world_from_camera, np.float64),
                scale=metadata.scale,
                camera_from=metadata.camera_from,
                depth_from=metadata.depth_from,
                checkpoint=metadata.checkpoint,
                licence=metadata.licence,
                notes=metadata.notes,
            )
        except (OSError, ValueError) as error:
            raise UserError(
                f"The geometry in {folder.path} cannot be read: {error}.",
                advice="Make it again with `reangle geometry`.",
            ) from error


def matrix_rows(matrices: np.ndarray) -> tuple[tuple[tuple[float, ...], ...], ...]:
    """N x m x m as nested tuples."""
    return tuple(tuple(map(tuple, matrix)) for matrix in matrices.tolist())
