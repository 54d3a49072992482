# SPDX-License-Identifier: Apache-2.0
"""`/v1/downloads`: published weights that the backend downloads beside its jobs."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from reangle.api.change_signal import ChangeSignal, Wait
from reangle.api.error_responses import RefusedError
from reangle.api.schema import answer, answers_with, body_of, json_body
from reangle.contract import DownloadRequest, Downloads, DownloadStatus, from_json
from reangle.weights import downloads as weights_downloads

PathName = Annotated[str, Path(max_length=200, description="The name of weights")]


def download_routes(downloads: weights_downloads.Downloads, changes: ChangeSignal) -> APIRouter:
    router = APIRouter()

    @router.post(
        "/v1/downloads",
        responses=answers_with(tuple[DownloadStatus, ...], 200, 201),
        openapi_extra=body_of(DownloadRequest),
    )
    async def request_download(request: Request) -> Response:
        wanted = from_json(DownloadRequest, await json_body(request))
        statuses, new = await run_in_threadpool(downloads.request, wanted)
        return answer(statuses, 201 if new else 200)

    @router.get("/v1/downloads", responses=answers_with(Downloads))
    async def list_downloads(
        since: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        wait: Wait = 0,
    ) -> Response:
        read = partial(run_in_threadpool, downloads.now)
        return answer(await changes.wait_for(read, lambda now: now.last != since, wait))

    @router.post("/v1/downloads/{name}/cancel", responses=answers_with(DownloadStatus))
    def cancel_download(name: PathName) -> Response:
        status = downloads.cancel(name)
        if status is None:
            raise RefusedError(404, f"There is no download of {name!r}.", advice="GET /v1/downloads lists them.")
        return answer(status)

    return router
