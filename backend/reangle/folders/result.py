# SPDX-License-Identifier: Apache-2.0
"""What stage `deliver` leaves: the folder that the artist gets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic.dataclasses import dataclass

from reangle.contract import ResultFile
from reangle.folders.records import Matrices, read_record, write_record
from reangle.folders.start import StartRecord
from reangle.folders.video import GenerationRecord
from reangle.folders.warp import ClipCoverage, Coverage, FrameTrouble, Trouble, WarpImages
from reangle.runtime.stage import STRICT


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FrameFormat:
    """What the files in `frames` and `warped` hold.

    kind: the setting `frame_format`. bits: of a colour channel. encoding: "sRGB", or "scene-linear" for light.
    of_clip: share of the frames' pixels, 0 to 1, that have more than 8 bits because the warp shows the clip there; the
    others have 8 bits. None for files of 8 bits.
    """

    kind: str
    bits: int
    encoding: str
    primaries: str
    of_clip: float | None = None


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Manifest:
    """What ran, with which settings and licences, how much was seen, and every file's hash.

    K, world_from_camera: one matrix per output frame. clip, geometry: metadata of the clip and its geometry.
    start: how the camera's starting image was made, None where it has none of its own. generation: how the video model
    made the frames, None where none did. frame_format: None in results of older versions, which have PNGs of 8 bits.
    seconds: input -> how long its stage ran, None where that is unknown.
    """

    contract: int
    camera: str
    title: str
    engine: str
    settings: dict[str, Any]
    seed: int
    fps: float
    width: int
    height: int
    frames: int
    clip_frames: tuple[int, ...]
    K: Matrices
    world_from_camera: Matrices
    clip: dict[str, Any]
    geometry: dict[str, Any]
    start: StartRecord | None
    generation: GenerationRecord | None
    coverage: ClipCoverage
    coverage_by_frame: tuple[Coverage, ...]
    trouble: tuple[Trouble, ...]
    trouble_by_frame: tuple[FrameTrouble, ...]
    seconds: dict[str, float | None]
    files: tuple[ResultFile, ...]
    frame_format: FrameFormat | None = None


class ResultFolder(WarpImages):
    """The finished frames, what they were made from, a movie and the manifest."""

    @property
    def frames(self) -> Path:
        return self.path / "frames"

    @property
    def movie(self) -> Path:
        return self.path / "preview.mp4"

    @property
    def manifest_file(self) -> Path:
        return self.path / "manifest.json"

    def files(self) -> Iterator[Path]:
        """All files below, in order."""
        return iter(sorted(path for path in self.path.rglob("*") if path.is_file()))

    def manifest(self) -> Manifest:
        return read_record(self.manifest_file, Manifest)

    def write_manifest(self, manifest: Manifest) -> None:
        write_record(self.manifest_file, manifest)
