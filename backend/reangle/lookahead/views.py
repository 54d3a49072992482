# SPDX-License-Identifier: Apache-2.0
"""What a camera would see of an imported clip: single frames as stage `warp` makes them, and coverage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import psutil

from reangle.contract import Coverages, PreviewSettings
from reangle.contract.lookahead import MAX_LOOK_FRAMES, REMEMBERED, UNKNOWN, VISIBLE, LookRequest
from reangle.errors import UserError
from reangle.folders import CameraFolder, DecodedClip, GeometryFolder
from reangle.geometry.video_geometry import VideoGeometry
from reangle.media.write import read_images
from reangle.warping.drawing import drawing_here
from reangle.warping.memory import MOST_FRAMES
from reangle.warping.video import Warper, warp_frames

COVERAGE_SIDE = 240
"""Longer side in pixels of the pictures from which coverage is measured. It differs from the render's by 0.01 or so."""

BYTES_PER_PIXEL = 32
"""Memory that the frames, the surfaces and the plates take, for each pixel of each frame that the memory holds."""


@dataclass(frozen=True)
class Folders:
    """Where the stages of an import left the clip, its camera and its depth."""

    decode: str
    camera: str
    geometry: str


class ClipViews:
    """One imported clip, opened to be looked at from any camera."""

    def __init__(self, folders: Folders) -> None:
        """Raises UserError if the clip is too large for the memory that is free."""
        self.folders = folders
        self._geometry = VideoGeometry.load(GeometryFolder(Path(folders.geometry)))
        decoded = DecodedClip(Path(folders.decode))
        self._clip = CameraFolder(Path(folders.camera)).clip(decoded)
        metadata = decoded.metadata()
        _check_room(metadata.width, metadata.height, metadata.frames)
        self._frames = read_images(self._clip.frames)
        self._warper = cache(self._open)

    def coverage(self, request: LookRequest) -> Coverages:
        """Measured in pictures whose longer side is at most COVERAGE_SIDE. Raises UserError."""
        _check_length(request)
        path = request.path
        factor = min(1.0, COVERAGE_SIDE / max(path.width, path.height))
        width, height = (max(1, round(side * factor)) for side in (path.width, path.height))
        scale = np.diag([width / path.width, height / path.height, 1.0])
        K = tuple(tuple(map(tuple, (scale @ np.array(one)).tolist())) for one in path.K)
        small = replace(path, width=width, height=height, K=K)
        seen = [
            (float(frame.visible.mean()), float(frame.remembered.mean()))
            for frame in warp_frames(self._warper(request.preview, COVERAGE_SIDE), small)
        ]
        visible, remembered = zip(*seen, strict=True)
        return Coverages(visible, remembered)

    def picture(self, request: LookRequest) -> np.ndarray:
        """The one frame that is asked for, before holes are filled, exactly as stage `warp` makes it; a graphics card
        may round another way.

        height x width x 4 uint8: colour, and VISIBLE, REMEMBERED or UNKNOWN. Raises UserError.
        """
        if len(request.path.frames) != 1:
            raise UserError(
                f"A picture is of one frame, but {len(request.path.frames)} were asked for.",
                advice="Ask for one at a time.",
            )
        (frame,) = warp_frames(self._warper(request.preview, 0), request.path)
        seen = np.full(frame.visible.shape, UNKNOWN, np.uint8)
        seen[frame.remembered], seen[frame.visible] = REMEMBERED, VISIBLE
        return np.dstack([frame.rgb, seen])

    def _open(self, preview: PreviewSettings, side: int) -> Warper:
        """side: longer side of the frames, 0 for their own size."""
        frames, (height, width) = self._frames, self._frames.shape[1:3]
        factor = side / max(width, height) if side else 1.0
        if factor < 1:
            size = (max(1, round(width * factor)), max(1, round(height * factor)))
            frames = np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])
        return Warper.of_clip(frames, self._geometry, preview, drawing_here(at_once=not side))


def _check_length(request: LookRequest) -> None:
    if len(request.path.frames) > MAX_LOOK_FRAMES:
        raise UserError(
            f"{len(request.path.frames)} frames were asked for at once, at most {MAX_LOOK_FRAMES} can be.",
            advice="Ask for them in parts.",
        )


def _check_room(width: int, height: int, frames: int) -> None:
    needed = width * height * (3 * frames + BYTES_PER_PIXEL * min(frames, MOST_FRAMES))
    free = psutil.virtual_memory().available
    if needed > free / 2:
        raise UserError(
            f"Looking ahead at {frames} frames of {width} x {height} takes {needed / 2**30:.1f} GiB of memory, "
            f"and {free / 2**30:.1f} GiB are free.",
            advice="Import the clip at a smaller size, or with fewer frames.",
        )
