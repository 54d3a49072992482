# SPDX-License-Identifier: Apache-2.0
"""Robust estimators for alignment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MAD_TO_SIGMA = 1.4826


def weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    """The value with half of the weight on each side; NaN if there is no weight."""
    use = np.isfinite(values) & (weights > 0)
    if not use.any():
        return float("nan")
    values, weights = values[use], weights[use]
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def spread(residuals: np.ndarray) -> float:
    """Standard deviation of zero-mean residuals without outliers, from the median of their absolute values."""
    return float(MAD_TO_SIGMA * np.median(np.abs(residuals))) if residuals.size else 0.0


def solve_differences(
    count: int, edges: Sequence[tuple[int, int]], differences: np.ndarray, weights: np.ndarray, iterations: int = 10
) -> np.ndarray:
    """x (count x k) with x[0] = 0 that minimises the weighted sum of |x[j] - x[i] - difference| over edges (i, j).

    The norm is Euclidean and not squared (iteratively reweighted least squares), so a few wrong edges have little
    influence. differences: E x k. weights: E. The edges must connect all of x.
    """
    first, second = np.asarray(edges).T
    scale = np.median(np.linalg.norm(differences, axis=1)) * 1e-3 + 1e-9
    x = np.zeros((count, differences.shape[1]))
    factor = np.ones(len(differences))
    for _ in range(iterations):
        laplacian = np.zeros((count, count))
        right = np.zeros_like(x)
        w = weights * factor
        np.add.at(laplacian, (first, first), w)
        np.add.at(laplacian, (second, second), w)
        np.add.at(laplacian, (first, second), -w)
        np.add.at(laplacian, (second, first), -w)
        np.add.at(right, second, w[:, None] * differences)
        np.add.at(right, first, -w[:, None] * differences)
        x[1:] = np.linalg.solve(laplacian[1:, 1:], right[1:])
        size = np.linalg.norm(x[second] - x[first] - differences, axis=1)
        factor = 1 / np.maximum(size, max(spread(size), scale))
    return x
