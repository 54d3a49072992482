# SPDX-License-Identifier: Apache-2.0
"""How rough a depth map is where its surface is smooth: noise of an estimate, steps of a file of few bits."""

from __future__ import annotations

import numpy as np

_EVERY = 5
"""Every so many rows and columns are looked at."""

NOISES = 6.0
"""Standard deviations that a step between neighbours does not exceed; a step of noise has sqrt(2) of them."""

ROUNDINGS = 2.2
"""Steps of rounding that neighbours on a smooth surface may be apart."""


LEAST_BENT, COARSEST = 0.05, 0.01
"""A map is rounded only if at least this share of its pixels has a second difference, and if its steps are no larger
than this share of the largest value; else they are edges between flat surfaces."""


def noise_of(inverse: np.ndarray, reach: int = 1) -> np.float32:
    """Standard deviation of the noise of 1 / depth: from the median second difference, which planes do not have.

    inverse: h x w float32, 0 where unknown. reach: distance of the pixels compared; neighbours share the noise of a
    network.
    """
    bend = _bends(inverse, reach)
    # 0.6745 is the median of |x| for standard deviation 1; a second difference has 1 + 4 + 1 times the variance.
    return np.float32(np.median(bend) / (0.6745 * 6**0.5)) if len(bend) else np.float32(0)


def roughness_of(inverse: np.ndarray) -> np.float32:
    """Largest step in 1 / depth between neighbours that noise, or rounding to few bits, makes on a smooth surface.

    inverse: h x w float32, 0 where unknown. Next to nothing for exact depth.
    """
    bend = _bends(inverse, 1)
    if not len(bend):
        return np.float32(0)
    noise = np.median(bend) / (0.6745 * 6**0.5)
    bent = bend[bend > 0]
    # Rounding makes each second difference a multiple of its step; without it the smallest ones are next to nothing.
    rounding = np.percentile(bent, 10) if len(bent) > LEAST_BENT * len(bend) else 0.0
    if rounding > COARSEST * inverse.max():
        rounding = 0.0
    return np.float32(max(NOISES * noise, ROUNDINGS * rounding))


def _bends(inverse: np.ndarray, reach: int) -> np.ndarray:
    """Second differences along some rows and columns, without sign."""
    bends = []
    for values in (inverse[::_EVERY], np.ascontiguousarray(inverse[:, ::_EVERY].T)):
        before, here, after = values[:, : -2 * reach], values[:, reach:-reach], values[:, 2 * reach :]
        known = (before > 0) & (here > 0) & (after > 0)
        bends.append(np.abs(before - 2 * here + after)[known])
    return np.concatenate(bends)
