# SPDX-License-Identifier: Apache-2.0
"""`GET /v1/jobs/{id}/logs` and `GET /v1/jobs/{id}/logs/{stage}`: the logs of a job's stages, for clients anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse

from reangle.api.error_responses import RefusedError, unknown_job
from reangle.api.schema import PathJobId
from reangle.runtime.job_reader import JobReader
from reangle.runtime.logs import LogFile, list_logs, read_log

LOG_BYTES = 256 << 10
MAX_LOG_BYTES = 4 << 20


def log_routes(database: JobReader, data: Path) -> APIRouter:
    """data: the data folder."""
    router = APIRouter()

    @router.get("/v1/jobs/{job_id}/logs")
    def list_job_logs(job_id: PathJobId) -> list[LogFile]:
        if database.status(job_id) is None:
            raise unknown_job(job_id)
        return list_logs(data, job_id)

    @router.get("/v1/jobs/{job_id}/logs/{stage}", response_class=PlainTextResponse)
    def stage_log(
        job_id: PathJobId,
        stage: str,
        limit: Annotated[int, Query(ge=1, le=MAX_LOG_BYTES, description="bytes, from the end")] = LOG_BYTES,
    ) -> PlainTextResponse:
        if database.status(job_id) is None:
            raise unknown_job(job_id)
        text = read_log(data, job_id, stage, limit)
        if text is None:
            message = f"The job has no log {stage[:200]!r}."
            raise RefusedError(404, message, advice="GET /v1/jobs/{id}/logs lists the logs.")
        return PlainTextResponse(text, headers={"X-Content-Type-Options": "nosniff"})

    return router
