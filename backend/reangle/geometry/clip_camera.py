# SPDX-License-Identifier: Apache-2.0
"""The camera that filmed a clip: lens, path, and the points of the scene that it was solved with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from reangle.errors import UserError
from reangle.folders import CameraFolder, CameraMetadata, Distortion

Motion = Literal["still", "turning", "moving"]
LensSource = Literal["set", "solved", "metadata", "assumed", "files"]


@dataclass(frozen=True, eq=False)
class SparsePoints:
    """Points of the scene that stand still, and where the frames see them.

    xyz: n x 3 float64, in the world. error: n float64, root mean square reprojection error in pixels.
    frame, point: m int64, one observation each. uv: m x 2 float64, pixels of the (undistorted) frames, pixel centres at
    +0.5.
    """

    xyz: np.ndarray
    error: np.ndarray
    frame: np.ndarray
    point: np.ndarray
    uv: np.ndarray

    @classmethod
    def none(cls) -> SparsePoints:
        """No points: of a camera that was not solved, or that shows no parallax."""
        nothing = np.zeros(0, np.int64)
        return cls(np.zeros((0, 3)), np.zeros(0), nothing, nothing, np.zeros((0, 2)))

    def __len__(self) -> int:
        return len(self.xyz)


@dataclass(frozen=True, eq=False)
class ClipCamera:
    """Lens and path of the camera over T frames.

    The world is OpenCV (x right, y down, z forward) and equals the first camera.

    K: T x 3 x 3 float64, in pixels of the width x height frames without distortion, pixel centres at +0.5.
    world_from_camera: T x 4 x 4 float64, rigid. width, height: of the clip's frames.
    motion: "still" if all cameras are equal, "turning" if all have one centre; both show no parallax.
    scale: whether a unit is a metre ("metric") or arbitrary ("relative").
    source: the camera's name in `contract.GeometrySettings`. lens_source: where K comes from.
    points: none if the camera was not solved or shows no parallax.
    moving: T x h x w bool, what moves in the world; of any size with the frames' aspect; None if unknown.
    distortion: of the clip's own frames; None for a pinhole. notes: for the artist.
    """

    K: np.ndarray
    world_from_camera: np.ndarray
    width: int
    height: int
    motion: Motion
    scale: Literal["metric", "relative"]
    source: str
    lens_source: LensSource
    points: SparsePoints = field(default_factory=SparsePoints.none)
    moving: np.ndarray | None = None
    distortion: Distortion | None = None
    checkpoint: str = ""
    licence: str = ""
    notes: tuple[str, ...] = ()

    @property
    def frame_count(self) -> int:
        return len(self.K)

    def K_at(self, width: int, height: int) -> np.ndarray:
        """K for the same view at another pixel size: T x 3 x 3. Exact because centres are at +0.5."""
        return np.diag([width / self.width, height / self.height, 1.0]) @ self.K

    def save(self, folder: CameraFolder) -> None:
        """Write into an existing folder."""
        points = self.points
        moving = np.zeros((0, 0, 0), bool) if self.moving is None else self.moving
        np.savez(
            folder.arrays,
            K=self.K,
            world_from_camera=self.world_from_camera,
            xyz=points.xyz,
            error=points.error,
            frame=points.frame,
            point=points.point,
            uv=points.uv,
            moving=np.packbits(moving, axis=-1),
        )
        folder.write_metadata(
            CameraMetadata(
                width=self.width,
                height=self.height,
                motion=self.motion,
                scale=self.scale,
                source=self.source,
                lens_source=self.lens_source,
                moving_width=0 if self.moving is None else self.moving.shape[2],
                distortion=self.distortion,
                checkpoint=self.checkpoint,
                licence=self.licence,
                notes=self.notes,
            )
        )

    @classmethod
    def load(cls, folder: CameraFolder) -> ClipCamera:
        """Read what `save` wrote. Raises UserError if a file is missing or damaged."""
        try:
            about = folder.metadata()
            with np.load(folder.arrays, allow_pickle=False) as arrays:
                moving = None
                if about.moving_width:
                    moving = np.unpackbits(arrays["moving"], axis=-1, count=about.moving_width).astype(bool)
                return cls(
                    K=arrays["K"],
                    world_from_camera=arrays["world_from_camera"],
                    width=about.width,
                    height=about.height,
                    motion=about.motion,
                    scale=about.scale,
                    source=about.source,
                    lens_source=about.lens_source,
                    points=SparsePoints(*(arrays[name] for name in ("xyz", "error", "frame", "point", "uv"))),
                    moving=moving,
                    distortion=about.distortion,
                    checkpoint=about.checkpoint,
                    licence=about.licence,
                    notes=about.notes,
                )
        except (OSError, ValueError, KeyError) as error:
            raise UserError(
                f"The camera in {folder.path} cannot be read: {error}.", advice="Make the geometry again."
            ) from error
