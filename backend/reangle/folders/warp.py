# SPDX-License-Identifier: Apache-2.0
"""What stage `warp` leaves."""

from __future__ import annotations

from pathlib import Path

from pydantic.dataclasses import dataclass

from reangle.folders.records import Matrix, read_record, write_record
from reangle.runtime.stage import STRICT, StageFolder

VIEW_IMAGES = ("rgb", "depth", "near")


@dataclass(frozen=True, config=STRICT)
class Coverage:
    """Shares of a picture, 0 to 1. visible: seen in the same frame. remembered: known from other frames."""

    visible: float
    remembered: float


@dataclass(frozen=True, config=STRICT)
class ClipCoverage(Coverage):
    """Means over all frames. invented: known from no frame."""

    invented: float


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FrameTrouble:
    """What is wrong with one output frame; shares of its picture, 0 to 1.

    unseen: known from no frame. hole: the largest connected part of that. folded, stretched, torn: see
    `warping.bends.Bends`. uncertain, unfilmed: see `warping.bends.Doubts`.
    """

    unseen: float = 0.0
    hole: float = 0.0
    folded: float = 0.0
    stretched: float = 0.0
    torn: float = 0.0
    uncertain: float = 0.0
    unfilmed: float = 0.0


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Trouble:
    """A run of output frames that is likely to come out wrong.

    kind: a field of FrameTrouble. first_frame, last_frame, worst_frame: counted from 1. amount: of the worst frame.
    words: what is wrong and what to do, without camera and frames.
    """

    kind: str
    first_frame: int
    last_frame: int
    worst_frame: int
    amount: float
    words: str


@dataclass(frozen=True, kw_only=True, config=STRICT)
class WarpMetadata:
    """frames, width, height: of the pictures. coverage: how much of it is known."""

    frames: int
    width: int
    height: int
    coverage: ClipCoverage
    coverage_by_frame: tuple[Coverage, ...]
    trouble: tuple[Trouble, ...]
    trouble_by_frame: tuple[FrameTrouble, ...]


@dataclass(frozen=True, config=STRICT)
class ViewCamera:
    """K: 3 x 3 in pixels of the view's pictures. world_from_camera: 4 x 4."""

    K: Matrix
    world_from_camera: Matrix


class WarpImages(StageFolder):
    """The clip from a new camera, with holes."""

    @property
    def warped(self) -> Path:
        return self.path / "warped"

    @property
    def visibility(self) -> Path:
        """255 where the same frame of the clip saw the pixel."""
        return self.path / "visibility"

    @property
    def memory(self) -> Path:
        """255 where only other frames saw the pixel."""
        return self.path / "memory"

    @property
    def depth(self) -> Path:
        """Planar z in the new camera, 0 where unknown."""
        return self.path / "depth"

    @property
    def images(self) -> tuple[Path, Path, Path, Path]:
        """warped, visibility, memory and depth: one picture per frame in each."""
        return self.warped, self.visibility, self.memory, self.depth


class WarpFolder(WarpImages):
    """The warp's images, and views of the static scene from which their holes can be filled."""

    @property
    def metadata_file(self) -> Path:
        return self.path / "warp.json"

    def view_images(self, name: str) -> Path:
        """One of VIEW_IMAGES: a picture for each view of the static scene."""
        return self.path / "background" / name

    @property
    def view_cameras_file(self) -> Path:
        return self.path / "background" / "views.json"

    def metadata(self) -> WarpMetadata:
        return read_record(self.metadata_file, WarpMetadata)

    def write_metadata(self, metadata: WarpMetadata) -> None:
        write_record(self.metadata_file, metadata)

    def view_cameras(self) -> tuple[ViewCamera, ...]:
        return read_record(self.view_cameras_file, tuple[ViewCamera, ...])

    def write_view_cameras(self, cameras: tuple[ViewCamera, ...]) -> None:
        write_record(self.view_cameras_file, cameras, tuple[ViewCamera, ...])
