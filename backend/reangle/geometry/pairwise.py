# SPDX-License-Identifier: Apache-2.0
"""Estimates from single pairs: the shared focal length, and the motion between the two frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from reangle.geometry.point_maps import PairMaps

MIN_POINTS = 12


@dataclass(frozen=True)
class Lens:
    """A lens whose principal point is the centre of width x height. focal: fx in pixels. aspect: fy / fx."""

    focal: float
    width: int
    height: int
    aspect: float = 1.0

    @property
    def K(self) -> np.ndarray:
        fy = self.focal * self.aspect
        return np.array([[self.focal, 0, self.width / 2], [0, fy, self.height / 2], [0, 0, 1]], np.float64)

    def rays(self, pixels: np.ndarray) -> np.ndarray:
        """n x 3 rays with z = 1 through n x 2 pixels."""
        centre = (self.width / 2, self.height / 2)
        slopes = (pixels - centre) / (self.focal, self.focal * self.aspect)
        return np.pad(slopes, ((0, 0), (0, 1)), constant_values=1)


@dataclass(frozen=True, eq=False)
class PairMotion:
    """first_from_second: 4 x 4, translation in the pair's unit. inliers: n bool, sample points that agree with it.

    weight: trust in the pair, mean log confidence over the inliers times their share.
    """

    first_from_second: np.ndarray
    inliers: np.ndarray
    weight: float


def trust(confidence: np.ndarray) -> np.ndarray:
    """Weight of a point from DUSt3R's confidence, which starts at 1: its logarithm, kept above zero."""
    return np.log(np.maximum(confidence, 1.0)) + 1e-3


def shared_focal(pairs: Sequence[PairMaps], pixels: np.ndarray, width: int, height: int, aspect: float = 1.0) -> float:
    """The focal length in pixels that projects every frame's own points onto their own pixels.

    Weiszfeld's algorithm over all pairs at once (Wang et al., DUSt3R, CVPR 2024, section 3.3) minimises the sum of
    distances, which outliers affect less than a sum of squares. pixels: n x 2, the sample pixels.
    """
    points = np.concatenate([pair.first_points for pair in pairs])
    weights = np.concatenate([trust(pair.first_confidence) for pair in pairs])
    centred = np.tile(pixels - (width / 2, height / 2), (len(pairs), 1))
    use = np.isfinite(points).all(axis=1) & (points[:, 2] > 1e-6)
    weights, centred = weights[use], centred[use]
    slopes = points[use, :2] / points[use, 2:] * (1, aspect)
    across, along = (slopes * centred).sum(axis=1), (slopes**2).sum(axis=1)
    focal = max(width, height) / 1.1547  # 60 degrees
    if not use.any():
        return focal
    factor = weights
    for _ in range(15):
        new = (factor * across).sum() / max((factor * along).sum(), 1e-12)
        distance = np.linalg.norm(centred - new * slopes, axis=1)
        factor = weights / np.maximum(distance, 1e-3)
        focal = new
    # Even a useless network must give a lens that some camera has: 5 to 150 degrees.
    return float(np.clip(focal, width / 2 / np.tan(np.radians(75)), width / 2 / np.tan(np.radians(2.5))))


def pair_motion(pair: PairMaps, pixels: np.ndarray, lens: Lens) -> PairMotion:
    """The second camera's pose in the first, by PnP from the second frame's points and pixels."""
    points, confidence = pair.second_points, pair.second_confidence
    usable = np.isfinite(points).all(axis=1) & (points[:, 2] > 0)
    usable &= confidence >= np.quantile(confidence, 0.25)
    still = PairMotion(np.eye(4), usable, 1e-3)
    if pair.first == pair.second or usable.sum() < MIN_POINTS:
        return still
    # OpenCV's random numbers must not depend on earlier calls.
    cv2.setRNGSeed(0)
    solved, rotation, translation, inliers = cv2.solvePnPRansac(
        points[usable],
        pixels[usable],
        lens.K,
        np.zeros(0),
        flags=cv2.SOLVEPNP_SQPNP,
        reprojectionError=0.008 * lens.width,
        iterationsCount=100,
        confidence=0.999,
    )
    if not solved or inliers is None or len(inliers) < MIN_POINTS:
        return still
    chosen = np.flatnonzero(usable)[np.asarray(inliers, np.intp).ravel()]
    rotation, translation = cv2.solvePnPRefineLM(
        points[chosen], pixels[chosen], lens.K, np.zeros(0), rotation, translation
    )
    second_from_first = np.eye(4)
    second_from_first[:3, :3] = cv2.Rodrigues(rotation)[0]
    second_from_first[:3, 3] = translation.ravel()
    mask = np.zeros(len(points), bool)
    mask[chosen] = True
    weight = float(trust(confidence[mask]).mean() * mask.mean())
    return PairMotion(np.linalg.inv(second_from_first), mask, weight)
