# SPDX-License-Identifier: Apache-2.0
"""Views of one scene, and the interface of what judges whether they agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True, eq=False)
class SceneView:
    """A picture of the scene, and where its pixels lie.

    picture: H x W x 3 uint8. depth: H x W float32, planar z, 0 where unknown. K: 3 x 3 in pixels of the picture, pixel
    centres at +0.5. world_from_camera: 4 x 4, rigid, OpenCV axes.
    """

    picture: np.ndarray
    depth: np.ndarray
    K: np.ndarray
    world_from_camera: np.ndarray


class Judge(Protocol):
    """Knows the view that is being painted, and the fixed views that it has to agree with."""

    def scores(self, pictures: np.ndarray) -> np.ndarray:
        """n floats, higher where a candidate agrees better; all equal where nothing overlaps.

        pictures: n x h x w x 3 uint8, candidates of the painted view, of its aspect at any size.
        """
        ...
