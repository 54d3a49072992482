# SPDX-License-Identifier: Apache-2.0
"""Transforms from camera to camera and from pixel to pixel.

Conventions in this room: OpenCV axes (x right, y down, z forward); depth is planar z, above zero; K is in pixels with
pixel centres at +0.5, so that pixel (column j, row i) looks along K^-1 (j + 0.5, i + 0.5, 1); matrices are named by
what they map. Pixels that are not valid, or whose depth is not finite and above zero, do not exist.
"""

from __future__ import annotations

import numpy as np


def camera_from_world(world_from_camera: np.ndarray) -> np.ndarray:
    """Invert rigid matrices, ... x 4 x 4 float64."""
    matrices = np.asarray(world_from_camera, np.float64)
    rotation = np.swapaxes(matrices[..., :3, :3], -1, -2)
    inverse = np.zeros_like(matrices)
    inverse[..., :3, :3] = rotation
    inverse[..., :3, 3:] = -rotation @ matrices[..., :3, 3:]
    inverse[..., 3, 3] = 1.0
    return inverse


def target_from_source(world_from_target: np.ndarray, world_from_source: np.ndarray) -> np.ndarray:
    """Maps the source camera's points to the target camera, ... x 4 x 4 float64; the exact identity for equal poses."""
    target = np.asarray(world_from_target, np.float64)
    source = np.asarray(world_from_source, np.float64)
    same = (target == source).all((-1, -2))[..., None, None]
    return np.where(same, np.eye(4), camera_from_world(target) @ source)


def pixel_transform(
    K_source: np.ndarray, target_from_source: np.ndarray, K_target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A (3 x 3) and b (3), float64: source pixel (u, v) at depth d appears at (x / z, y / z) in the target image.

    (x, y, z) = d A (u, v, 1) + b; z is the planar depth in the target camera.
    """
    fx, fy, cx, cy = K_source[0, 0], K_source[1, 1], K_source[0, 2], K_source[1, 2]
    ray = np.array([[1 / fx, 0, -cx / fx], [0, 1 / fy, -cy / fy], [0, 0, 1]])
    K_target = np.asarray(K_target, np.float64)
    return K_target @ target_from_source[:3, :3] @ ray, K_target @ target_from_source[:3, 3]
