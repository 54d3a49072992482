# SPDX-License-Identifier: Apache-2.0
"""SED and TSED: whether matches between two pictures fit their cameras.

Yu et al., Long-Term Photometric Consistent Novel View Synthesis with Diffusion Models, ICCV 2023. The symmetric
epipolar distance (SED) of a match is the mean distance, in pixels, of its two points from each other's epipolar lines.
A pair's SED is the median over its SIFT matches. TSED is the share of pairs with at least LEAST_MATCHES matches and a
SED below THRESHOLD. Both are the paper's defaults, for pictures of 256 x 256 pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from reangle.evaluation.agreement.views import SceneView
from reangle.warping.cameras import target_from_source

LEAST_MATCHES = 10
THRESHOLD = 2.0
"""Pixels of SED."""
RATIO = 0.8
"""Largest ratio of the distances to the nearest and to the second nearest descriptor (Lowe, IJCV 2004)."""


@dataclass(frozen=True)
class PairDistance:
    """sed: median over the matches, in pixels; NaN if there are none."""

    sed: float
    matches: int

    @property
    def consistent(self) -> bool:
        """Whether TSED counts the pair."""
        return self.matches >= LEAST_MATCHES and self.sed < THRESHOLD


def pair_distance(first: SceneView, second: SceneView) -> PairDistance:
    """SED of two views of one scene at the same time; their depth is not read."""
    matches = sift_matches(first.picture, second.picture)
    if not len(matches):
        return PairDistance(float("nan"), 0)
    F = fundamental(first, second)
    return PairDistance(float(np.median(epipolar_distances(matches[:, 0], matches[:, 1], F))), len(matches))


def tsed(pairs: Sequence[PairDistance]) -> float:
    """Share of the pairs that are consistent, 0 to 1; NaN without pairs."""
    return float(np.mean([pair.consistent for pair in pairs])) if pairs else float("nan")


def fundamental(first: SceneView, second: SceneView) -> np.ndarray:
    """F, 3 x 3 float64, with (x2, y2, 1) F (x1, y1, 1) = 0 for every point that both see.

    It is zero if both cameras stand in one place: then every match fits.
    """
    second_from_first = target_from_source(second.world_from_camera, first.world_from_camera)
    rotation, (x, y, z) = second_from_first[:3, :3], second_from_first[:3, 3]
    essential = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) @ rotation
    return np.linalg.inv(second.K).T @ essential @ np.linalg.inv(first.K)


def epipolar_distances(first: np.ndarray, second: np.ndarray, F: np.ndarray) -> np.ndarray:
    """SED of each match in pixels, n. first, second: n x 2 (x, y). F: see `fundamental`."""
    ones = np.ones((len(first), 1))
    first, second = np.hstack([first, ones]), np.hstack([second, ones])
    lines_in_second, lines_in_first = first @ F.T, second @ F
    return (_distance(second, lines_in_second) + _distance(first, lines_in_first)) / 2


def sift_matches(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Places of matching SIFT keypoints, n x 2 x 2: match, picture, (x, y), pixel centres at +0.5.

    Matches pass the ratio test in both directions and are each other's nearest. Pictures are h x w x 3 uint8 RGB.
    """
    sift = cv2.SIFT.create()
    found = [sift.detectAndCompute(cv2.cvtColor(one, cv2.COLOR_RGB2GRAY), None) for one in (first, second)]
    (points, descriptors), (other_points, other_descriptors) = found
    if len(points) < 2 or len(other_points) < 2:
        return np.zeros((0, 2, 2))
    there, back = _nearest(descriptors, other_descriptors), _nearest(other_descriptors, descriptors)
    mutual = [(one, other) for one, other in there.items() if back.get(other) == one]
    places = [(points[one].pt, other_points[other].pt) for one, other in mutual]
    return np.array(places, np.float64).reshape(-1, 2, 2) + 0.5


def _nearest(descriptors: np.ndarray, others: np.ndarray) -> dict[int, int]:
    """The nearest of the others for each descriptor that passes the ratio test."""
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(descriptors, others, k=2)
    return {best.queryIdx: best.trainIdx for best, second in pairs if best.distance < RATIO * second.distance}


def _distance(points: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Pixels from n points (x, y, 1) to n lines; 0 for the zero line."""
    length = np.linalg.norm(lines[:, :2], axis=1)
    return np.abs((points * lines).sum(axis=1)) / np.where(length > 0, length, 1)
