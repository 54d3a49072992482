# SPDX-License-Identifier: Apache-2.0
"""Running stages: one in this process, or a whole plan in order with the stage cache."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from reangle.errors import DiskFullError, RunAgainError, UserError
from reangle.runtime.code import check_code, code_hash
from reangle.runtime.data_folder import disk_is_full
from reangle.runtime.stage import (
    PlannedStage,
    StageContext,
    StageFunction,
    StageId,
    StageWarning,
    ignore_progress,
    ignore_training,
)
from reangle.runtime.store import Artifact, Store

MAX_AGAIN = 12
"""How often a stage may ask to be started again; each memory tier asks once."""


class Weights(Protocol):
    """What running a stage needs to know of the weights it loads. checkpoint: as in PlannedStage."""

    def known_hash(self, checkpoint: str) -> str | None:
        """What `checkpoint_hash` returns, or None if it would have to read files."""
        ...

    def checkpoint_hash(self, checkpoint: str, report: Callable[[float, str], None] = ignore_progress) -> str:
        """SHA-256 of the content that decides what the checkpoint computes; "" for no checkpoint.

        Reads each file once per path, size and time, which takes long for large weights; report: as in StageContext.
        """
        ...

    def check_weights(self, checkpoint: str) -> None:
        """Raise UserError if the weights are missing or changed."""
        ...


class PlanReport(Protocol):
    """Receives a plan's progress. fraction is 0 to 1 within the stage; message is "" or one line for the artist."""

    def __call__(self, stage: PlannedStage, fraction: float, message: str, *, cached: bool) -> None: ...


def ignore_plan(stage: PlannedStage, fraction: float, message: str, *, cached: bool) -> None:
    """A PlanReport that does nothing."""


PlanWarn = Callable[[PlannedStage, StageWarning], None]
"""Receives each warning of a plan's stages, also of those that the cache holds."""


def ignore_plan_warning(stage: PlannedStage, warning: StageWarning) -> None:
    """A PlanWarn that does nothing."""


def stage_key(stage: PlannedStage, inputs: Mapping[str, Artifact], checkpoint_hash: str) -> str:
    """The key under which this stage's output is cached. inputs: role -> artifact."""
    return stage.key({role: artifact.content_hash for role, artifact in inputs.items()}, checkpoint_hash)


def inputs_of(stage: PlannedStage, done: Mapping[StageId, Artifact]) -> dict[str, Artifact]:
    """role -> artifact for a stage whose earlier stages are done."""
    return {role: done[earlier] for role, earlier in stage.inputs.items()}


def run_stage(
    stage: PlannedStage,
    key: str,
    inputs: Mapping[str, Artifact],
    store: Store,
    weights: Weights,
    report: Callable[[float, str], None] = ignore_progress,
    report_training: Callable[[float, str, bytes], None] = ignore_training,
    check: Callable[[], None] = lambda: None,
) -> Artifact:
    """Run one stage in this process and publish its output. If the stage raises, nothing is published.

    report, report_training: see StageContext. check: called before the output is published; may raise. Raises
    DiskFullError if that is what made the stage fail.
    """
    with _naming_full_disk(stage, store.root):
        store.check_files(ref for refs in stage.files.values() for ref in refs)
        weights.check_weights(stage.checkpoint)
        spec = stage.spec
        module, name = spec.run.split(":")
        function: StageFunction = getattr(importlib.import_module(module), name)
        started = time.monotonic()
        warnings: list[StageWarning] = []
        with store.scratch() as scratch:
            function(
                StageContext(
                    params=stage.params,
                    out=spec.writes(scratch),
                    inputs={role: spec.inputs[role](artifact.folder) for role, artifact in inputs.items()},
                    files={
                        role: tuple((ref.name, store.blob_path(ref.sha256)) for ref in refs)
                        for role, refs in stage.files.items()
                    },
                    checkpoint=stage.checkpoint,
                    report=report,
                    report_training=report_training,
                    warn=warnings.append,
                    unfinished=store.unfinished(key),
                    preparation=stage.preparation,
                )
            )
            seconds = round(time.monotonic() - started, 3)
            about: dict[str, Any] = {
                "kind": spec.kind,
                "camera": stage.camera,
                "version": spec.version,
                "seconds": seconds,
            }
            if warnings:
                about["warnings"] = [vars(warning) for warning in warnings]
            check()
            artifact = store.publish(key, scratch, about)
            store.finished(key)
            return artifact


@contextmanager
def _naming_full_disk(stage: PlannedStage, folder: Path) -> Generator[None]:
    try:
        yield
    except Exception as error:
        if isinstance(error, DiskFullError) or not disk_is_full(error, folder):
            raise
        raise DiskFullError(
            f"The disk is full: {stage.title} could not write what it made to {folder}.",
            advice="Free some space, or choose another data folder with REANGLE_DATA, and start again.",
        ) from error


def run_plan(
    stages: Sequence[PlannedStage],
    store: Store,
    weights: Weights,
    report: PlanReport = ignore_plan,
    before: Mapping[StageId, Artifact] | None = None,
    warn: PlanWarn = ignore_plan_warning,
) -> dict[StageId, Artifact]:
    """Run a plan in order in this process, skipping what the cache holds. Returns the artifact of each stage.

    before: artifacts of earlier stages that are not in `stages`; they are returned, too.
    """
    with store.working():
        return _run_all(stages, store, weights, report, before, warn)


def _run_all(
    stages: Sequence[PlannedStage],
    store: Store,
    weights: Weights,
    report: PlanReport,
    before: Mapping[StageId, Artifact] | None,
    warn: PlanWarn,
) -> dict[StageId, Artifact]:
    done = dict(before or {})
    check = partial(check_code, code_hash(), "Run the command again; finished stages are kept.")
    for stage in stages:
        inputs = inputs_of(stage, done)
        reading = partial(_report_reading, stage, report)
        key = stage_key(stage, inputs, weights.checkpoint_hash(stage.checkpoint, reading))
        artifact = store.sound_artifact(key)
        report(stage, 1.0 if artifact else 0.0, stage.note, cached=artifact is not None)
        artifact = artifact or _run_until_done(stage, key, inputs, store, weights, report, check)
        for warning in artifact.warnings:
            warn(stage, warning)
        done[stage.id] = artifact
    return done


def _report_reading(stage: PlannedStage, report: PlanReport, _fraction: float, message: str) -> None:
    report(stage, 0.0, message, cached=False)


def _run_until_done(
    stage: PlannedStage,
    key: str,
    inputs: Mapping[str, Artifact],
    store: Store,
    weights: Weights,
    report: PlanReport,
    check: Callable[[], None],
) -> Artifact:
    """`run_stage`, restarted on RunAgainError. Training is reported only with a picture."""
    reached = 0.0

    def on_progress(fraction: float, message: str) -> None:
        nonlocal reached
        reached = fraction
        report(stage, fraction, message, cached=False)

    def on_training(_loss: float, message: str, picture: bytes) -> None:
        if picture:
            report(stage, reached, message, cached=False)

    for _ in range(MAX_AGAIN):
        try:
            return run_stage(stage, key, inputs, store, weights, on_progress, on_training, check)
        except RunAgainError as again:
            on_progress(0.0, str(again))
    raise too_often(stage)


def too_often(stage: PlannedStage) -> UserError:
    """For a stage that asks to be started again without end."""
    return UserError(
        f"{stage.title} asked {MAX_AGAIN} times to start again.",
        advice="Close other programs, or use a smaller size or fewer frames.",
    )
