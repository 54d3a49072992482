# SPDX-License-Identifier: Apache-2.0
"""What stage `geometry` leaves. `reangle.geometry.video_geometry` reads and writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic.dataclasses import dataclass

from reangle.folders.records import Matrices, read_record, write_record
from reangle.runtime.stage import STRICT, StageFolder


@dataclass(frozen=True, kw_only=True, config=STRICT)
class GeometryMetadata:
    """frames, width, height: of the depth maps. The rest is as in `VideoGeometry`."""

    frames: int
    width: int
    height: int
    scale: Literal["metric", "relative"]
    camera_from: str
    depth_from: str
    checkpoint: str
    licence: str
    notes: tuple[str, ...]
    K: Matrices
    world_from_camera: Matrices


class GeometryFolder(StageFolder):
    """Depth and cameras of the clip, and the point cloud that Blender shows."""

    @property
    def metadata_file(self) -> Path:
        """Sizes, cameras, providers and notes."""
        return self.path / "geometry.json"

    @property
    def cloud(self) -> Path:
        return self.path / "cloud.npz"

    def array(self, name: str) -> Path:
        """One of the arrays depth, valid, confidence and dynamic; the last one may be missing."""
        return self.path / f"{name}.npy"

    def metadata(self) -> GeometryMetadata:
        """Raises OSError or ValueError if the file is missing or damaged."""
        return read_record(self.metadata_file, GeometryMetadata)

    def write_metadata(self, metadata: GeometryMetadata) -> None:
        write_record(self.metadata_file, metadata)
