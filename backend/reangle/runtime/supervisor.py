# SPDX-License-Identifier: Apache-2.0
"""Takes jobs from the queue, imports first, and runs each to its end."""

from __future__ import annotations

import logging
import sqlite3
import threading
import traceback
from collections import defaultdict
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import partial

from reangle.contract import JobRequest, JobStatus
from reangle.errors import UserError, WaitError
from reangle.runtime.database import JobDatabase, Submission
from reangle.runtime.execute import Weights
from reangle.runtime.job_run import POLL_S, JobInterruptedError, JobRun, Planner, StageFailedError, error_of
from reangle.runtime.logs import log_place, remove_old_logs
from reangle.runtime.process import end_orphans
from reangle.runtime.stage import PlannedStage
from reangle.runtime.store import Store
from reangle.runtime.waiting import Waiting

RETRY_AFTER_S = 5.0
WAIT_POLL_S = 1.0

logger = logging.getLogger(__name__)


class Supervisor:
    """Runs up to `at_once` jobs at a time, each in a thread that follows one stage process after the other.

    Two jobs that want the same stage make it once: the second waits for the first and finds it in the cache.
    """

    def __init__(
        self, database: JobDatabase, store: Store, planner: Planner, weights: Weights, *, at_once: int = 1
    ) -> None:
        self.database = database
        self.store = store
        self._planner, self.weights, self.at_once = planner, weights, at_once
        self._queue_changed = threading.Condition()
        self._closing = threading.Event()
        self._canceled: set[str] = set()
        self._waiting = Waiting(store.root)
        self._stage_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._threads = [threading.Thread(target=self._work, name=f"jobs-{n}", daemon=True) for n in range(at_once)]

    def start(self) -> None:
        """Clean up after an earlier backend, put its unfinished jobs back into the queue, and start working."""
        for job_id, run in self.database.stage_runs().items():
            if not end_orphans(run):
                logger.error("A stage process of an earlier backend does not end; it is left behind")
            self.database.clear_stage_run(job_id)
        self.store.sweep()
        remove_old_logs(self.store.root, self.database.job_ids())
        for job_id in self.database.running():
            self.database.count_death(job_id)
            self.database.requeue(job_id)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the running stages; their jobs continue at the next start."""
        self._closing.set()
        with self._queue_changed:
            self._queue_changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=15)

    def plan(self, request: JobRequest) -> Sequence[PlannedStage]:
        """The stages of a request. Raises UserError for what cannot succeed."""
        return self._planner(request, self.store.root)

    def held_up(self) -> set[str]:
        """Queued jobs that something else than the queue holds up, as a full disk."""
        return self._waiting.jobs()

    def submit(self, request: JobRequest) -> Submission:
        outcome = self.database.submit(request)
        with self._queue_changed:
            self._queue_changed.notify()
        return outcome

    def cancel(self, job_id: str) -> JobStatus | None:
        """Cancel a job, at once if it is queued, within seconds if it runs. None for an unknown job."""
        status = self.database.cancel(job_id)
        if status is not None and status.state == "running":
            self._canceled.add(job_id)
        return status

    def _work(self) -> None:
        while not self._closing.is_set():
            request = None
            try:
                with self._queue_changed:
                    waiting = self._waiting.jobs()
                    # `stop` may have been called since the loop began.
                    if not self._closing.is_set() and (request := self.database.claim(waiting)) is None:
                        self._queue_changed.wait(WAIT_POLL_S if waiting else None)
                if request is not None:
                    self._run(request)
            except Exception:
                # The job list itself cannot be written, as on a full disk; the job does not change and is tried again.
                logger.exception("The job list cannot be written")
                self._closing.wait(RETRY_AFTER_S)
                if request is not None:
                    self._put_back(request.id)

    def _put_back(self, job_id: str) -> None:
        while not self._closing.is_set():
            try:
                self.database.requeue(job_id)
                return
            except Exception:
                self._closing.wait(RETRY_AFTER_S)

    def _run(self, request: JobRequest) -> None:
        interrupted = partial(self._is_interrupted, request.id)
        only_one = partial(self._only_one, interrupted)
        run = JobRun(request, self.database, self.store, self._planner, self.weights, interrupted, only_one)
        with log_place(request.id):
            logger.info("Job %s starts: %r, engine %s", request.id, request.title, request.engine)
            try:
                run.run()
            except JobInterruptedError:
                self.database.requeue(request.id)
            except WaitError as wait:
                logger.warning("Job %s waits: %s", request.id, wait.message)
                self._waiting.add(request.id)
                self.database.requeue(request.id, f"The job waits, and goes on by itself: {wait.message} {wait.advice}")
            except sqlite3.Error:
                raise
            except Exception as failure:
                error = error_of(failure, traceback.format_exc())
                expected = isinstance(failure, UserError | StageFailedError)
                logger.warning("Job %s failed: %s", request.id, error.message, exc_info=not expected)
                self.database.finish(request.id, "failed", error)
                self._waiting.forget(request.id)
            else:
                self.database.finish(request.id, "done")
                self._waiting.forget(request.id)
            finally:
                self._canceled.discard(request.id)
                self.store.release(request.id)
            if status := self.database.status(request.id):
                logger.info("Job %s is %s", request.id, status.state)
            remove_old_logs(self.store.root, self.database.job_ids())

    def _is_interrupted(self, job_id: str) -> bool:
        return self._closing.is_set() or job_id in self._canceled

    @contextmanager
    def _only_one(self, interrupted: partial[bool], key: str) -> Generator[None]:
        lock = self._stage_locks[key]
        while not lock.acquire(timeout=POLL_S):
            if interrupted():
                raise JobInterruptedError
        try:
            yield
        finally:
            lock.release()
