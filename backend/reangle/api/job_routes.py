# SPDX-License-Identifier: Apache-2.0
"""The list of all jobs, what is asked of a job that was sent before, and how long one will take."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from reangle.api.change_signal import ChangeSignal, Wait
from reangle.api.error_responses import unknown_job
from reangle.api.schema import PathJobId, answer, answers_with, body_of, json_body
from reangle.contract import (
    DeletedJob,
    Estimate,
    EstimateRequest,
    JobList,
    JobRequest,
    JobStatus,
    RetryRequest,
    from_json,
    read_request,
    to_json,
)
from reangle.engines.plan import ClipSize, plan_job
from reangle.runtime.deletion import delete_job
from reangle.runtime.expected import estimate
from reangle.runtime.queue_view import QueueView
from reangle.runtime.supervisor import Supervisor


def view_of(supervisor: Supervisor) -> QueueView:
    """What the jobs of this supervisor wait for."""

    def seconds(request: JobRequest) -> float:
        return estimate(supervisor.plan(request), supervisor.store, supervisor.weights).seconds

    return QueueView(supervisor.database, seconds, supervisor.held_up, supervisor.at_once)


def job_routes(
    supervisor: Supervisor, changes: ChangeSignal, view: QueueView, submit: Callable[[JobRequest], Response]
) -> APIRouter:
    """submit: queues a request and answers as `POST /v1/jobs` does."""
    router = APIRouter()
    database, store = supervisor.database, supervisor.store

    def list_now(limit: int) -> JobList:
        jobs = tuple(view.describe(database.newest(limit)))
        # A number of the content itself, which holds across restarts.
        return JobList(jobs, zlib.crc32(to_json(jobs).encode()))

    @router.get("/v1/queue", responses=answers_with(JobList))
    async def queue(
        since: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        wait: Wait = 0,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 200,
    ) -> Response:
        read = partial(run_in_threadpool, partial(list_now, limit))
        return answer(await changes.wait_for(read, lambda now: now.last != since, wait))

    @router.get("/v1/jobs/{job_id}/request", responses=answers_with(JobRequest))
    def stored_request(job_id: PathJobId) -> Response:
        return answer(_request_of(job_id))

    @router.post(
        "/v1/jobs/{job_id}/retry",
        responses=answers_with(JobStatus, 200, 201),
        openapi_extra=body_of(RetryRequest),
    )
    async def retry(job_id: PathJobId, request: Request) -> Response:
        asked = from_json(RetryRequest, await json_body(request))
        return await run_in_threadpool(send_again, job_id, asked)

    def send_again(job_id: str, asked: RetryRequest) -> Response:
        before = _request_of(job_id)
        return submit(replace(before, id=asked.id, seed=before.seed if asked.seed is None else asked.seed))

    @router.delete("/v1/jobs/{job_id}", responses=answers_with(DeletedJob))
    def delete(job_id: PathJobId) -> Response:
        deleted = delete_job(supervisor, job_id)
        if deleted is None:
            raise unknown_job(job_id)
        return answer(deleted)

    @router.post("/v1/estimate", responses=answers_with(Estimate), openapi_extra=body_of(EstimateRequest))
    async def ask_estimate(request: Request) -> Response:
        asked = from_json(EstimateRequest, await json_body(request))
        return answer(await run_in_threadpool(estimate_of, asked))

    def estimate_of(asked: EstimateRequest) -> Estimate:
        size = ClipSize(asked.frames, asked.width, asked.height)
        found = estimate(plan_job(asked.request, store.root, size), store, supervisor.weights)
        return replace(found, wait_s=view.wait_s())

    def _request_of(job_id: str) -> JobRequest:
        text = database.request_text(job_id)
        if text is None:
            raise unknown_job(job_id)
        return read_request(text)

    return router
