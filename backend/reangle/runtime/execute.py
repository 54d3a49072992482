# SPDX-License-Identifier: Apache-2.0
"""Running stages: one in this process, or a whole plan in order with the stage cache."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from reangle.errors import RunAgainError, UserError
from reangle.runtime.stage import STAGE_FUNCTIONS, Stage, StageContext, StageFunction
from reangle.runtime.store import Artifact, Store
from reangle.weights.identity import checkpoint_hash
from reangle.weights.registry import check_weights


class PlanReport(Protocol):
    """Hears of a plan's progress. fraction is 0 to 1 within the stage; message is "" or one line for the artist."""

    def __call__(self, stage: Stage, fraction: float, message: str, *, cached: bool) -> None: ...


def unheard(stage: Stage, fraction: float, message: str, *, cached: bool) -> None:
    """A PlanReport for when nobody listens."""


def stage_key(stage: Stage, inputs: Mapping[str, Artifact]) -> str:
    """The key under which this stage's output is cached. inputs: role -> artifact."""
    weights = checkpoint_hash(stage.checkpoint) if stage.checkpoint else ""
    return stage.key({role: artifact.content_hash for role, artifact in inputs.items()}, weights)


def inputs_of(stage: Stage, done: Mapping[str, Artifact]) -> dict[str, Artifact]:
    """role -> artifact for a stage whose earlier stages are done (stage name -> artifact)."""
    return {role: done[name] for role, name in stage.inputs.items()}


def run_stage(
    stage: Stage,
    key: str,
    inputs: Mapping[str, Artifact],
    store: Store,
    report: Callable[[float, str], None],
    show: Callable[[float, str, bytes], None] = lambda loss, words, picture: None,
) -> Artifact:
    """Run one stage in this process and publish what it wrote. If the stage raises, nothing is published.

    report, show: see StageContext.
    """
    for refs in stage.files.values():
        for ref in refs:
            if not store.has_blob(ref.sha256):
                raise UserError(f"The file {ref.name} is no longer in the store.", advice="Send the job again.")
    check_weights(stage.checkpoint)
    module, name = STAGE_FUNCTIONS[stage.run].split(":")
    function: StageFunction = getattr(importlib.import_module(module), name)
    started = time.monotonic()
    with store.scratch() as out:
        function(
            StageContext(
                params=stage.params,
                inputs={role: artifact.folder for role, artifact in inputs.items()},
                files={
                    role: tuple((ref.name, store.blob_path(ref.sha256)) for ref in refs)
                    for role, refs in stage.files.items()
                },
                out=out,
                checkpoint=stage.checkpoint,
                report=report,
                unfinished=store.unfinished(key),
                preparation=stage.preparation,
                show=show,
            )
        )
        seconds = round(time.monotonic() - started, 3)
        about = {"stage": stage.name, "run": stage.run, "version": stage.version, "seconds": seconds}
        artifact = store.publish(key, out, about)
        store.finished(key)
        return artifact


def run_plan(
    stages: Sequence[Stage], store: Store, report: PlanReport = unheard, before: Mapping[str, Artifact] | None = None
) -> dict[str, Artifact]:
    """Run a plan in order in this process, skipping what the cache holds. Returns stage name -> artifact.

    before: artifacts of earlier stages that are not in `stages`, by stage name; they are in the answer, too.
    """
    done = dict(before or {})
    for stage in stages:
        inputs = inputs_of(stage, done)
        key = stage_key(stage, inputs)
        artifact = store.sound_artifact(key)
        report(stage, 1.0 if artifact else 0.0, "", cached=artifact is not None)
        done[stage.name] = artifact or _run_heard(stage, key, inputs, store, report)
    return done


def _run_heard(stage: Stage, key: str, inputs: Mapping[str, Artifact], store: Store, report: PlanReport) -> Artifact:
    """`run_stage`, as often as the stage wants to begin again. Of learning, what comes with a picture is told."""
    reached = 0.0

    def heard(fraction: float, message: str) -> None:
        nonlocal reached
        reached = fraction
        report(stage, fraction, message, cached=False)

    def shown(_loss: float, words: str, picture: bytes) -> None:
        if picture:
            report(stage, reached, words, cached=False)

    while True:
        try:
            return run_stage(stage, key, inputs, store, heard, shown)
        except RunAgainError as again:
            heard(0.0, str(again))
