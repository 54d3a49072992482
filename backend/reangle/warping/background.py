# SPDX-License-Identifier: Apache-2.0
"""The static scene from a few cameras of a path; holes are later filled from these views."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reangle.contract import CameraPath
from reangle.media.parallel import in_order
from reangle.warping.memory import Memory
from reangle.warping.static_scene import image_shift, typical_depth
from reangle.warping.types import View
from reangle.warping.video import Warper

VIEW_STEP = 0.06
"""A view is added where the picture has moved by this share of its width."""

MOST_VIEWS = 6


def background_views(warper: Warper, path: CameraPath, unknown: Sequence[float]) -> list[View]:
    """Views of the static scene that between them cover the path, the one with the largest holes first.

    unknown: for each output frame, the share of the picture (0 to 1) that warping left unknown. Without memory each
    view shows only what its own frame shows.
    """
    K, cameras = np.asarray(path.K), np.asarray(path.world_from_camera)
    typical = typical_depth(warper.geometry.depth[path.frames[0]])
    step = VIEW_STEP * path.width
    keys: list[int] = []
    while len(keys) < MOST_VIEWS:
        distance = [
            min(
                (
                    image_shift((K[key], cameras[key]), (K[n], cameras[n]), typical, path.width, path.height)
                    for key in keys
                ),
                default=np.inf,
            )
            for n in range(len(unknown))
        ]
        left = [n for n in range(len(unknown)) if distance[n] > step and unknown[n] > 0]
        if not left:
            break
        keys.append(max(left, key=lambda n: unknown[n]))
    return list(
        in_order(lambda key: _view(warper, path.frames[key], K[key], cameras[key], path.width, path.height), keys)
    )


def _view(warper: Warper, frame: int, K: np.ndarray, world_from_camera: np.ndarray, width: int, height: int) -> View:
    memory = warper.memory or Memory.of_clip(warper.frames, warper.geometry, [frame], warper.edge_filter)
    rgb, depth, near = memory.recall(frame, K, world_from_camera, np.ones((height, width), np.bool_))
    return View(rgb, depth, near, K, world_from_camera)
