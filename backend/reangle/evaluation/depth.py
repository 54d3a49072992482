# SPDX-License-Identifier: Apache-2.0
"""Depth maps compared with true ones."""

from __future__ import annotations

import cv2
import numpy as np

EDGE_STEP = 0.1
"""Neighbours are at a depth edge if their inverse depths differ by more than this share of the larger one, and neither
side's slope explains the step."""
EDGE_REACH_PX = 3.0


def clip_scale(depth: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    """The factor that brings a clip's depth to the truth: the median of truth / depth.

    depth, truth: T x H x W. where: T x H x W bool, at least one pixel.
    """
    return float(np.median(truth[where] / depth[where]))


def abs_rel(depth: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    """Mean of |depth / truth - 1| after one scale per clip (Eigen et al., 2014, with `clip_scale`). As there."""
    scaled = depth[where] * clip_scale(depth, truth, where)
    return float(np.mean(np.abs(scaled / truth[where] - 1)))


def depth_edges(depth: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """H x W bool: pixels on either side of an occluding edge. depth: H x W planar z. valid: H x W bool.

    Inverse depth is affine in the picture over a plane, so a floor at a grazing angle has no edge.
    """
    inverse = np.divide(1.0, depth, out=np.full(depth.shape, np.nan), where=valid & (depth > 0))
    edges = np.zeros(depth.shape, bool)
    for axis in (0, 1):
        lines, marks = np.moveaxis(inverse, axis, 0), np.moveaxis(edges, axis, 0)
        a, b = lines[:-1], lines[1:]
        slope = b - a
        outwards = np.full((1, lines.shape[1]), np.nan)
        before = np.concatenate([outwards, slope[:-1]])
        after = np.concatenate([slope[1:], outwards])
        # Outside the picture there is no slope that could explain a step.
        unexplained = np.fmin(np.abs(slope), np.fmin(np.abs(slope - before), np.abs(slope - after)))
        cut = unexplained > EDGE_STEP * np.fmax(a, b)
        marks[:-1] |= cut
        marks[1:] |= cut
    return edges


def edge_f1(depth: np.ndarray, valid: np.ndarray, truth: np.ndarray, true_valid: np.ndarray) -> float:
    """F1 of the depth edges of a clip within EDGE_REACH_PX of the true ones; NaN if the truth has no edge.

    Precision: share of the edge pixels that have a true one nearby; recall: share of the true ones that have one of
    these nearby. All: T x H x W at one size.
    """
    near_truth = near_result = results = truths = 0
    for one, where, true, true_where in zip(depth, valid, truth, true_valid, strict=True):
        edges, true_edges = depth_edges(one, where), depth_edges(true, true_where)
        results += int(edges.sum())
        truths += int(true_edges.sum())
        near_truth += int((edges & _near(true_edges)).sum())
        near_result += int((true_edges & _near(edges)).sum())
    if not truths:
        return float("nan")
    if not near_truth:
        return 0.0
    precision, recall = near_truth / results, near_result / truths
    return 2 * precision * recall / (precision + recall)


def _near(edges: np.ndarray) -> np.ndarray:
    if not edges.any():
        return np.zeros_like(edges)
    return cv2.distanceTransform((~edges).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= EDGE_REACH_PX
