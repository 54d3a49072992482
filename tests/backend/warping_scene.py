# SPDX-License-Identifier: Apache-2.0
"""Cameras and frames for the tests of the warping kernels."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

IDENTITY = np.eye(4)


def intrinsics(width: int, height: int, focal: float) -> np.ndarray:
    return np.array([[focal, 0, width / 2 + 0.3], [0, focal * 1.1, height / 2 - 0.2], [0, 0, 1]])


def rigid(rotation_deg: tuple[float, float, float], translation: tuple[float, float, float]) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(rotation_deg, degrees=True).as_matrix()
    matrix[:3, 3] = translation
    return matrix


def noise_depth(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Random depths, a tenth of them invalid."""
    rng = np.random.default_rng(0)
    depth = rng.uniform(0.5, 9, (height, width)).astype(np.float32)
    return depth, rng.random((height, width)) > 0.1


def unproject(depth: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Points in the camera's space, h x w x 3 float64, for depth h x w. Points of invalid depth are invalid."""
    height, width = depth.shape
    x = (np.arange(width) + 0.5 - K[0, 2]) / K[0, 0]
    y = (np.arange(height) + 0.5 - K[1, 2]) / K[1, 1]
    z = np.asarray(depth, np.float64)
    return np.stack((z * x, z * y[:, None], z), -1)


def room(width: int, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A wall, a grazing floor and a ball: colours from the point in space, depth, the ball's mask, K."""
    K = intrinsics(width, height, 0.9 * width)
    rays = unproject(np.ones((height, width)), K)
    floor = np.where(rays[..., 1] > 1e-3, 1.2 / np.maximum(rays[..., 1], 1e-3), np.inf)
    depth = np.minimum(6.0, floor)
    centre, radius = np.array([0.4, 0.1, 3.0]), 0.7
    a, b = (rays * rays).sum(-1), rays @ centre
    inside = b * b - a * (centre @ centre - radius**2)
    ball = inside > 0
    depth = np.where(ball, (b - np.sqrt(np.maximum(inside, 0))) / a, depth).astype(np.float32)
    points = unproject(depth, K)
    rgb = (127 + 100 * np.sin(points * (5, 7, 9))).astype(np.uint8)
    return rgb, depth, ball, K
