# SPDX-License-Identifier: Apache-2.0
"""The decoded clip, as geometry providers read it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from reangle.errors import UserError
from reangle.folders import ClipMetadata, DecodedClip

DEFAULT_FOV_DEG = 55.0
"""Assumed horizontal field of view if it is unknown."""


@dataclass(frozen=True)
class Footage:
    """The decoded clip with its metadata."""

    clip: DecodedClip
    metadata: ClipMetadata

    @classmethod
    def open(cls, clip: DecodedClip) -> Footage:
        """Raises UserError if the folder is not what `decode` writes."""
        try:
            footage = cls(clip, clip.metadata())
            if min(footage.count, footage.width, footage.height) < 1:
                raise ValueError("the clip has no frames")
        except (OSError, ValueError) as error:
            raise UserError(
                f"The decoded clip in {clip.path} cannot be read: {error}.", advice="Import the clip again."
            ) from error
        return footage

    @property
    def count(self) -> int:
        return self.metadata.frames

    @property
    def width(self) -> int:
        return self.metadata.width

    @property
    def height(self) -> int:
        return self.metadata.height

    def first_frame(self) -> Footage:
        """The same clip, of which only the first frame is used."""
        return replace(self, metadata=replace(self.metadata, frames=1))

    def image(self, index: int) -> np.ndarray:
        """Frame `index` (0-based) as height x width x 3 uint8 RGB."""
        path = self.clip.frames / f"{index + 1:06d}.png"
        bgr = decode_image(path, cv2.IMREAD_COLOR)
        if bgr is None:
            raise UserError(
                f"Frame {index} of the decoded clip cannot be read: {path}.", advice="Import the clip again."
            )
        return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def decode_image(path: Path, flags: int) -> np.ndarray | None:
    """cv2.imread for any path, because OpenCV cannot open every name on Windows. None if it is no image."""
    try:
        data = np.fromfile(path, np.uint8)
    except OSError:
        return None
    return cv2.imdecode(data, flags) if data.size else None


def K_from_fov(width: int, height: int, horizontal_fov_deg: float) -> np.ndarray:
    """3 x 3 intrinsics with square pixels and a centred principal point."""
    focal = width / 2 / np.tan(np.radians(horizontal_fov_deg) / 2)
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]], np.float64)
