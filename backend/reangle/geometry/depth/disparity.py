# SPDX-License-Identifier: Apache-2.0
"""From disparity whose scale and shift differ from frame to frame to depth that is steady in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reangle.geometry.alignment import TYPICAL_DEPTH
from reangle.geometry.robust import solve_differences, spread

FAR_OVER_NEAR = 12.0
"""Assumed ratio of far to near depth."""


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
