# SPDX-License-Identifier: Apache-2.0
"""Poses from points, and points from poses."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from reangle.geometry.camera.solve.bundle import Lens
from reangle.geometry.camera.solve.tracks import Tracks
from reangle.geometry.colmap import pycolmap

SEED = 7


def colmap_camera(lens: Lens, width: int, height: int) -> pycolmap.Camera:
    """The lens as COLMAP's model RADIAL."""
    return pycolmap.Camera(
        model="RADIAL",
        width=width,
        height=height,
        params=[lens.focal, lens.centre_x, lens.centre_y, lens.k1, lens.k2],
    )


def relative_pose(
    lens: Lens, first: np.ndarray, second: np.ndarray, max_error: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """R (3 x 3) and t (3, length 1) of the second camera from the first, and which matches agree.

    first, second: n x 2 pixels. max_error: in pixels. None if no motion fits.
    """
    options = pycolmap.RANSACOptions()
    options.max_error = max_error
    options.random_seed = SEED
    options.max_num_trials = 2000
    # The model is fitted to coordinates without distortion, as far off as the lens places them.
    plain = pycolmap.Camera(model="SIMPLE_PINHOLE", width=2, height=2, params=[lens.focal, 0, 0])
    found = pycolmap.estimate_relative_pose(
        plain, lens.straighten(first) * lens.focal, plain, lens.straighten(second) * lens.focal, options
    )
    if found is None:
        return None
    pose = found["cam2_from_cam1"].matrix()
    return pose[:, :3], pose[:, 3], np.asarray(found["inlier_mask"], bool)


def absolute_pose(
    lens: Lens, uv: np.ndarray, xyz: np.ndarray, max_error: float
) -> tuple[np.ndarray, np.ndarray, float] | None:
    """Camera from world (R, t) of a camera that sees the points xyz (n x 3) at uv, and the share that agrees."""
    estimation = pycolmap.AbsolutePoseEstimationOptions()
    estimation.ransac.max_error = max_error
    estimation.ransac.random_seed = SEED
    estimation.ransac.max_num_trials = 1000
    plain = pycolmap.Camera(model="SIMPLE_PINHOLE", width=2, height=2, params=[lens.focal, 0, 0])
    found = pycolmap.estimate_and_refine_absolute_pose(lens.straighten(uv) * lens.focal, xyz, plain, estimation)
    if found is None:
        return None
    pose = found["cam_from_world"].matrix()
    return pose[:, :3], pose[:, 3], float(np.mean(found["inlier_mask"]))


def triangulate(
    lens: Lens, R: np.ndarray, t: np.ndarray, tracks: Tracks, farthest: float
) -> tuple[np.ndarray, np.ndarray]:
    """Points nearest to their rays: N x 3, and the angle in degrees between the rays of each: N.

    Rays of lower depth weigh more (two rounds). Points behind a camera, or beyond `farthest` from the first camera that
    sees them, are placed at that distance along its ray.
    """
    count = tracks.count
    straight = lens.straighten(tracks.uv)
    rays = np.concatenate([straight, np.ones((len(straight), 1))], axis=1)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    rays = np.einsum("mji,mj->mi", R[tracks.frame], rays)
    centres = -np.einsum("tji,tj->ti", R, t)[tracks.frame]
    across = np.eye(3) - rays[:, :, None] * rays[:, None, :]
    weight = np.ones(len(rays))
    starts = tracks.starts(count)[:-1]
    empty = tracks.lengths == 0
    first = np.minimum(starts, max(0, len(rays) - 1))

    def per_track(values: np.ndarray) -> np.ndarray:
        total = np.add.reduceat(values, first, axis=0) if len(values) else np.zeros((count, *values.shape[1:]))
        total[empty] = 0
        return total

    xyz = np.zeros((count, 3))
    if not len(rays):
        return xyz, np.zeros(count)
    for _ in range(2):
        A = per_track(across * weight[:, None, None])
        b = per_track(np.einsum("mij,mj->mi", across, centres) * weight[:, None])
        ridge = 1e-9 * np.trace(A, axis1=1, axis2=2) + 1e-12
        xyz = np.linalg.solve(A + ridge[:, None, None] * np.eye(3), b[..., None])[..., 0]
        distance = np.linalg.norm(xyz[tracks.track] - centres, axis=1)
        weight = 1 / np.maximum(distance, 1e-3 * farthest) ** 2
        depth = np.einsum("mi,mi->m", xyz[tracks.track] - centres, rays)
        behind = per_track((depth <= 0).astype(float)) > 0
        far = np.linalg.norm(xyz - centres[first], axis=1) > farthest
        placed = behind | far
        xyz[placed] = (centres[first] + farthest * rays[first])[placed]
    angle = np.arccos(np.clip(np.einsum("mi,mi->m", rays, rays[first][tracks.track]), -1, 1))
    widest = np.zeros(count)
    np.maximum.at(widest, tracks.track, angle)
    return xyz, np.where(empty, 0, np.degrees(widest))


def rotation_between(first: np.ndarray, second: np.ndarray, scale: float, guess: np.ndarray) -> np.ndarray:
    """R (3 x 3) with second = R first for most of the unit rays (n x 3): iteratively reweighted, from a guess.

    scale: the error, as an angle in radians, beyond which rays count little.
    """
    R = guess
    for wide in (16, 8, 4, 2, 1, 1, 1):
        turned = first @ R.T
        error = second - turned
        weight = 1 / ((wide * scale) ** 2 + (error**2).sum(axis=1)) ** 2
        # Least squares for a small rotation w: w x turned = error.
        A = (np.eye(3) - turned[:, :, None] * turned[:, None, :]) * weight[:, None, None]
        b = np.cross(turned, error) * weight[:, None]
        step = np.linalg.lstsq(A.sum(axis=0), b.sum(axis=0), rcond=1e-9)[0]
        R = Rotation.from_rotvec(step).as_matrix() @ R
    return R


def refine_pose(
    lens: Lens,
    R: np.ndarray,
    t: np.ndarray,
    uv: np.ndarray,
    xyz: np.ndarray,
    scale: float,
    *,
    turning: bool = False,
    iterations: int = 8,
) -> tuple[np.ndarray, np.ndarray]:
    """The pose nearby that fits the points best (Gauss-Newton, Cauchy weights of this scale in pixels)."""
    seen = lens.straighten(uv)
    unit = scale / lens.focal
    for _ in range(iterations):
        inside = xyz @ R.T + t
        z = np.maximum(inside[:, 2], 1e-9)
        x, y = inside[:, 0] / z, inside[:, 1] / z
        error = np.stack([x - seen[:, 0], y - seen[:, 1]], axis=1)
        weight = 1 / (unit**2 + (error**2).sum(axis=1))
        zero, one = np.zeros_like(x), 1 / z
        J = np.stack(
            [
                np.stack([-x * y, 1 + x * x, -y, one, zero, -x * one], axis=1),
                np.stack([-1 - y * y, x * y, x, zero, one, -y * one], axis=1),
            ],
            axis=1,
        )
        if turning:
            J = J[:, :, :3]
        A = np.einsum("nki,n,nkj->ij", J, weight, J)
        b = np.einsum("nki,n,nk->i", J, weight, error)
        A[np.diag_indices_from(A)] *= 1 + 1e-6
        step = -np.linalg.lstsq(A, b, rcond=1e-12)[0]
        turn = Rotation.from_rotvec(step[:3]).as_matrix()
        R, t = turn @ R, turn @ t + (0 if turning else step[3:])
    return R, t
