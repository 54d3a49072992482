# SPDX-License-Identifier: Apache-2.0
"""Points of the scene whose depth the camera's motion tells: from tracks, and as depths in each frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from reangle.geometry.clip_camera import ClipCamera, SparsePoints
from reangle.geometry.footage import Footage

TRACK_WIDTH = 720
"""Frames are reduced to at most this width for tracking."""
TRACKS = 1500
"""Most points tracked at once."""
NEW_TRACKS_EVERY = 3
"""Frames between two searches for new points."""
LEAST_FRAMES = 4
"""Frames that must see a point."""
LARGEST_ERROR = 0.0015
"""Largest reprojection error of a point, as a share of the frame's width."""
PIXEL_NOISE = 0.0005
"""Standard deviation of an observation, as a share of the frame's width."""
LARGEST_SIGMA = 0.1
"""Largest standard deviation of a point's log depth in the middle of its frames."""


@dataclass(frozen=True, eq=False)
class PointDepths:
    """Depths of static points in one frame, n each.

    uv: n x 2, share of width and height, 0 to 1. depth: planar z in the frame's camera. sigma: standard deviation of
    log depth. seen: in how many frames the point is.
    """

    uv: np.ndarray
    depth: np.ndarray
    sigma: np.ndarray
    seen: np.ndarray

    def __len__(self) -> int:
        return len(self.depth)

    def subset(self, mask: np.ndarray) -> PointDepths:
        return PointDepths(self.uv[mask], self.depth[mask], self.sigma[mask], self.seen[mask])


def depths_in_frames(camera: ClipCamera) -> list[PointDepths]:
    """Depths of the camera's points in each of the frames that see them."""
    points = camera.points
    if len(points) == 0:
        return [PointDepths(np.zeros((0, 2)), np.zeros(0), np.zeros(0), np.zeros(0))] * camera.frame_count
    covariance = _covariance(points, camera)
    seen_in = np.bincount(points.point, minlength=len(points))
    lists = []
    for frame in range(camera.frame_count):
        seen = points.frame == frame
        index = points.point[seen]
        camera_from_world = np.linalg.inv(camera.world_from_camera[frame])
        xyz = points.xyz[index] @ camera_from_world[:3, :3].T + camera_from_world[:3, 3]
        axis = camera_from_world[2, :3]
        variance = np.einsum("i,nij,j->n", axis, covariance[index], axis)
        ahead = xyz[:, 2] > 1e-6
        uv = points.uv[seen] / (camera.width, camera.height)
        ahead &= ((uv > 0) & (uv < 1)).all(axis=1)
        z = xyz[ahead, 2]
        lists.append(PointDepths(uv[ahead], z, np.sqrt(np.maximum(variance[ahead], 0)) / z, seen_in[index[ahead]]))
    return lists


def triangulate(footage: Footage, camera: ClipCamera) -> SparsePoints:
    """Points of what stands still, tracked through the frames and triangulated with known cameras.

    None if the camera shows no parallax. Tracks that no fixed point explains within LARGEST_ERROR are dropped, so most
    of what moves is; tracks on `camera.moving` are not used.
    """
    if camera.motion != "moving" or footage.count < LEAST_FRAMES:
        return SparsePoints.none()
    track, frame, uv = _tracks(footage, camera.moving)
    if not len(track):
        return SparsePoints.none()
    limit = LARGEST_ERROR * camera.width
    xyz = _intersect(track, frame, uv, camera)
    xyz, _ = _polish(xyz, track, frame, uv, camera, limit)
    residual, z = _residuals(xyz, track, frame, uv, camera)
    # A track often slips off its point at an end: drop single observations before whole tracks.
    keep = (np.linalg.norm(residual, axis=1) < 2 * limit) & (z > 0)
    track, frame, uv, xyz = _renumber(track[keep], frame[keep], uv[keep], xyz)
    if not len(track):
        return SparsePoints.none()
    xyz, error = _polish(xyz, track, frame, uv, camera, limit)
    found = SparsePoints(xyz, error, frame, track, uv)
    sigma = _sigma(found, camera)
    good = (error < limit) & (sigma < LARGEST_SIGMA)
    keep = good[track]
    number = np.cumsum(good) - 1
    return SparsePoints(xyz[good], error[good], frame[keep], number[track[keep]], uv[keep])


