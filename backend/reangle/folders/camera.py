# SPDX-License-Identifier: Apache-2.0
"""What stage `camera` leaves. `reangle.geometry.clip_camera` reads and writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic.dataclasses import dataclass

from reangle.folders.clip import DecodedClip
from reangle.folders.records import read_record, write_record
from reangle.runtime.stage import STRICT, StageContext, StageFolder


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Distortion:
    """How the lens bends the clip's own frames.

    model: a camera model's name in COLMAP, such as "RADIAL" or "OPENCV_FISHEYE". params: its parameters in COLMAP's
    order, in pixels of the clip's frames.
    """

    model: str
    params: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class CameraMetadata:
    """moving_width: of the masks of what moves, 0 if there are none. The rest is as in `ClipCamera`."""

    width: int
    height: int
    motion: Literal["still", "turning", "moving"]
    scale: Literal["metric", "relative"]
    source: str
    lens_source: Literal["set", "solved", "metadata", "assumed", "files"]
    moving_width: int
    distortion: Distortion | None
    checkpoint: str
    licence: str
    notes: tuple[str, ...]


class CameraFolder(StageFolder):
    """The source camera and, if its lens bends the picture, the clip without distortion."""

    @property
    def metadata_file(self) -> Path:
        return self.path / "camera.json"

    @property
    def arrays(self) -> Path:
        """K, path, points and masks."""
        return self.path / "camera.npz"

    @property
    def frame_depth(self) -> Path:
        """The depth that a camera from DUSt3R was solved with; only such a camera has it."""
        return self.path / "frame_depth.npz"

    @property
    def undistorted(self) -> DecodedClip:
        """The clip's frames without distortion; its folder is there only if the lens bends the picture."""
        return DecodedClip(self.path / "undistorted")

    def clip(self, decoded: DecodedClip) -> DecodedClip:
        """The frames that the camera describes, which all later stages read. decoded: what `decode` left."""
        return self.undistorted if self.undistorted.path.is_dir() else decoded

    def metadata(self) -> CameraMetadata:
        """Raises OSError or ValueError if the file is missing or damaged."""
        return read_record(self.metadata_file, CameraMetadata)

    def write_metadata(self, metadata: CameraMetadata) -> None:
        write_record(self.metadata_file, metadata)


def source_clip(context: StageContext[Any, Any]) -> DecodedClip:
    """The frames that the source camera describes, for a stage that reads `decode` and `camera`."""
    return context.read("camera", CameraFolder).clip(context.read("decode", DecodedClip))
