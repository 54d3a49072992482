# SPDX-License-Identifier: Apache-2.0
"""Whether the lens bends the picture: only if that predicts tracks that had no part in finding it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reangle.geometry.camera.solve.bundle import Freedom, Lens, Solution, adjust
from reangle.geometry.camera.solve.tracks import Tracks

BEND_SIGMA = 0.3
"""Standard deviation of k1 and k2 about 0."""
LEAST_DROP = 0.04
"""Share by which the cost of the other tracks must drop."""
LEAST_SHIFT_PX = 0.7
"""Least shift at the picture's corner, for frames 720 pixels wide."""


def lens_that_bends(solution: Solution, tracks: Tracks, freedom: Freedom) -> Lens | None:
    """The lens with distortion, if half of the tracks find one with which the other half fits better; else None.

    freedom: of the bundle adjustment without distortion.
    """
    odd = np.arange(tracks.count) % 2 == 1
    ours, theirs = tracks.only_tracks(odd), tracks.only_tracks(~odd)
    if min((ours.lengths > 0).sum(), (theirs.lengths > 0).sum()) < 60:
        return None
    held = replace(freedom, cameras_held=True, focal_sigma=0.0, iterations=8)
    plain = adjust(solution, ours, freedom).solution
    bent = adjust(plain, ours, replace(freedom, bend_sigma=BEND_SIGMA)).solution
    costs = [adjust(one, theirs, held).cost for one in (plain, bent)]
    if costs[1] > (1 - LEAST_DROP) * costs[0] or not _plausible(bent.lens, tracks):
        return None
    return bent.lens


def _plausible(lens: Lens, tracks: Tracks) -> bool:
    """Whether it matters at the corner, and pixels farther out stay farther out."""
    corner = (lens.centre_x**2 + lens.centre_y**2) / lens.focal**2
    square = np.linspace(0, 1.1 * corner, 20)
    slope = 1 + 3 * lens.k1 * square + 5 * lens.k2 * square**2
    shift = abs(lens.k1 * corner + lens.k2 * corner**2) * np.sqrt(corner) * lens.focal
    return bool(slope.min() > 0.2 and shift > LEAST_SHIFT_PX * tracks.width / 720)
