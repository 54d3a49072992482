# SPDX-License-Identifier: Apache-2.0
"""The estimate of the time left."""

from __future__ import annotations

from dataclasses import replace

import pytest
from reangle.runtime.progress import Progress
from reangle.runtime.stage import PlannedStage
from reangle.stages import STAGES

SECONDS = {"decode": 0.01, "warp": 0.02, "learn": 10.0}
"""Real seconds per unit of weight, which differ from the plan's estimate."""


def stage(name: str, weight: float) -> PlannedStage:
    kind, _, camera = name.partition(" ")
    spec = replace(STAGES[kind], params=type(None), reads={})
    return PlannedStage(spec=spec, params=None, camera=camera, weight=weight)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_estimate_extrapolates_the_speed_of_each_kind_of_stage() -> None:
    stages = [stage("decode", 100), stage("learn", 10), stage("warp a", 50), stage("learn a", 10), stage("warp b", 50)]
    clock = Clock()
    progress = Progress(stages, clock)
    for one in stages[:2]:
        progress.begin()
        clock.now += one.weight * SECONDS[one.spec.kind]
        progress.finish(one, cached=False)
    progress.begin()
    clock.now += 0.5
    assert progress.at(stages[2], 0.5) == pytest.approx(135 / 220)
    assert progress.eta_s(stages[2], 0.5) == pytest.approx(0.5 + 100 + 1)
    clock.now += 0.5
    progress.finish(stages[2], cached=False)
    progress.begin()
    clock.now += 75
    assert progress.eta_s(stages[3], 0.75) == pytest.approx(25 + 1)


def test_cached_stages_do_not_affect_the_estimate() -> None:
    stages = [stage("decode", 1000), stage("learn", 10), stage("learn a", 20)]
    clock = Clock()
    progress = Progress(stages, clock)
    progress.begin()
    progress.finish(stages[0], cached=True)
    progress.begin()
    clock.now += 5
    assert progress.eta_s(stages[1], 0.01) == pytest.approx(9.9 + 20), "too early to measure: the plan's own seconds"
    clock.now += 45
    assert progress.eta_s(stages[1], 0.5) == pytest.approx(50 + 200)
