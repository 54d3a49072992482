# SPDX-License-Identifier: Apache-2.0
"""What is known of the lens before the camera is solved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from reangle.geometry.footage import DEFAULT_FOV_DEG, K_from_fov

PriorOrigin = Literal["set", "metadata", "network", "assumed"]

_SIGMA: dict[PriorOrigin, float] = {"set": 0.002, "metadata": 0.04, "network": 0.12, "assumed": 0.3}
"""Standard deviation of the logarithm of the focal length."""


@dataclass(frozen=True)
class FocalPrior:
    """A guess of the lens, and how far the solution may leave it.

    horizontal_fov_deg: of the clip's frames. origin: "set" by the artist (held), from the clip's "metadata", of a
    "network", or "assumed".
    """

    horizontal_fov_deg: float = DEFAULT_FOV_DEG
    origin: PriorOrigin = "assumed"

    @classmethod
    def from_settings(cls, horizontal_fov_deg: float | None) -> FocalPrior:
        """The artist's field of view, else the default."""
        return cls() if horizontal_fov_deg is None else cls(horizontal_fov_deg, "set")

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


def fov_of(focal: float, width: int) -> float:
    """Horizontal field of view in degrees of a focal length in pixels."""
    return float(np.degrees(2 * np.arctan(width / 2 / focal)))
