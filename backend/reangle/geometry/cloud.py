# SPDX-License-Identifier: Apache-2.0
"""The point cloud that Blender shows: depth reduced to a size that a viewport can draw, with colours."""

from __future__ import annotations

import cv2
import numpy as np

from reangle.folders import GeometryFolder
from reangle.geometry.flying_pixels import JUMP, flying_pixels, tolerance
from reangle.geometry.footage import Footage
from reangle.geometry.video_geometry import VideoGeometry

MAX_POINTS = 200_000
"""Per frame."""
EDGE_LEVELS = (0.6, 0.7, 0.8, 0.9, 1.0)
"""Edge filters of which the cloud knows what they leave out. Lower ones leave out no more than the cloud itself."""


def cloud_size(width: int, height: int) -> tuple[int, int]:
    """The largest size of the same aspect with at most MAX_POINTS pixels, and no larger than given."""
    shrink = min(1.0, (MAX_POINTS / (width * height)) ** 0.5)
    return max(1, int(width * shrink)), max(1, int(height * shrink))


def save_cloud(geometry: VideoGeometry, footage: Footage, folder: GeometryFolder) -> None:
    """Write the cloud. Depth is sampled, never blended, so edges stay sharp.

    Its arrays, of T frames: depth T x h x w float32, planar z, 0 where there is no point; rgb T x h x w x 3 uint8;
    K T x 3 x 3; world_from_camera T x 4 x 4; dynamic T x h x w bool; confidence T x h x w uint8, of 255; edge_levels;
    edges T x h x w uint8, whose bit i is set where the edge filter of edge_levels[i] leaves the point out.
    """
    width, height = cloud_size(geometry.width, geometry.height)
    rows = ((np.arange(height) + 0.5) * geometry.height / height).astype(np.intp)
    columns = ((np.arange(width) + 0.5) * geometry.width / width).astype(np.intp)
    pick = np.ix_(rows, columns)

    depth = np.zeros((geometry.frame_count, height, width), np.float32)
    rgb = np.zeros((geometry.frame_count, height, width, 3), np.uint8)
    dynamic = np.zeros((geometry.frame_count, height, width), bool)
    confidence = np.zeros((geometry.frame_count, height, width), np.uint8)
    edges = np.zeros((geometry.frame_count, height, width), np.uint8)
    for index in range(geometry.frame_count):
        maps = geometry.depth[index], geometry.valid[index]
        solid = geometry.valid[index] & ~flying_pixels(*maps)
        confidence[index] = np.rint(255 * geometry.confidence[index][pick])
        for bit, level in enumerate(EDGE_LEVELS):
            edges[index] |= flying_pixels(*maps, JUMP * tolerance(level))[pick].astype(np.uint8) << bit
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
        confidence=confidence,
        edges=edges,
        edge_levels=np.array(EDGE_LEVELS),
    )
