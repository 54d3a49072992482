# SPDX-License-Identifier: Apache-2.0
"""What a command says: progress bars and sentences for people, or one JSON object a line for machines."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from backend.engines.execute import PlanReport
from backend.engines.stage import Stage
from backend.errors import UserError

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
        if self.as_json:
            yield _JsonPlan(self._emit, stages)
            return
        total = sum(stage.weight for stage in stages)
        # disable=None: no bar where standard error is not a terminal.
        with tqdm(total=total, desc=title, bar_format=_BAR, file=sys.stderr, disable=None) as bar:
            yield _BarPlan(bar, title)

    def _say(self, values: dict[str, Any], text: str, *, to_stderr: bool = False) -> None:
        if self.as_json:
            self._emit(values)
        else:
            tqdm.write(text, file=sys.stderr if to_stderr else sys.stdout)

    def _emit(self, values: dict[str, Any]) -> None:
        print(json.dumps(values), file=self._lines, flush=True)


class _BarPlan:
    def __init__(self, bar: tqdm, title: str) -> None:
        self._bar, self._title = bar, title
        self._done = 0.0
        self._stage = ""

    def __call__(self, stage: Stage, fraction: float, message: str, *, cached: bool) -> None:
        if message:
            tqdm.write(f"  {stage.name}: {message}", file=sys.stderr)
        if cached:
            # What is found done takes no time and must not make the rest look fast.
            self._bar.total -= stage.weight
            tqdm.write(f"  {stage.name}: done before", file=sys.stderr)
            return
        if stage.name != self._stage:
            self._stage = stage.name
            if self._bar.disable:
                tqdm.write(f"  {stage.name} ...", file=sys.stderr)
        self._bar.set_description_str(f"{self._title}: {stage.name}", refresh=False)
        at = self._done + stage.weight * min(fraction, 1.0)
        self._bar.update(max(0.0, at - self._bar.n))
        if fraction >= 1 and not message:
            self._done = max(self._done, at)


class _JsonPlan:
    def __init__(self, emit: Any, stages: Sequence[Stage]) -> None:
        self._emit = emit
        self._begins = {}
        at = 0.0
        for stage in stages:
            self._begins[stage.name] = at
            at += stage.weight
        self._total = at
        self._free = 0.0
        self._started = self._last = time.monotonic()
        self._stage = ""

    def __call__(self, stage: Stage, fraction: float, message: str, *, cached: bool) -> None:
        if stage.name != self._stage:
            self._stage = stage.name
            self._last = 0.0
            self._emit({"event": "stage", "stage": stage.name, "cached": cached})
        if cached:
            self._free += stage.weight
        if message:
            self._emit({"event": "note", "stage": stage.name, "message": message})
        now = time.monotonic()
        if now - self._last < _JSON_EVERY_S and fraction < 1:
            return
        self._last = now
        at = self._begins[stage.name] + stage.weight * min(fraction, 1.0)
        worked = at - self._free
        eta = (now - self._started) * (self._total - at) / worked if worked > 0 else None
        values = {"stage": stage.name, "fraction": round(fraction, 4), "progress": round(at / self._total, 4)}
        self._emit({"event": "progress", **values, "eta_s": None if eta is None else round(eta, 1)})
