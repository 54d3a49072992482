# SPDX-License-Identifier: Apache-2.0
"""An estimated source camera compared with the true one."""

from __future__ import annotations

import numpy as np

from reangle.geometry.clip_camera import Motion

STILL_DEG = 0.02
"""Cameras turned by less than this are equal."""
STILL_SHARE = 1e-3
"""Cameras nearer than this share of the scene's depth have one centre."""


def focal_error(K: np.ndarray, true_K: np.ndarray) -> float:
    """Mean of |focal / true focal - 1| over frames. K, true_K: T x 3 x 3, for one picture size."""
    return float(np.mean(np.abs(K[:, 0, 0] / true_K[:, 0, 0] - 1)))


def rotation_error_deg(world_from_camera: np.ndarray, truth: np.ndarray) -> float:
    """The largest angle in degrees by which a frame's camera is turned wrongly, relative to the first frame.

    world_from_camera, truth: T x 4 x 4, rigid.
    """
    R, true_R = (poses[0, :3, :3].T @ poses[:, :3, :3] for poses in (world_from_camera, truth))
    return float(np.degrees(_angles(true_R.transpose(0, 2, 1) @ R).max()))


def path_error(world_from_camera: np.ndarray, truth: np.ndarray) -> float:
    """Root mean square distance of the camera centres after the best similarity, as a share of the true path's extent
    (the diagonal of its bounding box).

    world_from_camera, truth: T x 4 x 4. NaN if the true camera has one centre. The similarity is that of Umeyama (IEEE
    TPAMI 1991).
    """
    centres, true_centres = world_from_camera[:, :3, 3], truth[:, :3, 3]
    extent = float(np.linalg.norm(np.ptp(true_centres, axis=0)))
    if extent == 0:
        return float("nan")
    scale, R, t = similarity(centres, true_centres)
    apart = np.linalg.norm(scale * centres @ R.T + t - true_centres, axis=1)
    return float(np.sqrt(np.mean(apart**2)) / extent)


def similarity(points: np.ndarray, onto: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """scale, R (3 x 3), t (3): the least-squares similarity scale * R @ point + t. points, onto: n x 3."""
    middle, onto_middle = points.mean(axis=0), onto.mean(axis=0)
    a, b = points - middle, onto - onto_middle
    U, strengths, Vt = np.linalg.svd(b.T @ a / len(a))
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(U) * np.linalg.det(Vt))])
    R = U @ np.diag(signs) @ Vt
    spread = float(np.mean(np.sum(a**2, axis=1)))
    scale = float((strengths * signs).sum() / spread) if spread > 0 else 1.0
    return scale, R, onto_middle - scale * R @ middle


def motion_of(world_from_camera: np.ndarray, depth: float) -> Motion:
    """What a path does: "still", "turning" or "moving". world_from_camera: T x 4 x 4. depth: of the scene, a median."""
    shifts = np.linalg.norm(world_from_camera[:, :3, 3] - world_from_camera[0, :3, 3], axis=1)
    if shifts.max() > STILL_SHARE * depth:
        return "moving"
    turns = world_from_camera[0, :3, :3].T @ world_from_camera[:, :3, :3]
    return "turning" if np.degrees(_angles(turns).max()) > STILL_DEG else "still"


def _angles(R: np.ndarray) -> np.ndarray:
    """Rotation angles in radians of T x 3 x 3, exact for small ones."""
    sine = np.linalg.norm(R - R.transpose(0, 2, 1), axis=(1, 2)) / (2 * np.sqrt(2))
    return np.arctan2(sine, (np.trace(R, axis1=1, axis2=2) - 1) / 2)
