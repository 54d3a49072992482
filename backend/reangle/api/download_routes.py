# SPDX-License-Identifier: Apache-2.0
"""`/v1/downloads`: published weights that the backend downloads beside its jobs."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from reangle.api.change_signal import ChangeSignal
from reangle.api.error_responses import RefusedError
from reangle.api.schema import answer, answers_with, body_of, json_body
from reangle.contract import DownloadRequest, Downloads, DownloadStatus, from_json
from reangle.weights import downloads as weights_downloads

MAX_WAIT_S = 25.0

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
        wait: Annotated[float, Query(ge=0, le=MAX_WAIT_S, allow_inf_nan=False)] = 0,
    ) -> Response:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        while True:
            change = changes.next()
            now = await run_in_threadpool(downloads.now)
            left = deadline - loop.time()
            if now.last != since or changes.closed or left <= 0:
                return answer(now)
            with suppress(TimeoutError):
                await asyncio.wait_for(change.wait(), left)

    @router.post("/v1/downloads/{name}/cancel", responses=answers_with(DownloadStatus))
    def cancel_download(name: PathName) -> Response:
        status = downloads.cancel(name)
        if status is None:
            raise RefusedError(404, f"There is no download of {name!r}.", advice="GET /v1/downloads lists them.")
        return answer(status)

    return router
