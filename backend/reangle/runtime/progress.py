# SPDX-License-Identifier: Apache-2.0
"""How far a job is, and how long it will still take."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence

from reangle.runtime.stage import PlannedStage, StageId

MIN_WORKED = 0.01
"""Share of the uncached work after which a pace is measured; before, start-up time would dominate it."""
MIN_OF_STAGE = 0.05
"""Share of a stage after which its speed replaces the estimate for its kind."""


class Progress:
    """Progress and time left of a plan, by the stages' weights.

    Seconds per unit of weight are measured for each kind of stage as the job runs; until a kind is measured, the mean
    over all work stands in, and before that the plan's weights, which are seconds. Cached stages take no time and are
    left out of the measurement. cached: the stages that are likely to be.
    """

    def __init__(
        self,
        stages: Sequence[PlannedStage],
        clock: Callable[[], float] = time.monotonic,
        cached: Collection[StageId] = (),
    ) -> None:
        self._total = sum(stage.weight for stage in stages) or 1.0
        self._left = {stage.id: stage for stage in stages}
        self._likely = frozenset(cached)
        self._known = not any(stage.guessed and stage.id not in self._likely for stage in stages)
        self._shown = 0.0
        self._done = self._cached = 0.0
        self._clock = clock
        self._started = clock()
        self._seconds: dict[str, float] = defaultdict(float)
        self._worked: dict[str, float] = defaultdict(float)

    @property
    def is_known(self) -> bool:
        """Whether the size of the clip, by which the stages were weighed, is known."""
        return self._known

    def weigh_again(self, stages: Sequence[PlannedStage]) -> None:
        """Take over the weights of the same plan now that the clip's size is known."""
        weighed = {stage.id: stage for stage in stages}
        self._left = {name: weighed.get(name, stage) for name, stage in self._left.items()}
        self._total = self._done + sum(stage.weight for stage in self._left.values()) or 1.0
        self._known = True

    def begin(self) -> None:
        """The next stage starts."""
        self._started = self._clock()

    def finish(self, stage: PlannedStage, *, cached: bool) -> None:
        """The stage is done; cached: without running."""
        stage = self._left.pop(stage.id)
        self._done += stage.weight
        if cached:
            self._cached += stage.weight
        else:
            self._seconds[stage.spec.kind] += self._clock() - self._started
            self._worked[stage.spec.kind] += stage.weight
        self._known = True  # nobody weighed it again, so the guess has to do

    def at(self, stage: PlannedStage, fraction: float) -> float:
        """0 to 1 over the whole job, while this stage is at `fraction`."""
        stage = self._left.get(stage.id, stage)
        self._shown = max(self._shown, min((self._done + stage.weight * fraction) / self._total, 1.0))
        return self._shown

    def eta_s(self, stage: PlannedStage, fraction: float, *, cached: bool = False) -> float | None:
        """Seconds until the end while this stage is at `fraction`; by the plan's own until enough is measured. None
        while the clip's size is not known. cached: the stage does not run, so it says nothing of the pace."""
        if not self._known:
            return None
        stage = self._left.get(stage.id, stage)
        seconds, worked = self._seconds.copy(), self._worked.copy()
        if not cached:
            seconds[stage.spec.kind] += self._clock() - self._started
            worked[stage.spec.kind] += stage.weight * fraction
        work = sum(worked.values())
        enough = work >= MIN_WORKED * (self._total - self._cached) and work > 0
        pace = sum(seconds.values()) / work if enough else 1.0

        def left(other: PlannedStage) -> float:
            kind = other.spec.kind
            if other is not stage and other.id in self._likely:
                return 0.0
            measured = enough and worked[kind] > MIN_OF_STAGE * other.weight
            rest = 1 - fraction if other is stage else 1.0
            return other.weight * rest * (seconds[kind] / worked[kind] if measured else pace)

        return round(sum(left(other) for other in self._left.values()), 1)
