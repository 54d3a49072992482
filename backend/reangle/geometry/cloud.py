# SPDX-License-Identifier: Apache-2.0
"""The point cloud that Blender shows: depth reduced to a size that a viewport can draw, with colours."""

from __future__ import annotations

import cv2
import numpy as np

from reangle.folders import GeometryFolder
from reangle.geometry.flying_pixels import flying_pixels
from reangle.geometry.footage import Footage
from reangle.geometry.video_geometry import VideoGeometry

MAX_POINTS = 200_000
"""Per frame."""


def cloud_size(width: int, height: int) -> tuple[int, int]:
    """The largest size of the same aspect with at most MAX_POINTS pixels, and no larger than given."""
    shrink = min(1.0, (MAX_POINTS / (width * height)) ** 0.5)
    return max(1, int(width * shrink)), max(1, int(height * shrink))


def save_cloud(geometry: VideoGeometry, footage: Footage, folder: GeometryFolder) -> None:
    """Write the cloud as docs/architecture.md describes it. Depth is sampled, never blended, so edges stay sharp."""
    width, height = cloud_size(geometry.width, geometry.height)
    rows = ((np.arange(height) + 0.5) * geometry.height / height).astype(np.intp)
    columns = ((np.arange(width) + 0.5) * geometry.width / width).astype(np.intp)
    pick = np.ix_(rows, columns)

    depth = np.zeros((geometry.frame_count, height, width), np.float32)
    rgb = np.zeros((geometry.frame_count, height, width, 3), np.uint8)
    dynamic = np.zeros((geometry.frame_count, height, width), bool)
    for index in range(geometry.frame_count):
        solid = geometry.valid[index] & ~flying_pixels(geometry.depth[index], geometry.valid[index])
        depth[index] = np.where(solid, geometry.depth[index], 0)[pick]
        image = footage.image(index)
        interpolation = cv2.INTER_AREA if width <= footage.width else cv2.INTER_LINEAR
        rgb[index] = cv2.resize(image, (width, height), interpolation=interpolation)
        if geometry.dynamic is not None:
            dynamic[index] = geometry.dynamic[index][pick]
    np.savez(
        folder.cloud,
        depth=depth,
        rgb=rgb,
        K=geometry.K_at(width, height),
        world_from_camera=geometry.world_from_camera,
        dynamic=dynamic,
    )
