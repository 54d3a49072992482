# SPDX-License-Identifier: Apache-2.0
"""How far a job is, and how long it will still take."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from reangle.runtime.stage import PlannedStage

MIN_WORKED = 0.01
"""Share of the uncached work after which a pace is measured; before, start-up time would dominate it."""
MIN_OF_STAGE = 0.05
"""Share of a stage after which its speed replaces the estimate for its kind."""


class Progress:
    """Progress and time left of a plan, by the stages' weights.

    Seconds per unit of weight are measured for each kind of stage as the job runs; until a kind is measured, the mean
    over all work stands in, and before that the plan's weights, which are seconds. Cached stages take no time and are
    left out of the measurement.
    """

    def __init__(self, stages: Sequence[PlannedStage], clock: Callable[[], float] = time.monotonic) -> None:
        self._total = sum(stage.weight for stage in stages) or 1.0
        self._left = {stage.id: stage for stage in stages}
        self._done = self._cached = 0.0
        self._clock = clock
        self._started = clock()
        self._seconds: dict[str, float] = defaultdict(float)
        self._worked: dict[str, float] = defaultdict(float)

    def begin(self) -> None:
        """The next stage starts."""
        self._started = self._clock()

    def finish(self, stage: PlannedStage, *, cached: bool) -> None:
        """The stage is done; cached: without running."""
        del self._left[stage.id]
        self._done += stage.weight
        if cached:
            self._cached += stage.weight
        else:
            self._seconds[stage.spec.kind] += self._clock() - self._started
            self._worked[stage.spec.kind] += stage.weight

    def at(self, stage: PlannedStage, fraction: float) -> float:
        """0 to 1 over the whole job, while this stage is at `fraction`."""
        return min((self._done + stage.weight * fraction) / self._total, 1.0)

    def eta_s(self, stage: PlannedStage, fraction: float) -> float:
        """Seconds until the end while this stage is at `fraction`; by the plan's own until enough is measured."""
        seconds, worked = self._seconds.copy(), self._worked.copy()
        seconds[stage.spec.kind] += self._clock() - self._started
        worked[stage.spec.kind] += stage.weight * fraction
        work = sum(worked.values())
        enough = work >= MIN_WORKED * (self._total - self._cached) and work > 0
        pace = sum(seconds.values()) / work if enough else 1.0

        def left(other: PlannedStage) -> float:
            kind = other.spec.kind
            measured = enough and worked[kind] > MIN_OF_STAGE * other.weight
            rest = 1 - fraction if other is stage else 1.0
            return other.weight * rest * (seconds[kind] / worked[kind] if measured else pace)

        return round(sum(left(other) for other in self._left.values()), 1)
