# SPDX-License-Identifier: Apache-2.0
"""How far a result's camera is from the one that was asked for, found again in the pictures."""

from __future__ import annotations

import cv2
import numpy as np

MOST_POINTS = 400
LEAST_POINTS = 12
TRACKED_BACK_PX = 0.5
RANSAC_PX = 1.0


def camera_error(found: np.ndarray, truth: np.ndarray, static: np.ndarray | None = None) -> dict[str, float]:
    """camera_px: by how many pixels the picture's corners are off, on average; camera_found: share of frames in which
    that could be told; without any, there is no camera_px.

    found, truth: N x H x W x 3 uint8 of the same camera. static: N x H x W bool, where nothing moves by itself. Corners
    of the true picture are tracked into the result and back (Lucas-Kanade), and a similarity is fitted to them by
    RANSAC: what a camera that turns, shifts, rolls or zooms a little does to a picture.
    """
    errors = []
    for index, (one, other) in enumerate(zip(found, truth, strict=True)):
        moved = _moved_corners(one, other, None if static is None else static[index])
        if moved is not None:
            errors.append(moved)
    figures = {"camera_found": len(errors) / len(truth)}
    return {**figures, "camera_px": float(np.mean(errors))} if errors else figures


def _moved_corners(found: np.ndarray, truth: np.ndarray, static: np.ndarray | None) -> float | None:
    height, width = truth.shape[:2]
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (truth, found)]
    mask = None if static is None else cv2.erode(static.astype(np.uint8), np.ones((5, 5), np.uint8))
    points = cv2.goodFeaturesToTrack(grey[0], MOST_POINTS, 0.01, max(3.0, width / 100), mask=mask)
    if points is None or len(points) < LEAST_POINTS:
        return None
    there, ok, _ = cv2.calcOpticalFlowPyrLK(grey[0], grey[1], points, None)  # pyright: ignore[reportCallIssue, reportArgumentType]
    back, ok_back, _ = cv2.calcOpticalFlowPyrLK(grey[1], grey[0], there, None)  # pyright: ignore[reportCallIssue, reportArgumentType]
    kept = (ok & ok_back).ravel().astype(bool)
    kept &= np.linalg.norm((back - points).reshape(-1, 2), axis=1) < TRACKED_BACK_PX
    if kept.sum() < LEAST_POINTS:
        return None
    cv2.setRNGSeed(0)
    fit, inliers = cv2.estimateAffinePartial2D(points[kept], there[kept], ransacReprojThreshold=RANSAC_PX)
    if fit is None or inliers is None or inliers.sum() < LEAST_POINTS:
        return None
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], np.float64)
    return float(np.linalg.norm(corners @ fit.T - corners[:, :2], axis=1).mean())
