# SPDX-License-Identifier: Apache-2.0
"""What a command says: progress bars and sentences for people, or one JSON object a line for machines."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reangle.errors import UserError

if TYPE_CHECKING:
    # The doctor speaks through this module too, on machines where packages are missing.
    from tqdm import tqdm

    from reangle.runtime.execute import PlanReport
    from reangle.runtime.progress import Progress
    from reangle.runtime.stage import PlannedStage

_JSON_EVERY_S = 0.2
_BAR = "{desc} {percentage:3.0f}% {bar} {elapsed}{postfix}"


class Output:
    """People read progress, notes and errors on standard error and results on standard output; machines read JSON
    lines on standard output, whose `event` is stage, progress, note, result, data, error or done."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self._started = time.monotonic()
        if as_json:
            # Libraries print to standard output when they like; only JSON lines may reach the reader.
            sys.stdout.flush()
            self._lines = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
            os.dup2(2, 1)

    def note(self, text: str) -> None:
        self._say({"event": "note", "message": text}, text, to_stderr=True)

    def result(self, name: str, path: Path) -> None:
        """A folder or file that the artist gets."""
        self._say({"event": "result", "name": name, "path": str(path)}, f"{name}: {path}")

    def data(self, values: Any, text: str) -> None:
        """What the command was asked to show: values for machines, text for people."""
        self._say({"event": "data", "data": values}, text)

    def error(self, error: UserError) -> None:
        text = "\n".join(part for part in (f"Error: {error.message}", error.advice) if part)
        self._say({"event": "error", "message": error.message, "advice": error.advice}, text, to_stderr=True)

    def done(self) -> None:
        seconds = round(time.monotonic() - self._started, 1)
        self._say({"event": "done", "seconds": seconds}, f"Done in {seconds} s.", to_stderr=True)

    @contextmanager
    def plan(self, title: str, stages: Sequence[PlannedStage]) -> Iterator[PlanReport]:
        """Gives the report for `run_plan`. title: what the stages make, for people."""
        from reangle.runtime.progress import Progress

        progress = Progress(stages)
        if self.as_json:
            yield _JsonPlan(self._emit, progress)
            return
        from tqdm import tqdm

        # disable=None: no bar where standard error is not a terminal.
        with tqdm(total=1.0, desc=title, bar_format=_BAR, file=sys.stderr, disable=None, dynamic_ncols=True) as bar:
            yield _BarPlan(bar, title, progress)

    def _say(self, values: dict[str, Any], text: str, *, to_stderr: bool = False) -> None:
        if self.as_json:
            self._emit(values)
        else:
            print(text, file=sys.stderr if to_stderr else sys.stdout, flush=True)

    def _emit(self, values: dict[str, Any]) -> None:
        print(json.dumps(values), file=self._lines, flush=True)


class _Plan:
    """Where a plan stands, from its reports."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._stage: PlannedStage | None = None
        self._cached = False

    def _begins(self, stage: PlannedStage, *, cached: bool) -> bool:
        """Whether a stage begins with this report."""
        if self._stage is not None and stage.id == self._stage.id:
            return False
        if self._stage is not None:
            self._progress.finish(self._stage, cached=self._cached)
        self._progress.begin()
        self._stage, self._cached = stage, cached
        return True


class _BarPlan(_Plan):
    def __init__(self, bar: tqdm, title: str, progress: Progress) -> None:
        super().__init__(progress)
        self._bar, self._title = bar, title

    def __call__(self, stage: PlannedStage, fraction: float, message: str, *, cached: bool) -> None:
        if self._begins(stage, cached=cached):
            self._bar.set_description_str(f"{self._title}: {stage.title}", refresh=False)
            if cached or self._bar.disable:
                self._bar.write(f"  {stage.title}{': done before' if cached else ' ...'}", file=sys.stderr)
        left = self._progress.eta_s(stage, fraction)
        self._bar.set_postfix_str("" if left is None else f"{self._bar.format_interval(left)} left", refresh=False)
        # Set, not added up: tqdm gives up a bar that passes its end by a rounding error.
        self._bar.n = max(self._bar.n, self._progress.at(stage, fraction))
        self._bar.update(0)
        if message:
            self._bar.write(f"  {stage.title}: {message}", file=sys.stderr)


class _JsonPlan(_Plan):
    def __init__(self, emit: Callable[[dict[str, Any]], None], progress: Progress) -> None:
        super().__init__(progress)
        self._emit = emit
        self._last = 0.0

    def __call__(self, stage: PlannedStage, fraction: float, message: str, *, cached: bool) -> None:
        begins = self._begins(stage, cached=cached)
        if begins:
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
        if cached or (now - self._last < _JSON_EVERY_S and not begins and fraction < 1):
            return
        self._last = now
        done, left = self._progress.at(stage, fraction), self._progress.eta_s(stage, fraction)
        self._emit({"event": "progress", "stage": stage.title, "progress": round(done, 4), "eta_s": left})
