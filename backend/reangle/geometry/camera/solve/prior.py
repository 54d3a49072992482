# SPDX-License-Identifier: Apache-2.0
"""What is known of the lens before the camera is solved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from reangle.folders import ClipMetadata
from reangle.geometry.footage import DEFAULT_FOV_DEG, K_from_fov

PriorOrigin = Literal["set", "metadata", "assumed"]

_SIGMA: dict[PriorOrigin, float] = {"set": 0.002, "metadata": 0.1, "assumed": 0.3}
"""Standard deviation of the logarithm of the focal length. Metadata is of the lens: a movie may show less of its
picture, as for stabilisation, and makers mean the full frame's diagonal or its width (5 % apart in 16:9).
"""
_FULL_FRAME_MM = 36.0


@dataclass(frozen=True)
class FocalPrior:
    """A guess of the lens, and how far the solution may leave it.

    horizontal_fov_deg: of the clip's frames. origin: "set" by the artist (held), from the clip's "metadata", or
    "assumed".
    """

    horizontal_fov_deg: float = DEFAULT_FOV_DEG
    origin: PriorOrigin = "assumed"

    @classmethod
    def of_clip(cls, clip: ClipMetadata, horizontal_fov_deg: float | None) -> FocalPrior:
        """The artist's field of view, else that of the clip's metadata, else the default."""
        if horizontal_fov_deg is not None:
            return cls(horizontal_fov_deg, "set")
        if clip.focal_35mm is None:
            return cls()
        width, height = clip.source_width or clip.width, clip.source_height or clip.height
        # In pixels of the source, whose longer side is that of the full frame; then of the frames cut out of it.
        focal = clip.focal_35mm / _FULL_FRAME_MM * max(width, height)
        return cls(fov_of(focal, clip.source_crop[2] if clip.source_crop else width), "metadata")

    @property
    def held(self) -> bool:
        """Whether the focal length is known and not solved."""
        return self.origin == "set"

    @property
    def sigma(self) -> float:
        """Standard deviation of the logarithm of the focal length."""
        return _SIGMA[self.origin]

    def focal(self, width: int) -> float:
        """In pixels of frames of this width."""
        return float(K_from_fov(width, width, self.horizontal_fov_deg)[0, 0])

    def note(self, fov_deg: float) -> str:
        """For the artist, about a horizontal field of view that was not solved."""
        if self.origin == "set":
            return f"Lens: a horizontal field of view of {fov_deg:.3g} degrees, as set."
        if self.origin == "metadata":
            return f"Lens: a horizontal field of view of {fov_deg:.3g} degrees, by the clip's metadata."
        return (
            f"Lens: unknown; a horizontal field of view of {fov_deg:.3g} degrees is assumed. "
            "Set the field of view if the scene looks too deep or too flat."
        )


def fov_of(focal: float, width: float) -> float:
    """Horizontal field of view in degrees of a focal length in pixels."""
    return float(np.degrees(2 * np.arctan(width / 2 / focal)))
