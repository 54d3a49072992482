# SPDX-License-Identifier: Apache-2.0
"""A command's output: progress bars and sentences for people, or one JSON object per line for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reangle.errors import UserError
from reangle.runtime.json_lines import take_standard_output
from reangle.runtime.terminal import why_lost

if TYPE_CHECKING:
    # The doctor prints through this module even where packages are missing.
    from tqdm import tqdm

    from reangle.folders import WarpMetadata
    from reangle.runtime.progress import Progress
    from reangle.runtime.stage import PlannedStage, StageWarning

_JSON_EVERY_S = 0.2
_BAR = "{desc} {percentage:3.0f}% {bar} {elapsed}{postfix}"


class Output:
    """People read progress, notes and errors on standard error and results on standard output; programs read JSON
    lines on standard output, whose `event` is stage, progress, note, coverage, result, data, error or done."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self._started = time.monotonic()
        if as_json:
            self._lines = take_standard_output()

    @property
    def lost(self) -> OSError | None:
        """Why nobody gets the rest of standard output, such as a full disk or a reader that has ended; else None."""
        return why_lost(self._lines if self.as_json else sys.stdout)

    def check(self) -> None:
        """Raise UserError if standard output was lost. A reader that has ended, such as `head`, had enough."""
        if self.lost and not isinstance(self.lost, BrokenPipeError):
            raise UserError(
                f"Standard output could not be written: {self.lost.strerror}. The work itself is done.",
                advice="Send the output elsewhere, and give the same command again for the rest of it.",
            )

    def note(self, text: str) -> None:
        self._write({"event": "note", "message": text}, text, to_stderr=True)

    def result(self, name: str, path: Path) -> None:
        """A folder or file for the user."""
        self._write({"event": "result", "name": name, "path": str(path)}, f"{name}: {path}")

    def data(self, values: Any, text: str) -> None:
        """The data of a command: values for programs, text for people."""
        self._write({"event": "data", "data": values}, text)

    def coverage(self, cameras: Mapping[str, WarpMetadata]) -> None:
        """How much of each camera's picture the clip shows. cameras: name -> its warp."""
        from reangle.cli.coverage import coverage_table, coverage_values

        values = {"event": "coverage", "cameras": coverage_values(cameras)}
        self._write(values, coverage_table(cameras), to_stderr=True)

    def error(self, error: UserError) -> None:
        text = "\n".join(part for part in (f"Error: {error.message}", error.advice) if part)
        self._write({"event": "error", "message": error.message, "advice": error.advice}, text, to_stderr=True)

    def done(self) -> None:
        seconds = round(time.monotonic() - self._started, 1)
        self._write({"event": "done", "seconds": seconds}, f"Done in {seconds} s.", to_stderr=True)

    @contextmanager
    def plan(self, title: str, stages: Sequence[PlannedStage]) -> Iterator[_Plan]:
        """Yields the report for `run_plan`, which also takes its warnings. title: what the stages make."""
        from reangle.runtime.progress import Progress

        progress = Progress(stages)
        if self.as_json:
            yield _JsonPlan(self._emit, progress)
            return
        from tqdm import tqdm

        # disable=None: no bar where standard error is not a terminal.
        with tqdm(total=1.0, desc=title, bar_format=_BAR, file=sys.stderr, disable=None, dynamic_ncols=True) as bar:
            yield _BarPlan(bar, title, progress)

    @contextmanager
    def transfer(self, title: str) -> Iterator[Callable[[int, int, str], None]]:
        """Yields the report of a transfer: (bytes that are here, bytes of all, what is at work)."""
        if self.as_json:
            yield _JsonTransfer(self._emit)
            return
        from tqdm import tqdm

        # disable=None: no bar where standard error is not a terminal.
        with tqdm(desc=title, unit="B", unit_scale=True, file=sys.stderr, disable=None, dynamic_ncols=True) as bar:

            def report(done: int, total: int, name: str) -> None:
                if bar.total is None:
                    # What an earlier run left does not count into the rate.
                    bar.reset(total)
                    bar.initial = bar.n = done
                bar.set_postfix_str(name, refresh=False)
                bar.update(done - bar.n)

            yield report

    def asks(self, question: str) -> bool:
        """Whether a person at a terminal answers yes; False where nobody can be asked."""
        if self.as_json or not sys.stdin or not sys.stdin.isatty():
            return False
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def _write(self, values: dict[str, Any], text: str, *, to_stderr: bool = False) -> None:
        if self.as_json and not (to_stderr and self.lost):
            self._emit(values)
        else:
            print(text, file=sys.stderr if to_stderr else sys.stdout, flush=True)

    def _emit(self, values: dict[str, Any]) -> None:
        print(json.dumps(values), file=self._lines, flush=True)


