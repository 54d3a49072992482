# SPDX-License-Identifier: Apache-2.0
"""How far a job is, and how long it will still take."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from reangle.runtime.stage import PlannedStage

LEAST_WORKED = 0.01
"""Of what was not found done: before, starting up would be taken for the pace of the work."""
LEAST_OF_STAGE = 0.05
"""Of a stage, before it is believed to have a pace of its own."""


class Progress:
    """By the stages' weights. How long a unit of weight takes is learned of each kind of stage as the job goes, and is
    the mean of all work while it is not known. Stages found done cost and teach nothing.
    """

    def __init__(self, stages: Sequence[PlannedStage], clock: Callable[[], float] = time.monotonic) -> None:
        self._total = sum(stage.weight for stage in stages) or 1.0
        self._left = {stage.id: stage for stage in stages}
        self._done = self._found = 0.0
        self._clock = clock
        self._began = clock()
        self._seconds: dict[str, float] = defaultdict(float)
        self._worked: dict[str, float] = defaultdict(float)

    def begin(self) -> None:
        """The next stage begins."""
        self._began = self._clock()

    def finish(self, stage: PlannedStage, *, cached: bool) -> None:
        """The stage is done; cached: it was found done."""
        del self._left[stage.id]
        self._done += stage.weight
        if cached:
            self._found += stage.weight
        else:
            self._seconds[stage.spec.kind] += self._clock() - self._began
            self._worked[stage.spec.kind] += stage.weight

    def at(self, stage: PlannedStage, fraction: float) -> float:
        """0 to 1 over the whole job, while this stage is at `fraction`."""
        return min((self._done + stage.weight * fraction) / self._total, 1.0)

    def eta_s(self, stage: PlannedStage, fraction: float) -> float | None:
        """Seconds until the end while this stage is at `fraction`; None while there is nothing to go by."""
        seconds, worked = self._seconds.copy(), self._worked.copy()
        seconds[stage.spec.kind] += self._clock() - self._began
        worked[stage.spec.kind] += stage.weight * fraction
        work = sum(worked.values())
        if work < LEAST_WORKED * (self._total - self._found):
            return None
        pace = sum(seconds.values()) / work

        def left(other: PlannedStage) -> float:
            known = worked[other.spec.kind] > LEAST_OF_STAGE * other.weight
            rest = 1 - fraction if other is stage else 1.0
            return other.weight * rest * (seconds[other.spec.kind] / worked[other.spec.kind] if known else pace)

        return round(sum(left(other) for other in self._left.values()), 1)