def _tracks(footage: Footage, moving: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tracks of corners: track number, frame (m int64 each) and pixel of the clip's frames (m x 2), sorted by track."""
    shrink = min(1.0, TRACK_WIDTH / footage.width)
    size = round(footage.width * shrink), round(footage.height * shrink)
    to_clip = np.array([footage.width / size[0], footage.height / size[1]])
    equalise = cv2.createCLAHE(2.0, (8, 8))
    spacing = max(4, size[0] // 100)
    pyramid = {
        "winSize": (15, 15),
        "maxLevel": 3,
        "criteria": (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 0.01),
    }
    numbers, points, next_number = np.zeros(0, np.int64), np.zeros((0, 2), np.float32), 0
    rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    previous = np.zeros(0, np.uint8)
    for index in range(footage.count):
        grey = cv2.cvtColor(footage.image(index), cv2.COLOR_RGB2GRAY)
        grey = equalise.apply(cv2.resize(grey, size, interpolation=cv2.INTER_AREA))
        if len(points):
            found, ok, _ = cv2.calcOpticalFlowPyrLK(previous, grey, points, np.empty(0), **pyramid)
            back, ok_back, _ = cv2.calcOpticalFlowPyrLK(grey, previous, found, np.empty(0), **pyramid)
            keep = (ok.ravel() > 0) & (ok_back.ravel() > 0) & (np.linalg.norm(back - points, axis=1) < 0.4)
            keep &= ((found > 2) & (found < np.array(size) - 3)).all(axis=1)
            points, numbers = found[keep], numbers[keep]
        free = np.full((size[1], size[0]), 255, np.uint8)
        if moving is not None:
            mask = cv2.resize(moving[index].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
            free[cv2.dilate(mask, np.ones((5, 5), np.uint8)) > 0] = 0
            inside = free[tuple(np.round(points).astype(int)[:, ::-1].T)] > 0
            points, numbers = points[inside], numbers[inside]
        if index % NEW_TRACKS_EVERY == 0 and len(points) < TRACKS:
            for x, y in np.round(points).astype(int):
                cv2.circle(free, (int(x), int(y)), spacing, 0, -1)
            fresh = cv2.goodFeaturesToTrack(grey, TRACKS - len(points), 0.003, spacing, mask=free)
            if fresh is not None:
                fresh = fresh.reshape(-1, 2)
                points = np.concatenate([points, fresh])
                numbers = np.concatenate([numbers, np.arange(next_number, next_number + len(fresh))])
                next_number += len(fresh)
        rows.append((numbers, np.full(len(numbers), index), (points + 0.5) * to_clip))
        previous = grey
    track, frame, uv = (np.concatenate(part) for part in zip(*rows, strict=True))
    long_enough = np.bincount(track, minlength=next_number) >= LEAST_FRAMES if next_number else np.zeros(0, bool)
    keep = long_enough[track]
    track, frame, uv = track[keep], frame[keep].astype(np.int64), uv[keep].astype(np.float64)
    order = np.lexsort((frame, track))
    return np.unique(track[order], return_inverse=True)[1], frame[order], uv[order]


def _renumber(
    track: np.ndarray, frame: np.ndarray, uv: np.ndarray, xyz: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Drop tracks with too few observations left."""
    keep = (np.bincount(track, minlength=len(xyz)) >= LEAST_FRAMES)[track]
    known, track = np.unique(track[keep], return_inverse=True)
    return track, frame[keep], uv[keep], xyz[known]


def _sums(track: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sums of values (m x ...) over each track; tracks are sorted and without gaps."""
    starts = np.flatnonzero(np.r_[True, np.diff(track) > 0])
    return np.add.reduceat(values, starts, axis=0)


def _intersect(track: np.ndarray, frame: np.ndarray, uv: np.ndarray, camera: ClipCamera) -> np.ndarray:
    """The point nearest to all rays of each track, n x 3."""
    rays = np.einsum("mij,mj->mi", np.linalg.inv(camera.K)[frame], np.column_stack([uv, np.ones(len(uv))]))
    rays = np.einsum("mij,mj->mi", camera.world_from_camera[frame, :3, :3], rays)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    across = np.eye(3) - rays[:, :, None] * rays[:, None, :]
    matrix = _sums(track, across)
    right = _sums(track, np.einsum("mij,mj->mi", across, camera.world_from_camera[frame, :3, 3]))
    matrix += 1e-9 * np.eye(3)
    return np.linalg.solve(matrix, right[..., None])[..., 0]


def _project(
    xyz: np.ndarray, track: np.ndarray, frame: np.ndarray, camera: ClipCamera
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels (m x 2), depth (m) and derivative of the pixels by the world point (m x 2 x 3)."""
    camera_from_world = np.linalg.inv(camera.world_from_camera)[frame]
    local = np.einsum("mij,mj->mi", camera_from_world[:, :3, :3], xyz[track]) + camera_from_world[:, :3, 3]
    K, z = camera.K[frame], local[:, 2]
    safe = np.where(np.abs(z) > 1e-9, z, 1e-9)
    pixels = np.einsum("mij,mj->mi", K, local / safe[:, None])[:, :2]
    by_local = (K[:, :2, :] - pixels[:, :, None] * np.array([0, 0, 1.0])) / safe[:, None, None]
    return pixels, z, by_local @ camera_from_world[:, :3, :3]


def _residuals(
    xyz: np.ndarray, track: np.ndarray, frame: np.ndarray, uv: np.ndarray, camera: ClipCamera
) -> tuple[np.ndarray, np.ndarray]:
    pixels, z, _ = _project(xyz, track, frame, camera)
    return pixels - uv, z


def _polish(
    xyz: np.ndarray, track: np.ndarray, frame: np.ndarray, uv: np.ndarray, camera: ClipCamera, limit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Least reprojection error with Cauchy weights (Gauss-Newton). Returns points and their error in pixels."""
    for _ in range(6):
        pixels, _, by_point = _project(xyz, track, frame, camera)
        residual = pixels - uv
        weight = 1 / (1 + (residual**2).sum(axis=1) / limit**2)
        normal = _sums(track, weight[:, None, None] * (by_point.transpose(0, 2, 1) @ by_point))
        gradient = _sums(track, weight[:, None] * np.einsum("mki,mk->mi", by_point, residual))
        trace = np.trace(normal, axis1=1, axis2=2)[:, None, None]
        step = np.linalg.solve(normal + 1e-9 * np.maximum(trace, 1e-12) * np.eye(3), gradient[..., None])[..., 0]
        far = np.linalg.norm(xyz, axis=1, keepdims=True)
        length = np.linalg.norm(step, axis=1, keepdims=True)
        xyz = xyz - step * np.minimum(1, 0.5 * far / np.maximum(length, 1e-12))
    residual, z = _residuals(xyz, track, frame, uv, camera)
    error = np.sqrt(_sums(track, (residual**2).sum(axis=1)) / np.bincount(track))
    behind = _sums(track, (z <= 0).astype(float)) > 0
    return xyz, np.where(behind, np.inf, error)


def _covariance(points: SparsePoints, camera: ClipCamera) -> np.ndarray:
    """Covariance of each point, n x 3 x 3, from the noise of its observations."""
    order = np.argsort(points.point, kind="stable")
    track, frame = points.point[order], points.frame[order]
    _, _, by_point = _project(points.xyz, track, frame, camera)
    known, compact = np.unique(track, return_inverse=True)
    normal = np.tile(1e-12 * np.eye(3), (len(points), 1, 1))
    normal[known] += _sums(compact, by_point.transpose(0, 2, 1) @ by_point)
    noise = np.maximum(PIXEL_NOISE * camera.width, np.nan_to_num(points.error, posinf=1e3))
    return np.linalg.inv(normal) * noise[:, None, None] ** 2


def _sigma(points: SparsePoints, camera: ClipCamera) -> np.ndarray:
    """Standard deviation of log distance of each point, seen from its first camera."""
    first = np.zeros(len(points), np.int64)
    first[points.point[::-1]] = points.frame[::-1]
    ray = points.xyz - camera.world_from_camera[first, :3, 3]
    distance = np.linalg.norm(ray, axis=1)
    ray /= np.maximum(distance, 1e-12)[:, None]
    variance = np.einsum("ni,nij,nj->n", ray, _covariance(points, camera), ray)
    return np.sqrt(np.maximum(variance, 0)) / np.maximum(distance, 1e-12)
