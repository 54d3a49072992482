# SPDX-License-Identifier: Apache-2.0
"""One job from its first stage to its last."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from reangle.contract import CameraWarning, JobError, JobRequest, from_data
from reangle.errors import (
    DiskFullError,
    RunAgainError,
    UserError,
    WaitError,
    explained,
    fault_of,
    is_about_library,
    says_no_memory,
)
from reangle.runtime import stall
from reangle.runtime.code import code_hash
from reangle.runtime.data_folder import disk_full_line, has_no_room
from reangle.runtime.database import JobDatabase
from reangle.runtime.execute import MAX_AGAIN, Weights, inputs_of, stage_key, too_often
from reangle.runtime.expected import cached_stages
from reangle.runtime.logs import StageLog
from reangle.runtime.process import StageProcess
from reangle.runtime.progress import Progress
from reangle.runtime.stage import PlannedStage, StageId
from reangle.runtime.stage_process import stage_to_json
from reangle.runtime.stall import Lifeless, Silence, duration
from reangle.runtime.store import Artifact, Store

MAX_DEATHS = 3
CODE = code_hash()
"""Of the backend, at its start."""
POLL_S = 0.1
EVENT_GAP_S = 0.2
QUIET_GAP_S = 2.0
SMALLEST_STEP = 0.002
LOSS_GAP_S = 1.0

logger = logging.getLogger(__name__)

Planner = Callable[[JobRequest, Path], Sequence[PlannedStage]]
"""From a request and the data folder to the stages of the job. Raises UserError for what cannot succeed."""


class JobInterruptedError(Exception):
    """The job was canceled, or the backend is ending."""


class StageFailedError(Exception):
    def __init__(self, error: JobError) -> None:
        super().__init__(error.message)
        self.error = error


class JobRun:
    """Runs one claimed job.

    interrupted: called often, from this thread. only_one: a lock for each stage key, held while the stage is made.
    """

    def __init__(
        self,
        request: JobRequest,
        database: JobDatabase,
        store: Store,
        planner: Planner,
        weights: Weights,
        interrupted: Callable[[], bool],
        only_one: Callable[[str], AbstractContextManager[None]],
    ) -> None:
        self._request, self._database, self._store = request, database, store
        self._planner, self._weights = planner, weights
        self._interrupted, self._only_one = interrupted, only_one

    def run(self) -> None:
        """Raises JobInterruptedError, StageFailedError or UserError; returns when every stage is done."""
        stages = self._planner(self._request, self._store.root)
        progress = Progress(stages, cached=cached_stages(stages, self._store, self._weights))
        guessed = not progress.is_known
        done: dict[StageId, Artifact] = {}
        for stage in stages:
            if done and guessed:
                guessed = False
                progress.weigh_again(self._planner(self._request, self._store.root))
            with StageLog(self._store.root, self._request.id, stage.spec.kind, stage.camera) as log:
                done[stage.id] = self._run_stage(stage, inputs_of(stage, done), progress, log)

    def _run_stage(
        self, stage: PlannedStage, inputs: dict[str, Artifact], progress: Progress, log: StageLog
    ) -> Artifact:
        checkpoint_hash = self._weights.known_hash(stage.checkpoint)
        if checkpoint_hash is None:
            checkpoint_hash = self._hash_weights(stage, progress, log)
        key = stage_key(stage, inputs, checkpoint_hash)
        # Before it is looked for, so that no deleted job takes it away afterwards.
        self._database.record_stage(self._request.id, key)
        with self._only_one(key):
            self._store.hold(self._request.id, key)
            artifact = self._store.sound_artifact(key)
            cached = artifact is not None
            progress.begin()
            eta_s = progress.eta_s(stage, 1.0 if cached else 0.0, cached=cached)
            self._database.begin_stage(self._request.id, stage.title, progress.at(stage, 0), eta_s, cached=cached)
            if stage.note:
                self._database.add_note(self._request.id, stage.title, stage.note)
            if artifact is None:
                artifact = self._make(stage, key, inputs, progress, log)
            else:
                logger.info("In the cache as %s", key)
        progress.finish(stage, cached=cached)
        for one in artifact.warnings:
            warning = CameraWarning(stage.camera, one.first, one.last, one.worst, one.about(stage.camera))
            self._database.add_warning(self._request.id, stage.title, warning)
        if stage.publishes is not None:
            self._database.add_result(self._request.id, stage.publishes, key)
        return artifact

    def _hash_weights(self, stage: PlannedStage, progress: Progress, log: StageLog) -> str:
        """Read the stage's weights in a stage process. They are so large that the backend itself must not."""
        logger.info("Reading the weights %s", stage.checkpoint)
        self._database.begin_stage(self._request.id, stage.title, progress.at(stage, 0), None, cached=False)
        with self._only_one(stage.checkpoint):
            known = self._weights.known_hash(stage.checkpoint)
            return known or self._run_process({"hash": True}, stage, progress, log)["hash"]

    def _make(
        self, stage: PlannedStage, key: str, inputs: dict[str, Artifact], progress: Progress, log: StageLog
    ) -> Artifact:
        order = {"key": key, "inputs": {role: artifact.key for role, artifact in inputs.items()}}
        result = self._run_process(order, stage, progress, log)
        artifact = self._store.artifact(result["artifact"])
        if artifact is None:
            raise UserError(f"The output of {stage.title} is no longer in the store.", advice="Send the job again.")
        return artifact

    def _run_process(
        self, order: Mapping[str, Any], stage: PlannedStage, progress: Progress, log: StageLog
    ) -> dict[str, Any]:
        """Run a stage process until it gives a result, at most MAX_DEATHS times; returns its last line."""
        common = {"root": str(self._store.root), "job": self._request.id, "stage": stage_to_json(stage), "code": CODE}
        deaths = again_times = 0
        while True:
            if self._interrupted():
                raise JobInterruptedError
            process = StageProcess(log.write_output)
            logger.info("Process %d starts", process.pid)
            started = time.monotonic()
            try:
                self._database.set_stage_run(self._request.id, process.run)
                process.begin({**common, **order})
                result = self._listen(process, stage, progress)
            except RunAgainError as again:
                logger.info("It asks to start again: %s", again)
                again_times += 1
                if again_times >= MAX_AGAIN:
                    raise too_often(stage) from again
                self._database.add_note(self._request.id, stage.title, str(again))
                continue
            except StageFailedError as failure:
                logger.warning("Process %d failed: %s\n%s", process.pid, failure, failure.error.traceback.rstrip())
                raise
            except WaitError as wait:
                logger.warning("Process %d cannot go on now: %s", process.pid, wait)
                raise
            except JobInterruptedError:
                logger.info("Process %d is ended: the job is canceled or the backend ends", process.pid)
                raise
            finally:
                # One that does not end stays recorded, so that the next backend tries again.
                if process.end():
                    self._database.clear_stage_run(self._request.id)
                self._store.sweep()
            if result is not None:
                logger.info("Process %d is done after %.1f s", process.pid, time.monotonic() - started)
                return result
            full = disk_full_line(process.errors())[:300]
            if full or has_no_room(self._store.root):
                raise DiskFullError(
                    f"The disk is full, and {stage.title} ended: {full or self._store.root}.",
                    advice="Free some space, or choose another data folder with REANGLE_DATA.",
                )
            deaths += 1
            why = _how_it_ended(process.exit_code)
            logger.warning("Process %d %s, for the %d. time of at most %d", process.pid, why, deaths, MAX_DEATHS)
            if deaths < MAX_DEATHS:
                note = f"{stage.title}: the process {why}; it runs again."
                self._database.add_note(self._request.id, stage.title, note)
                continue
            raise StageFailedError(
                JobError(
                    message=f"{stage.title} {why} {MAX_DEATHS} times.",
                    advice=_advice(process.exit_code, process.errors()),
                    traceback=process.errors(),
                )
            )

    def _listen(self, process: StageProcess, stage: PlannedStage, progress: Progress) -> dict[str, Any] | None:
        """Follow a stage process to its result. None if it ended without one."""
        last_time, last_value, last_loss = 0.0, -1.0, 0.0
        for line in self._lines(process, stage):
            if line.get("wait"):
                raise WaitError(line["error"]["message"], advice=line["error"]["advice"])
            if "error" in line:
                raise StageFailedError(from_data(JobError, line["error"]))
            if "again" in line:
                raise RunAgainError(line["again"])
            if "artifact" in line or "hash" in line:
                return line
            if "loss" in line:
                if line["picture"] or time.monotonic() - last_loss >= LOSS_GAP_S:
                    last_loss = time.monotonic()
                    self._database.add_loss(
                        self._request.id, stage.title, line["loss"], line["message"], line["picture"]
                    )
                continue
            if message := line.get("message"):
                self._database.add_note(self._request.id, stage.title, message)
            fraction, reading = line.get("progress", 0.0), line.get("reading")
            value, now = progress.at(stage, fraction), time.monotonic()
            gap = EVENT_GAP_S if abs(value - last_value) >= SMALLEST_STEP else QUIET_GAP_S
            if now - last_time >= gap:
                last_time, last_value = now, value
                eta_s = None if reading else progress.eta_s(stage, fraction)
                message = None if reading is None else f"{reading:.0%} of the weights read"
                self._database.report_progress(self._request.id, stage.title, value, eta_s, message)
        return None

    def _lines(self, process: StageProcess, stage: PlannedStage) -> Iterator[dict[str, Any]]:
        silence = Silence(stage.spec.silence_s)
        life = Lifeless()
        while True:
            if self._interrupted():
                raise JobInterruptedError
            # Checked before reading, so that its last lines are still read after its end.
            ended = process.exit_code is not None
            line = process.next_line(POLL_S)
            if line is not None:
                life.shown()
                if "alive" not in line:
                    silence.reported()
                    yield line
            elif ended:
                return
            elif life.is_over():
                what = f"has shown no sign of life for {duration(stall.LIFELESS_S)}, and is ended"
                logger.warning("Process %d %s", process.pid, what)
                self._database.add_note(self._request.id, stage.title, f"{stage.title} {what}.")
                process.end()
                return
            elif silence.is_new():
                what = f"has reported nothing for {duration(stage.spec.silence_s)}"
                logger.warning("Process %d %s", process.pid, what)
                self._database.add_note(self._request.id, stage.title, f"{stage.title} {what}; its log has the stack.")


