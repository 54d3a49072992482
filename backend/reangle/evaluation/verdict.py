# SPDX-License-Identifier: Apache-2.0
"""Whether one row of figures is better than another, over several scenes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from reangle.evaluation.controls import CONTROLS

HIDDEN = "psnr_occluded"
LEAST_TEXTURE = 0.65
"""Less than this share of the truth's texture does not count as a picture: a blur gains PSNR, too."""
SURE = 2.0
"""Standard errors by which a row must differ from the control."""

Results = Sequence[Sequence[Mapping[str, Mapping[str, float]]]]
"""scene x seed x row x figure"""


class Difference(NamedTuple):
    """A row's gain over another. error: standard error over scenes. better: scenes where it is positive."""

    mean: float
    error: float
    better: int
    scenes: int

    def __str__(self) -> str:
        error = f" ±{self.error:.2f}" if self.scenes > 1 else ""
        return f"{self.mean:+.2f}{error}, {self.better} of {self.scenes}" if self.scenes else ""


def values(results: Results, row: str, figure: str) -> np.ndarray:
    """scene x seed; NaN where a scene lacks the figure."""
    return np.array([[one[row].get(figure, np.nan) for one in scene] for scene in results])


def mean(results: Results, row: str, figure: str) -> float:
    numbers = values(results, row, figure)
    return float(np.nanmean(numbers)) if np.isfinite(numbers).any() else float("nan")


def difference(results: Results, row: str, other: str, figure: str = HIDDEN) -> Difference:
    """Over the scenes that have the figure."""
    more = (values(results, row, figure) - values(results, other, figure)).mean(axis=1)
    more = more[np.isfinite(more)]
    count = len(more)
    error = float(more.std(ddof=1)) / np.sqrt(count) if count > 1 else float("nan")
    return Difference(float(more.mean()) if count else float("nan"), error, int((more > 0).sum()), count)


def best_control(results: Results, figure: str = HIDDEN) -> str | None:
    """The control with the higher mean, of those that were run."""
    run = [name for name in CONTROLS if name in results[0][0]]
    return max(run, key=lambda name: np.nan_to_num(mean(results, name, figure)), default=None)


def verdict(gain: Difference, texture: float) -> str:
    """Better only if the gain over the best control is sure and the result has texture."""
    if not np.isfinite(gain.error):
        return "one scene"
    if abs(gain.mean) <= SURE * gain.error:
        return "no difference"
    if gain.mean < 0:
        return "worse"
    return "better" if texture >= LEAST_TEXTURE else "blurred"
