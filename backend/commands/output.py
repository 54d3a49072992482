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

from backend.errors import UserError

if TYPE_CHECKING:
    # The doctor speaks through this module too, on machines where packages are missing.
    from tqdm import tqdm

    from backend.engines.execute import PlanReport
    from backend.engines.stage import Stage

_JSON_EVERY_S = 0.2
_BAR = "{desc} {percentage:3.0f}% {bar} {elapsed} < {remaining}"


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
    def plan(self, title: str, stages: Sequence[Stage]) -> Iterator[PlanReport]:
        """Gives the report for `run_plan`. title: what the stages make, for people."""
        progress = _Progress(stages)
        if self.as_json:
            yield _JsonPlan(self._emit, progress)
            return
        from tqdm import tqdm

        # disable=None: no bar where standard error is not a terminal.
        with tqdm(
            total=progress.total, desc=title, bar_format=_BAR, file=sys.stderr, disable=None, dynamic_ncols=True
        ) as bar:
            yield _BarPlan(bar, title, progress)

    def _say(self, values: dict[str, Any], text: str, *, to_stderr: bool = False) -> None:
        if self.as_json:
            self._emit(values)
        else:
            print(text, file=sys.stderr if to_stderr else sys.stdout, flush=True)

    def _emit(self, values: dict[str, Any]) -> None:
        print(json.dumps(values), file=self._lines, flush=True)


class _Progress:
    """Where a plan stands, in the stages' weights. What is found done takes no time, so it does not count."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.total = sum(stage.weight for stage in stages)
        self.at = 0.0
        self.stage = ""
        self._before = 0.0
        self._weight = 0.0

    def move(self, stage: Stage, fraction: float, *, cached: bool) -> bool:
        """Take in one report; whether a stage begins with it."""
        begins = stage.name != self.stage
        if begins:
            self.stage = stage.name
            self._before += self._weight
            self._weight = 0.0 if cached else stage.weight
            self.total -= stage.weight if cached else 0.0
        self.at = max(self.at, self._before + self._weight * min(fraction, 1.0))
        return begins


class _BarPlan:
    def __init__(self, bar: tqdm, title: str, progress: _Progress) -> None:
        self._bar, self._title, self._progress = bar, title, progress

    def __call__(self, stage: Stage, fraction: float, message: str, *, cached: bool) -> None:
        progress = self._progress
        if progress.move(stage, fraction, cached=cached):
            self._bar.total = progress.total
            self._bar.set_description_str(f"{self._title}: {stage.name}", refresh=False)
            if cached or self._bar.disable:
                self._bar.write(f"  {stage.name}{': done before' if cached else ' ...'}", file=sys.stderr)
        self._bar.update(progress.at - self._bar.n)
        if message:
            self._bar.write(f"  {stage.name}: {message}", file=sys.stderr)


class _JsonPlan:
    def __init__(self, emit: Callable[[dict[str, Any]], None], progress: _Progress) -> None:
        self._emit, self._progress = emit, progress
        self._started = time.monotonic()
        self._last = 0.0

    def __call__(self, stage: Stage, fraction: float, message: str, *, cached: bool) -> None:
        progress = self._progress
        begins = progress.move(stage, fraction, cached=cached)
        if begins:
            self._emit({"event": "stage", "stage": stage.name, "cached": cached})
        if message:
            self._emit({"event": "note", "stage": stage.name, "message": message})
        now = time.monotonic()
        if cached or (now - self._last < _JSON_EVERY_S and not begins and fraction < 1):
            return
        self._last = now
        done = progress.at / progress.total
        eta = round((now - self._started) * (1 - done) / done, 1) if done else None
        self._emit({"event": "progress", "stage": stage.name, "progress": round(done, 4), "eta_s": eta})