def _how_it_ended(code: int | None) -> str:
    if code is None or code >= 0:
        return f"ended with status {code} without a result"
    name = _signal_name(code)
    return f"was ended by signal {-code}" + (f" ({name})" if name else "")


def _signal_name(code: int | None) -> str:
    """The signal that a process's exit status stands for, "" if none, or none with a name."""
    try:
        return signal.Signals(-(code or 0)).name
    except ValueError:
        return ""


_CRASHES = ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGFPE", "SIGILL", "SIGTRAP", "SIGSYS")
_LIMITS = ("SIGXCPU", "SIGXFSZ")


def _advice(code: int | None, errors: str) -> str:
    """What helps against the end of a process, as far as its status and its last words tell."""
    name = _signal_name(code)
    # The system ends processes with signal 9 when memory runs out.
    if says_no_memory(errors) or name == "SIGKILL":
        return "Memory may have run out: close other programs, or use a smaller size or fewer frames."
    if is_about_library(errors):
        last = next(line for line in reversed(errors.splitlines()) if is_about_library(line))
        return f"A package cannot be loaded ({last.strip()[:300]}): `reangle doctor` says how to install it."
    if name in _CRASHES or (code is not None and code > 255):
        return "A library crashed; the stage's log says where. Update the graphics driver, or install Reangle again."
    if name in _LIMITS:
        return "A limit on the time or files of the backend's processes ended it: raise that limit (see `ulimit -a`)."
    if name:
        return "Another program, or a person, ended it: send the job again."
    return "The stage's log has its last words; install Reangle again if they say that something is missing."


def error_of(failure: Exception, traceback: str) -> JobError:
    """A failure as the artist reads it."""
    if isinstance(failure, StageFailedError):
        return failure.error
    error = explained(failure) or fault_of(failure)
    return JobError(message=error.message, advice=error.advice, traceback=traceback)
