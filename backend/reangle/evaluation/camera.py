# SPDX-License-Identifier: Apache-2.0
"""How far a result's camera is from the requested one, measured in the pictures."""

from __future__ import annotations

import cv2
import numpy as np

MOST_POINTS = 400
LEAST_POINTS = 12
TRACKED_BACK_PX = 0.5
RANSAC_PX = 1.0


def camera_error(result: np.ndarray, truth: np.ndarray, static: np.ndarray | None = None) -> dict[str, float]:
    """camera_px: mean distance in pixels by which the picture's corners are off; camera_found: share of frames in which
    it could be measured. Without such a frame there is no camera_px.

    result, truth: N x H x W x 3 uint8 from the same camera. static: N x H x W bool, True where no object moves.
    Features of the true picture are tracked into the result and back (Lucas-Kanade), and RANSAC fits a similarity to
    them, which approximates a small rotation, shift, roll or zoom of the camera.
    """
    errors = []
    for index, (picture, true_picture) in enumerate(zip(result, truth, strict=True)):
        error = _corner_error(picture, true_picture, None if static is None else static[index])
        if error is not None:
            errors.append(error)
    figures = {"camera_found": len(errors) / len(truth)}
    return {**figures, "camera_px": float(np.mean(errors))} if errors else figures


def _corner_error(result: np.ndarray, truth: np.ndarray, static: np.ndarray | None) -> float | None:
    height, width = truth.shape[:2]
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (truth, result)]
    mask = None if static is None else cv2.erode(static.astype(np.uint8), np.ones((5, 5), np.uint8))
    points = cv2.goodFeaturesToTrack(grey[0], MOST_POINTS, 0.01, max(3.0, width / 100), mask=mask)
    if points is None or len(points) < LEAST_POINTS:
        return None
    tracked, ok, _ = cv2.calcOpticalFlowPyrLK(grey[0], grey[1], points, None)  # pyright: ignore[reportCallIssue, reportArgumentType]
    back, ok_back, _ = cv2.calcOpticalFlowPyrLK(grey[1], grey[0], tracked, None)  # pyright: ignore[reportCallIssue, reportArgumentType]
    kept = (ok & ok_back).ravel().astype(bool)
    kept &= np.linalg.norm((back - points).reshape(-1, 2), axis=1) < TRACKED_BACK_PX
    if kept.sum() < LEAST_POINTS:
        return None
    cv2.setRNGSeed(0)
    fit, inliers = cv2.estimateAffinePartial2D(points[kept], tracked[kept], ransacReprojThreshold=RANSAC_PX)
    if fit is None or inliers is None or inliers.sum() < LEAST_POINTS:
        return None
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], np.float64)
    return float(np.linalg.norm(corners @ fit.T - corners[:, :2], axis=1).mean())
