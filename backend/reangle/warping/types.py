# SPDX-License-Identifier: Apache-2.0
"""Types that `warping` passes to other packages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class WarpedFrame(NamedTuple):
    """One output frame.

    rgb: H x W x 3 of the clip's type (uint8, or uint16), black where unknown.
    visible: H x W bool, the visibility mask: pixels shown by the output frame's own source frame.
    remembered: H x W bool, the memory mask: pixels shown only by other frames, even in front of the own frame's
    surface. No pixel is in both masks.
    depth: H x W float32, planar z in the new camera, 0 where unknown.
    """

    rgb: np.ndarray
    visible: np.ndarray
    remembered: np.ndarray
    depth: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """H x W bool: pixels that this or another frame of the clip shows."""
        return self.visible | self.remembered


@dataclass(frozen=True, eq=False)
class View:
    """A picture of the static scene and its camera.

    rgb: H x W x 3 uint8. depth: H x W float32, planar z, 0 where unknown.
    near: H x W bool, known pixels on the nearer side of a depth edge.
    K: 3 x 3 in pixels of H x W. world_from_camera: 4 x 4.
    """

    rgb: np.ndarray
    depth: np.ndarray
    near: np.ndarray
    K: np.ndarray
    world_from_camera: np.ndarray
