# SPDX-License-Identifier: Apache-2.0
"""Disocclusion masks: the parts of a new view that a source frame does not show."""

from __future__ import annotations

import cv2
import numpy as np
from reangle.warping.cameras import target_from_source

from scripts.train.splat import splat_frame


def disocclusion(
    rgb: np.ndarray,
    depth: np.ndarray,
    K: np.ndarray,
    world_from_source: np.ndarray,
    world_from_target: np.ndarray,
    K_target: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The frame warped to the target camera, h x w x 3 uint8, and its holes, h x w bool.

    rgb: h x w x 3 uint8; depth: h x w planar z, all valid; K: 3 x 3; poses: 4 x 4. Cracks one pixel wide are filled
    from their surroundings and are not part of the hole.
    """
    height, width = depth.shape
    valid = np.ones(depth.shape, np.bool_)
    motion = target_from_source(world_from_target, world_from_source)
    warped = splat_frame(np.ascontiguousarray(rgb), depth.astype(np.float32), valid, K, motion, K_target, width, height)
    hole = (warped.index < 0).astype(np.uint8)
    large = cv2.morphologyEx(hole, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    large = cv2.dilate(large, np.ones((3, 3), np.uint8)) > 0
    cracks = (hole > 0) & ~large
    known = cv2.inpaint(warped.rgb, cracks.astype(np.uint8), 2, cv2.INPAINT_TELEA) if cracks.any() else warped.rgb
    return np.where(large[..., None], np.uint8(0), known), large


def scribbles(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A hole of boxes and brush strokes, h x w bool."""
    hole = np.zeros((height, width), np.uint8)
    for _ in range(int(rng.integers(0, 3))):
        tall, wide = rng.integers(height // 8, height // 2), rng.integers(width // 10, width // 3)
        top, left = rng.integers(0, height - tall), rng.integers(0, width - wide)
        hole[top : top + tall, left : left + wide] = 1
    for _ in range(int(rng.integers(1, 4))):
        points = np.cumsum(rng.normal(0, 16, (int(rng.integers(3, 8)), 2)), axis=0) + rng.uniform(0, (width, height))
        cv2.polylines(hole, [points.round().astype(np.int32)], False, (1,), int(rng.integers(4, 18)))
    return hole > 0
