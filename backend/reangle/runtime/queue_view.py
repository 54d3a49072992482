# SPDX-License-Identifier: Apache-2.0
"""What each job waits for, and what its request says of it in a line."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Any

from reangle.contract import ContractError, JobRequest, JobStatus, read_request
from reangle.contract.engines import ENGINES
from reangle.errors import UserError
from reangle.runtime.database import JobDatabase

FRESH_S = 10.0
"""For how long the estimate of a queued job holds: the jobs before it fill the cache."""


class QueueView:
    """Adds to statuses what `JobReader` does not know. From any thread.

    estimate: seconds that a request will run. waiting: the jobs that something else than the queue holds up. at_once:
    how many jobs run at a time.
    """

    def __init__(
        self,
        database: JobDatabase,
        estimate: Callable[[JobRequest], float],
        waiting: Callable[[], Collection[str]],
        at_once: int = 1,
    ) -> None:
        self._database, self._estimate, self._waiting, self._at_once = database, estimate, waiting, at_once
        self._lock = threading.Lock()
        self._facts: dict[str, dict[str, Any]] = {}
        self._estimates: dict[str, tuple[float, float | None]] = {}

    def wait_s(self) -> float | None:
        """Seconds until every job in the queue is done; None while that is unknown."""
        return self._sum(self._left(row) for row in self._rows())

    def describe(self, statuses: Iterable[JobStatus]) -> list[JobStatus]:
        """The statuses with their request's engine, clip and cameras, and those of queued jobs with their place."""
        statuses = list(statuses)
        places = self._places() if any(status.state == "queued" for status in statuses) else {}
        return [replace(one, **self._facts_of(one.id), **places.get(one.id, {})) for one in statuses]

    def _rows(self) -> list[Any]:
        waiting = self._waiting()
        return [row for row in self._database.waiting_rows() if row["state"] == "running" or row["id"] not in waiting]

    def _places(self) -> dict[str, dict[str, Any]]:
        places: dict[str, dict[str, Any]] = {}
        position, before = 0, ""
        seconds: list[float | None] = []
        for row in self._rows():
            left = self._left(row)
            if row["state"] == "queued":
                position += 1
                places[row["id"]] = {
                    "position": position,
                    "behind": before,
                    "wait_s": self._sum(seconds),
                    "eta_s": left,
                }
            before = row["title"] or row["id"][:8]
            seconds.append(left)
        return places

    def _sum(self, seconds: Iterable[float | None]) -> float | None:
        known = list(seconds)
        return None if None in known else round(sum(one or 0.0 for one in known) / self._at_once, 1)

    def _left(self, row: Any) -> float | None:
        if row["state"] == "running":
            return row["eta_s"]
        now = time.monotonic()
        with self._lock:
            until, seconds = self._estimates.get(row["id"], (0.0, None))
        if now < until:
            return seconds
        try:
            text = self._database.request_text(row["id"])
            seconds = self._estimate(read_request(text)) if text else 0.0
        except (UserError, ContractError, OSError, ValueError):
            seconds = None  # it fails when its turn comes, and says why
        with self._lock:
            self._estimates = {name: one for name, one in self._estimates.items() if now < one[0]}
            self._estimates[row["id"]] = now + FRESH_S, seconds
        return seconds

    def _facts_of(self, job_id: str) -> dict[str, Any]:
        with self._lock:
            known = self._facts.get(job_id)
        if known is None:
            known = _facts(self._database.request_text(job_id) or "{}")
            with self._lock:
                self._facts[job_id] = known
        return known


def _facts(text: str) -> dict[str, Any]:
    """Of a request of any version of the contract; what cannot be read is left out."""
    try:
        request: dict[str, Any] = json.loads(text)
        engine: str = request.get("engine", "preview")
        paths: list[Any] = request.get("paths") or []
        preview: dict[str, Any] = request.get("preview") or {}
        painted = preview.get("fill") == "painted"
        return {
            "engine": str(engine),
            "clip": str(request["clip"]["files"][0]["name"]),
            "cameras": len(paths),
            "takes_seed": bool(paths) and (painted or bool(engine in ENGINES and ENGINES[engine].needs)),
        }
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return {}
