# SPDX-License-Identifier: Apache-2.0
"""`/v1/storage`: the room that the data folder takes, and cleaning up; and which jobs' results a client has."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from reangle.api.error_responses import unknown_job
from reangle.api.facts import Facts
from reangle.api.schema import PathJobId, answer, answers_with, body_of, json_body
from reangle.contract import Cleaned, CleanRequest, Storage, from_json
from reangle.runtime.database import JobDatabase


@dataclass(frozen=True)
class Fetched:
    """A client has the job's results, so they may be cleaned up."""

    fetched: bool = True


SCHEMAS = (Storage, CleanRequest, Cleaned, Fetched)
"""For the OpenAPI document."""


def storage_routes(facts: Facts, database: JobDatabase) -> APIRouter:
    router = APIRouter()

    @router.get("/v1/storage", responses=answers_with(Storage))
    def storage() -> Response:
        return answer(facts.measure())

    @router.post("/v1/storage/clean", responses=answers_with(Cleaned), openapi_extra=body_of(CleanRequest))
    async def clean(request: Request) -> Response:
        wanted = from_json(CleanRequest, await json_body(request))
        return answer(await run_in_threadpool(facts.clean, wanted))

    @router.post("/v1/jobs/{job_id}/fetched", responses=answers_with(Fetched))
    def fetched(job_id: PathJobId) -> Response:
        if database.status(job_id) is None:
            raise unknown_job(job_id)
        database.set_fetched(job_id)
        return answer(Fetched())

    return router
