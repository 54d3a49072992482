# SPDX-License-Identifier: Apache-2.0
"""CameraPath: one camera, frame by frame."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from reangle.contract.names import FileName, WireModel

Row3 = tuple[float, float, float]
Row4 = tuple[float, float, float, float]
Matrix3 = tuple[Row3, Row3, Row3]
Matrix4 = tuple[Row4, Row4, Row4, Row4]

RIGID_TOLERANCE = 1e-4
MAX_FRAMES = 4096
MAX_SIDE = 8192


class CameraPath(WireModel):
    """A camera over N output frames; static and moving views are the same type.

    frames: index into the clip's used frames (0-based), one per output frame.
    world_from_camera: N rigid 4 x 4 matrices, OpenCV axes, in the geometry's world.
    K: N intrinsics in pixels of width x height, pixel centres at +0.5.

    Raises ValueError naming the frame for mirrored, non-rigid or singular matrices, a focal length <= 0, skew,
    and lengths that disagree.
    """

    name: FileName
    fps: Annotated[float, Field(gt=0, le=1000)]
    width: Annotated[int, Field(ge=1, le=MAX_SIDE)]
    height: Annotated[int, Field(ge=1, le=MAX_SIDE)]
    frames: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1, max_length=MAX_FRAMES)]
    world_from_camera: Annotated[tuple[Matrix4, ...], Field(max_length=MAX_FRAMES)]
    K: Annotated[tuple[Matrix3, ...], Field(max_length=MAX_FRAMES)]

    @model_validator(mode="after")
    def _check(self) -> CameraPath:
        count = len(self.frames)
        if len(self.world_from_camera) != count or len(self.K) != count:
            raise ValueError(
                f"camera {self.name!r}: {count} frames, {len(self.world_from_camera)} matrices and {len(self.K)} "
                "intrinsics; the three must be as many"
            )
        for index, (matrix, K) in enumerate(zip(self.extrinsics(), self.intrinsics(), strict=True)):
            where = f"camera {self.name!r}, frame {index}"
            rotation = matrix[:3, :3]
            if not np.allclose(matrix[3], (0, 0, 0, 1), atol=RIGID_TOLERANCE):
                raise ValueError(f"{where}: the last row of world_from_camera must be 0 0 0 1")
            if np.linalg.det(rotation) < 0:
                raise ValueError(f"{where}: world_from_camera is mirrored; remove the negative scale")
            if not np.allclose(rotation @ rotation.T, np.eye(3), atol=RIGID_TOLERANCE):
                raise ValueError(f"{where}: world_from_camera is not rigid; remove scale and shear")
            if K[0, 0] <= 0 or K[1, 1] <= 0:
                raise ValueError(f"{where}: the focal length must be above zero")
            if K[0, 1] or K[1, 0] or K[2, 0] or K[2, 1] or K[2, 2] != 1:
                raise ValueError(f"{where}: K must be [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]")
        return self

    def extrinsics(self) -> np.ndarray:
        """world_from_camera as N x 4 x 4 float64."""
        return np.asarray(self.world_from_camera, np.float64).reshape(-1, 4, 4)

    def intrinsics(self) -> np.ndarray:
        """K as N x 3 x 3 float64."""
        return np.asarray(self.K, np.float64).reshape(-1, 3, 3)


def rows_of(matrices: np.ndarray) -> tuple[tuple[tuple[float, ...], ...], ...]:
    """N x m x m as a path's fields hold it."""
    return tuple(tuple(map(tuple, one)) for one in matrices.tolist())
