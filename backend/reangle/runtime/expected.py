# SPDX-License-Identifier: Apache-2.0
"""Which stages of a plan the cache holds already, told without running or reading anything long."""

from __future__ import annotations

from collections.abc import Sequence

from reangle.contract import Estimate, StageEstimate
from reangle.runtime.execute import Weights, inputs_of, stage_key
from reangle.runtime.stage import PlannedStage, StageId
from reangle.runtime.store import Artifact, Store


def known_stages(
    stages: Sequence[PlannedStage], store: Store, weights: Weights
) -> tuple[set[str], dict[StageId, Artifact]]:
    """The keys that can be told now, and the stages whose output is there. Nothing has been made with weights that were
    never hashed."""
    keys: set[str] = set()
    done: dict[StageId, Artifact] = {}
    for stage in stages:
        if any(earlier not in done for earlier in stage.inputs.values()):
            continue
        checkpoint_hash = weights.known_hash(stage.checkpoint)
        if checkpoint_hash is None:
            continue
        key = stage_key(stage, inputs_of(stage, done), checkpoint_hash)
        keys.add(key)
        artifact = store.artifact(key)
        if artifact is not None:
            done[stage.id] = artifact
    return keys, done


def cached_stages(stages: Sequence[PlannedStage], store: Store, weights: Weights) -> dict[StageId, Artifact]:
    """The stages whose output is there now. One behind weights that were never hashed counts as not there."""
    return known_stages(stages, store, weights)[1]


def estimate(stages: Sequence[PlannedStage], store: Store, weights: Weights) -> Estimate:
    """What the plan takes from now on; `Progress` begins with the same number."""
    cached = cached_stages(stages, store, weights)
    lines = tuple(
        StageEstimate(stage.title, 0.0 if stage.id in cached else round(stage.weight, 1), stage.id in cached)
        for stage in stages
    )
    left = [stage for stage in stages if stage.id not in cached]
    return Estimate(
        seconds=round(sum(stage.weight for stage in left), 1), stages=lines, guessed=any(one.guessed for one in left)
    )
