# SPDX-License-Identifier: Apache-2.0
"""How well what moves is known: masks, and solved points that lie on movers."""

from __future__ import annotations

import cv2
import numpy as np

from reangle.geometry.clip_camera import ClipCamera

OFF = 1.2
"""A solved depth is off if it differs from the truth by more than this factor."""


def mask_scores(found: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Recall and precision of masks, 0 to 1, over all pixels of a clip; NaN where nothing is to be found, or was found.

    found: T x h x w bool, brought to the truth's size. truth: T x H x W bool.
    """
    size = truth.shape[2], truth.shape[1]
    found = np.stack([cv2.resize(one.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) for one in found]) > 0
    both = float((found & truth).sum())
    return _share(both, truth.sum()), _share(both, found.sum())


def point_scores(camera: ClipCamera, depth: np.ndarray, moving: np.ndarray) -> tuple[float, float]:
    """Share of the solved points that lie on movers in most of their frames, and of their observations whose depth
    is off by more than the factor OFF, after one scale for all; NaN without points.

    depth: T x H x W, true. moving: T x H x W bool, true.
    """
    points = camera.points
    if not len(points):
        return float("nan"), float("nan")
    height, width = depth.shape[1:]
    column = np.clip(points.uv[:, 0] * width / camera.width, 0, width - 1).astype(np.intp)
    row = np.clip(points.uv[:, 1] * height / camera.height, 0, height - 1).astype(np.intp)
    camera_from_world = np.linalg.inv(camera.world_from_camera)[points.frame]
    solved = np.einsum("mi,mi->m", camera_from_world[:, 2, :3], points.xyz[points.point]) + camera_from_world[:, 2, 3]
    seen = np.bincount(points.point, minlength=len(points))
    on = np.bincount(points.point, weights=moving[points.frame, row, column], minlength=len(points))
    true = depth[points.frame, row, column]
    known = (true > 0) & (solved > 0)
    ratio = np.log(solved[known] / true[known])
    off = np.abs(ratio - np.median(ratio)) > np.log(OFF) if known.any() else np.zeros(0)
    return float((on > 0.5 * seen).mean()), _share(float(off.sum()) + (~known).sum(), len(known))


def _share(part: float, whole: float) -> float:
    return part / float(whole) if whole else float("nan")