class _JsonTransfer:
    def __init__(self, emit: Callable[[dict[str, Any]], None]) -> None:
        self._emit, self._last = emit, 0.0
        self._start: tuple[float, int] | None = None

    def __call__(self, done: int, total: int, name: str) -> None:
        now = time.monotonic()
        self._start = self._start or (now, done)
        if done < total and now - self._last < _JSON_EVERY_S:
            return
        self._last = now
        seconds, came = now - self._start[0], done - self._start[1]
        left = round((total - done) * seconds / came, 1) if came > 0 else None
        self._emit({"event": "progress", "stage": name, "progress": round(done / max(total, 1), 4), "eta_s": left})


class _Plan:
    """The state of a plan, from its reports."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._stage: PlannedStage | None = None
        self._cached = False

    def _starts(self, stage: PlannedStage, *, cached: bool) -> bool:
        """Whether a stage starts with this report."""
        if self._stage is not None and stage.id == self._stage.id:
            return False
        if self._stage is not None:
            self._progress.finish(self._stage, cached=self._cached)
        self._progress.begin()
        self._stage, self._cached = stage, cached
        return True

    def __call__(self, stage: PlannedStage, fraction: float, message: str, *, cached: bool) -> None:
        raise NotImplementedError

    def warn(self, stage: PlannedStage, warning: StageWarning) -> None:
        """Tell which frames of the stage's camera are in trouble."""
        raise NotImplementedError


class _BarPlan(_Plan):
    def __init__(self, bar: tqdm, title: str, progress: Progress) -> None:
        super().__init__(progress)
        self._bar, self._title = bar, title

    def __call__(self, stage: PlannedStage, fraction: float, message: str, *, cached: bool) -> None:
        if self._starts(stage, cached=cached):
            self._bar.set_description_str(f"{self._title}: {stage.title}", refresh=False)
            if cached or self._bar.disable:
                self._bar.write(f"  {stage.title}{': done before' if cached else ' ...'}", file=sys.stderr)
        left = self._progress.eta_s(stage, fraction)
        self._bar.set_postfix_str("" if left is None else f"{self._bar.format_interval(left)} left", refresh=False)
        # Set, not added up: tqdm drops a bar that passes its end by a rounding error.
        self._bar.n = max(self._bar.n, self._progress.at(stage, fraction))
        self._bar.update(0)
        if message:
            self._bar.write(f"  {stage.title}: {message}", file=sys.stderr)

    def warn(self, stage: PlannedStage, warning: StageWarning) -> None:
        self._bar.write(f"  Warning: {warning.about(stage.camera)}", file=sys.stderr)


class _JsonPlan(_Plan):
    def __init__(self, emit: Callable[[dict[str, Any]], None], progress: Progress) -> None:
        super().__init__(progress)
        self._emit = emit
        self._last = 0.0

    def warn(self, stage: PlannedStage, warning: StageWarning) -> None:
        self._emit(
            {
                "event": "note",
                "stage": stage.title,
                "camera": stage.camera,
                "frames": [warning.first, warning.last],
                "message": warning.about(stage.camera),
            }
        )

    def __call__(self, stage: PlannedStage, fraction: float, message: str, *, cached: bool) -> None:
        starts = self._starts(stage, cached=cached)
        if starts:
            self._emit(
                {
                    "event": "stage",
                    "stage": stage.title,
                    "kind": stage.spec.kind,
                    "camera": stage.camera,
                    "cached": cached,
                }
            )
        if message:
            self._emit({"event": "note", "stage": stage.title, "message": message})
        now = time.monotonic()
        if cached or (now - self._last < _JSON_EVERY_S and not starts and fraction < 1):
            return
        self._last = now
        done, left = self._progress.at(stage, fraction), self._progress.eta_s(stage, fraction)
        self._emit({"event": "progress", "stage": stage.title, "progress": round(done, 4), "eta_s": left})
