# SPDX-License-Identifier: Apache-2.0
"""From disparity that is known up to scale and shift, anew in each frame, to depth that holds still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from reangle.geometry.alignment import TYPICAL_DEPTH
from reangle.geometry.robust import solve_differences, spread

FAR_OVER_NEAR = 12.0
"""How many times farther than near things far things are taken to be, where nobody knows better."""
SMOOTHING_FRAMES = 2.0
"""Standard deviation, in frames, of the smoothing of scale and shift in time."""
MATCH_WIDTH = 256


@dataclass(frozen=True, eq=False)
class Match:
    """Places in frame `first` and in frame `second` that show the same: disparities, n each."""

    first: int
    second: int
    first_values: np.ndarray
    second_values: np.ndarray


def apply(disparity: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """scale * disparity + shift, with one scale and one shift for each frame; disparity is T x h x w."""
    return disparity * scale[:, None, None].astype(np.float32) + shift[:, None, None].astype(np.float32)


def depth_from_inverse(inverse: np.ndarray, farthest: float) -> np.ndarray:
    """1 / inverse as float32; what is farther than `farthest`, or behind the horizon, is put there."""
    return (1 / np.maximum(inverse, 1 / farthest)).astype(np.float32)


def smooth_in_time(values: np.ndarray, frames: float) -> np.ndarray:
    """Gaussian mean over time, T or T x k values; frames: its standard deviation, 0 for none."""
    if frames <= 0:
        return values
    times = np.arange(len(values))
    weights = np.exp(-0.5 * ((times[:, None] - times) / frames) ** 2)
    return weights / weights.sum(axis=1, keepdims=True) @ values


def hold_still(matches: Sequence[Match], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Scale and shift for each frame, T each, that make disparities of the same things agree.

    Each match gives a relative scale and shift; they are averaged robustly over all matches.
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
    # The first frame is no better than the others: the clip as a whole keeps its scale and shift.
    middle_scale = np.exp(np.median(np.log(scale)))
    scale, shift = scale / middle_scale, shift / middle_scale
    return scale, shift - np.median(shift)


def _relative(match: Match) -> tuple[float, float, float] | None:
    """What the second frame's disparity is multiplied by, about which means, to give the first's; None if unknown.

    The scale is the ratio of spreads over what agrees: regression would shrink it frame by frame, for both sides are
    noisy.
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


def match_frames(disparity: np.ndarray, grey: Sequence[np.ndarray], offsets: Sequence[int] = (1, 2, 4)) -> list[Match]:
    """Matches along dense optical flow. disparity: T x h x w; grey: T pictures of one size, uint8, any size."""
    count = len(disparity)
    height, width = grey[0].shape
    shrink = min(1.0, MATCH_WIDTH / width)
    size = max(16, round(width * shrink)), max(16, round(height * shrink))
    small = [cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in grey]
    values = [cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in disparity]
    flow_of = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    x, y = np.meshgrid(np.arange(size[0], dtype=np.float32), np.arange(size[1], dtype=np.float32))
    matches = []
    for first in range(count):
        for second in (first + offset for offset in offsets if first + offset < count):
            there = flow_of.calc(small[first], small[second], None)  # pyright: ignore[reportArgumentType, reportCallIssue]
            back = flow_of.calc(small[second], small[first], None)  # pyright: ignore[reportArgumentType, reportCallIssue]
            u, v = x + there[..., 0], y + there[..., 1]
            returned = there + cv2.remap(back, u, v, cv2.INTER_LINEAR, borderValue=(1e3, 1e3))
            sure = np.linalg.norm(returned, axis=2) < 1.0
            seen = cv2.remap(values[second], u, v, cv2.INTER_LINEAR)
            matches.append(Match(first, second, values[first][sure], seen[sure]))
    return matches


def default_range(disparity: np.ndarray, far_over_near: float = FAR_OVER_NEAR) -> tuple[float, float]:
    """One scale and shift for a whole clip whose true ones nobody knows.

    Disparity's 98th percentile is near, its 2nd far. If far is more than far_over_near times as far as near, the shift
    lifts it to that; the median depth becomes TYPICAL_DEPTH.
    """
    far, middle, near = (float(value) for value in np.percentile(disparity[:, ::4, ::4], (2, 50, 98)))
    shift = max(0.0, (near - far_over_near * far) / (far_over_near - 1))
    middle += shift
    if middle <= 0 or near <= far:
        return 0.0, 1 / TYPICAL_DEPTH
    return 1 / (TYPICAL_DEPTH * middle), shift / (TYPICAL_DEPTH * middle)
