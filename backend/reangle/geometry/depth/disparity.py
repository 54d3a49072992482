# SPDX-License-Identifier: Apache-2.0
"""From disparity whose scale and shift differ from frame to frame to depth that is steady in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from reangle.geometry.alignment import TYPICAL_DEPTH
from reangle.geometry.robust import solve_differences, spread

FAR_OVER_NEAR = 12.0
"""Assumed ratio of far to near depth."""
SMOOTHING_FRAMES = 2.0
"""Standard deviation in frames of the temporal smoothing of scale and shift."""
MATCH_OFFSETS = (1, 2, 4)
"""Distances in frames between matched frames."""
MATCH_WIDTH = 256
"""Width of the pictures in which optical flow is computed."""


@dataclass(frozen=True, eq=False)
class Match:
    """Disparities of n points that frames `first` and `second` both show, n each."""

    first: int
    second: int
    first_values: np.ndarray
    second_values: np.ndarray


def apply(disparity: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """scale * disparity + shift, with one scale and one shift for each frame; disparity is T x h x w."""
    return disparity * scale[:, None, None].astype(np.float32) + shift[:, None, None].astype(np.float32)


def depth_from_inverse(inverse: np.ndarray, farthest: float) -> np.ndarray:
    """1 / inverse as float32, at most `farthest`; also `farthest` where `inverse` is not above zero."""
    return (1 / np.maximum(inverse, 1 / farthest)).astype(np.float32)


def smooth_in_time(values: np.ndarray, frames: float) -> np.ndarray:
    """Gaussian mean over time of T or T x k values. frames: standard deviation; 0 does not smooth."""
    if frames <= 0:
        return values
    times = np.arange(len(values))
    weights = np.exp(-0.5 * ((times[:, None] - times) / frames) ** 2)
    return weights / weights.sum(axis=1, keepdims=True) @ values


def steady_scale_shift(matches: Sequence[Match], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Scale and shift for each frame, T each, that make the disparities of matches agree.

    Each match gives a relative scale and shift; robust averaging over all matches makes them consistent.
    """
    fits = {(match.first, match.second): fit for match in matches if (fit := _relative(match)) is not None}
    if count == 1 or not {(first, first + 1) for first in range(count - 1)} <= set(fits):
        return np.ones(count), np.zeros(count)
    edges = list(fits)
    weights = np.array([1 / (second - first) for first, second in edges])
    ratio, first_middle, second_middle = np.array(list(fits.values())).T
    scale = np.exp(solve_differences(count, edges, np.log(ratio)[:, None], weights)[:, 0])
    first, second = np.asarray(edges).T
    steps = scale[first] * first_middle - scale[second] * second_middle
    shift = solve_differences(count, edges, steps[:, None], weights)[:, 0]
    # No frame is special: the clip as a whole keeps its median scale and shift.
    middle_scale = np.exp(np.median(np.log(scale)))
    scale, shift = scale / middle_scale, shift / middle_scale
    return scale, shift - np.median(shift)


def _relative(match: Match) -> tuple[float, float, float] | None:
    """Scale from the second frame's disparity to the first's, and the means that it maps onto each other; None if
    unknown.

    The scale is the ratio of standard deviations among the inliers: both sides are noisy, so regression would shrink it
    from frame to frame.
    """
    first, second = match.first_values.astype(np.float64), match.second_values.astype(np.float64)
    keep = np.ones(len(first), bool)
    ratio = first_middle = second_middle = 0.0
    for _ in range(5):
        if keep.sum() < 50 or min(np.ptp(first[keep]), np.ptp(second[keep])) <= 0:
            return None
        first_middle, second_middle = float(first[keep].mean()), float(second[keep].mean())
        ratio = float(first[keep].std() / second[keep].std())
        residual = first - first_middle - ratio * (second - second_middle)
        keep = np.abs(residual) <= 2.5 * max(spread(residual), 1e-9)
    return ratio, first_middle, second_middle


def match_frames(disparity: np.ndarray, grey: Sequence[np.ndarray]) -> list[Match]:
    """Matches along dense optical flow. disparity: T x h x w. grey: T uint8 pictures of one size, which may differ from
    the disparity's."""
    count = len(disparity)
    height, width = grey[0].shape
    shrink = min(1.0, MATCH_WIDTH / width)
    size = max(16, round(width * shrink)), max(16, round(height * shrink))
    small = [cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in grey]
    values = [cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in disparity]
    flow_of = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    x, y = np.meshgrid(np.arange(size[0], dtype=np.float32), np.arange(size[1], dtype=np.float32))
    matches = []
    for first in range(count):
        for second in (first + offset for offset in MATCH_OFFSETS if first + offset < count):
            forward = flow_of.calc(small[first], small[second], None)  # pyright: ignore[reportArgumentType, reportCallIssue]
            backward = flow_of.calc(small[second], small[first], None)  # pyright: ignore[reportArgumentType, reportCallIssue]
            u, v = x + forward[..., 0], y + forward[..., 1]
            returned = forward + cv2.remap(backward, u, v, cv2.INTER_LINEAR, borderValue=(1e3, 1e3))
            consistent = np.linalg.norm(returned, axis=2) < 1.0
            second_values = cv2.remap(values[second], u, v, cv2.INTER_LINEAR)
            matches.append(Match(first, second, values[first][consistent], second_values[consistent]))
    return matches


def default_range(disparity: np.ndarray) -> tuple[float, float]:
    """One scale and shift for a whole clip whose true ones are unknown.

    Near is the 98th percentile of the disparity, far the 2nd. The shift limits far to FAR_OVER_NEAR times near; the
    scale makes the median depth TYPICAL_DEPTH.
    """
    far, middle, near = (float(value) for value in np.percentile(disparity[:, ::4, ::4], (2, 50, 98)))
    shift = max(0.0, (near - FAR_OVER_NEAR * far) / (FAR_OVER_NEAR - 1))
    middle += shift
    if middle <= 0 or near <= far:
        return 0.0, 1 / TYPICAL_DEPTH
    return 1 / (TYPICAL_DEPTH * middle), shift / (TYPICAL_DEPTH * middle)
