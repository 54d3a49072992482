# SPDX-License-Identifier: Apache-2.0
"""What cameras would see of an imported clip, before they are rendered."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from reangle.api.error_responses import RefusedError, unknown_job
from reangle.api.schema import PathJobId, answer, answers_with, body_of, json_body
from reangle.contract import Coverages, from_json
from reangle.contract.lookahead import LookRequest
from reangle.lookahead.desk import LookaheadDesk
from reangle.runtime.database import JobDatabase
from reangle.runtime.store import Store

_RESULTS = {"decode": "source", "camera": "camera", "geometry": "geometry"}
"""Name of the import's result that is the output of each stage."""

_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "height x width x 4 bytes: RGB, and 255 where this frame shows the pixel, 128 where only "
        "another frame does, 0 where none does",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def lookahead_routes(database: JobDatabase, store: Store, desk: LookaheadDesk) -> APIRouter:
    router = APIRouter()

    @router.post("/v1/jobs/{job_id}/coverage", responses=answers_with(Coverages), openapi_extra=body_of(LookRequest))
    async def coverage(job_id: PathJobId, request: Request) -> Response:
        body = await json_body(request)
        return answer(await run_in_threadpool(lambda: desk.coverage(folders_of(job_id), from_json(LookRequest, body))))

    @router.post("/v1/jobs/{job_id}/picture", responses=_PICTURE, openapi_extra=body_of(LookRequest))
    async def picture(job_id: PathJobId, request: Request) -> Response:
        body = await json_body(request)
        data = await run_in_threadpool(lambda: desk.picture(folders_of(job_id), from_json(LookRequest, body)))
        return Response(data, media_type="application/octet-stream")

    def folders_of(job_id: str) -> dict[str, str]:
        """The folder of each stage's output. Raises RefusedError unless the job has imported a clip."""
        if database.status(job_id) is None:
            raise unknown_job(job_id)
        keys = database.results(job_id)
        artifacts = {stage: store.artifact(keys[name]) for stage, name in _RESULTS.items() if name in keys}
        folders = {stage: str(artifact.folder) for stage, artifact in artifacts.items() if artifact is not None}
        if len(folders) < len(_RESULTS):
            raise RefusedError(
                409, "The clip of this job is not imported yet.", advice="Wait for its end, or import the clip again."
            )
        return folders

    return router
