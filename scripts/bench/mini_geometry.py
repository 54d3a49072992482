# SPDX-License-Identifier: Apache-2.0
"""Errors of learned geometry, and of baselines without learning."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import cv2
import numpy as np
from geometry_figures import ground_plane
from mini_data import Shot, points_of, sample_geometry, write_decoded
from reangle.geometry.video_geometry import VideoGeometry
from scipy.spatial.transform import Rotation

FLOOR_Y_M = 0.0


def judge_clip(shot: Shot, folder: Path) -> dict[str, float]:
    """Errors of the learned geometry of a generated clip, run as in the product."""
    decoded = write_decoded(shot, folder / "clip")
    started = time.perf_counter()
    learned = sample_geometry(decoded, "mini")
    seconds = time.perf_counter() - started
    shutil.rmtree(decoded)
    row = _judge(learned, shot.depth, shot.K, shot.world_from_camera, shot.floor, shot.moving_camera)
    return {**row, "25_s": seconds}


def judge_sample(decoded: Path) -> dict[str, float]:
    """Errors of the learned geometry of the whole sample at its own size."""
    truth, learned = sample_geometry(decoded, "files"), sample_geometry(decoded, "mini")
    size = learned.depth.shape[2], learned.depth.shape[1]
    depth = np.stack([cv2.resize(one, size, interpolation=cv2.INTER_NEAREST) for one in truth.depth])
    K = truth.K_at(*size)
    points = points_of(depth, K, truth.world_from_camera)
    # The lowest points are the floor.
    low = points[..., 1] > 0.92 * np.percentile(points[..., 1], 99)
    return _judge(learned, depth, K, truth.world_from_camera, low, True)


def _judge(
    learned: VideoGeometry,
    depth: np.ndarray,
    K: np.ndarray,
    world_from_camera: np.ndarray,
    floor: np.ndarray,
    moving: bool,
) -> dict[str, float]:
    """All figures; the depth of each method is scaled to the truth by one factor per clip.

    focal: relative error. rotation, path: of moving cameras, relative to the first frame: mean angle in degrees;
    root mean square distance over the path's length. still: of still cameras, 1 if the estimate is still, else 0.
    """
    size = depth.shape[2], depth.shape[1]
    estimate = np.stack([cv2.resize(one, size, interpolation=cv2.INTER_LINEAR) for one in learned.depth])
    row = {}
    rivals = {"": estimate, "_constant": np.ones_like(depth), "_plane": ground_plane(depth, floor)}
    for name, one in rivals.items():
        scaled = one * np.median(depth / np.maximum(one, 1e-9))
        row[f"abs_rel{name}"] = float(np.mean(np.abs(scaled / depth - 1)))
        ratio = np.maximum(scaled / depth, depth / np.maximum(scaled, 1e-9))
        row[f"delta{name}"] = float(np.mean(ratio < 1.25))
    row["focal"] = abs(float(learned.K_at(*size)[0, 0, 0] / K[0, 0, 0]) - 1)
    first = np.linalg.inv(world_from_camera[0])
    true_poses, poses = (
        first @ world_from_camera,
        np.linalg.inv(learned.world_from_camera[0]) @ learned.world_from_camera,
    )
    turned = Rotation.from_matrix(true_poses[:, :3, :3].transpose(0, 2, 1) @ poses[:, :3, :3]).magnitude()
    unit = float(np.median(depth / np.maximum(estimate, 1e-9)))
    apart = np.linalg.norm(poses[:, :3, 3] * unit - true_poses[:, :3, 3], axis=1)
    length = float(np.linalg.norm(np.diff(true_poses[:, :3, 3], axis=0), axis=1).sum())
    row["rotation"] = float(np.degrees(turned.mean())) if moving else np.nan
    row["path"] = float(np.sqrt((apart**2).mean()) / length) if moving and length > 0.05 else np.nan
    row["still"] = np.nan if moving else float(np.allclose(poses, np.eye(4)))
    return row
