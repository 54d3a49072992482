# SPDX-License-Identifier: Apache-2.0
"""What stage `decode` leaves."""

from __future__ import annotations

from pathlib import Path

from pydantic.dataclasses import dataclass

from reangle.folders.records import read_record, write_record
from reangle.runtime.stage import STRICT, StageFolder


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ClipMetadata:
    """The used part of a clip.

    fps, fps_exact: frames per second, as a number and as a fraction. timestamps: seconds, one per frame.
    width, height, frames: of the decoded pictures; source_*: of the clip as it came; source_crop: left, top, width and
    height of what was kept of it. focal_35mm: the focal length in millimetres that the camera wrote, for a picture
    36 mm wide. pixel_aspect: width of a stored pixel, upright, by its height; the pictures have square pixels.
    image_names: of the used frames, if the clip is an image sequence. start: the first used frame. None is unknown.
    """

    fps: float
    fps_exact: str = ""
    fps_is_variable: bool = False
    timestamps: tuple[float, ...] = ()
    width: int
    height: int
    source_width: int | None = None
    source_height: int | None = None
    source_crop: tuple[float, float, float, float] | None = None
    source_frames: int | None = None
    focal_35mm: float | None = None
    pixel_aspect: float = 1.0
    image_names: tuple[str, ...] = ()
    start: int = 0
    frames: int
    has_alpha: bool = False
    notes: tuple[str, ...] = ()


class DecodedClip(StageFolder):
    """The used part of the clip: frames (RGB, 8 bit), their opacity if the clip has any, and metadata."""

    @property
    def frames(self) -> Path:
        return self.path / "frames"

    @property
    def alpha(self) -> Path:
        """There only if the clip has an alpha channel."""
        return self.path / "alpha"

    @property
    def metadata_file(self) -> Path:
        return self.path / "clip.json"

    def metadata(self) -> ClipMetadata:
        """Raises OSError or ValueError if the file is missing or damaged."""
        return read_record(self.metadata_file, ClipMetadata)

    def write_metadata(self, metadata: ClipMetadata) -> None:
        write_record(self.metadata_file, metadata)
