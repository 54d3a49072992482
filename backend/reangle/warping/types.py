# SPDX-License-Identifier: Apache-2.0
"""What warping gives to its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

Method = Literal["lookup", "splat", "mesh"]


class WarpedFrame(NamedTuple):
    """One output frame.

    rgb: H x W x 3 uint8, black where nothing is known.
    visible: H x W bool, seen by the output frame's own source frame.
    remembered: H x W bool, seen only by others, also in front of what the own frame saw; never where `visible`.
    depth: H x W float32, planar z in the new camera, 0 where unknown.
    """

    rgb: np.ndarray
    visible: np.ndarray
    remembered: np.ndarray
    depth: np.ndarray


@dataclass(frozen=True, eq=False)
class Warped:
    """N output frames, stacked: see `WarpedFrame`."""

    rgb: np.ndarray
    visible: np.ndarray
    remembered: np.ndarray
    depth: np.ndarray


@dataclass(frozen=True, eq=False)
class View:
    """A still picture of the static scene and the camera that sees it.

    rgb: H x W x 3 uint8. depth: H x W float32, planar z, 0 where unknown.
    near: H x W bool, known pixels at the nearer side of a depth edge.
    K: 3 x 3 in pixels of H x W. world_from_camera: 4 x 4.
    """

    rgb: np.ndarray
    depth: np.ndarray
    near: np.ndarray
    K: np.ndarray
    world_from_camera: np.ndarray
