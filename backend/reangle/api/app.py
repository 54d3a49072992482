# SPDX-License-Identifier: Apache-2.0
"""The routes of contract version 4.

The contract's own classes read and check bodies; FastAPI checks paths and queries.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import anyio
import anyio.to_thread
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from reangle.api import error_responses
from reangle.api.capabilities import capabilities_of
from reangle.api.change_signal import ChangeSignal, Wait
from reangle.api.download_routes import download_routes
from reangle.api.error_responses import ErrorResponse, RefusedError, error_response, unknown_job
from reangle.api.facts import Facts
from reangle.api.guard import BodyStalledError, BodyTooLargeError
from reangle.api.job_routes import job_routes, view_of
from reangle.api.log_routes import log_routes
from reangle.api.lookahead_routes import lookahead_routes
from reangle.api.receive import receive_blob
from reangle.api.result_files import find_file, results_of
from reangle.api.schema import PathJobId, PathSha256, answer, answers_with, body_of, component_schemas, json_body
from reangle.api.storage_routes import SCHEMAS as STORAGE_SCHEMAS
from reangle.api.storage_routes import storage_routes
from reangle.contract import (
    CONTRACT_VERSION,
    Capabilities,
    Coverages,
    DeletedJob,
    DownloadRequest,
    Downloads,
    Estimate,
    EstimateRequest,
    Events,
    Health,
    JobEvent,
    JobList,
    JobRequest,
    JobStatus,
    LookRequest,
    Result,
    RetryRequest,
    Sha256,
    read_request,
)
from reangle.engines.plan import plan_job
from reangle.errors import UserError
from reangle.lookahead.desk import LookaheadDesk
from reangle.runtime.cleaning import Cleaner
from reangle.runtime.supervisor import Supervisor
from reangle.version import VERSION
from reangle.weights import downloads as weights_downloads
from reangle.weights.installed import InstalledWeights

EVENTS_AT_ONCE = 1000
EVENT_THREADS = 8
UPLOAD_THREADS = 8


@dataclass(frozen=True)
class Uploaded:
    """The hash of an uploaded file."""

    sha256: Sha256


@dataclass(frozen=True)
class Ending:
    """The server ends after this answer."""

    ending: bool = True


def create_app(
    supervisor: Supervisor, downloads: weights_downloads.Downloads, changes: ChangeSignal, end: Callable[[], None]
) -> FastAPI:
    """The application, without its `Guard`. end: ends the server."""
    database, store, view = supervisor.database, supervisor.store, view_of(supervisor)
    facts = Facts(Cleaner(database, store, plan_job, InstalledWeights(store.root)))
    # Separate threads, so that many waiting clients or uploads do not block other requests.
    event_threads, upload_threads = anyio.CapacityLimiter(EVENT_THREADS), anyio.CapacityLimiter(UPLOAD_THREADS)

    looking = LookaheadDesk()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        changes.bind()
        await run_in_threadpool(supervisor.start)
        await run_in_threadpool(downloads.start)
        yield
        await run_in_threadpool(looking.close)
        await run_in_threadpool(downloads.stop)
        await run_in_threadpool(supervisor.stop)

    common = {code: {"model": ErrorResponse} for code in (401, 403, 404, 413, 422)}
    app = FastAPI(
        title="Reangle", version=VERSION, docs_url=None, redoc_url=None, lifespan=lifespan, responses={**common}
    )
    _answer_errors(app)
    _complete_document(app)

    # Async, so that it answers even while every worker thread is busy.
    @app.get("/v1/health", responses=answers_with(Health))
    async def health() -> Response:
        device, storage = facts.latest()
        return answer(Health(CONTRACT_VERSION, VERSION, os.getpid(), str(store.root), device, storage))

    @app.get("/v1/capabilities", responses=answers_with(Capabilities))
    def capabilities() -> Response:
        return answer(capabilities_of(store.root))

    @app.head("/v1/blobs/{sha256}", responses={200: {"description": "The file is known"}})
    def has_blob(sha256: PathSha256) -> Response:
        return Response(status_code=200 if store.has_blob(sha256) and store.touch_blob(sha256) else 404)

    @app.put("/v1/blobs/{sha256}", responses=answers_with(Uploaded, 200, 201), openapi_extra=_BINARY_BODY)
    async def put_blob(sha256: PathSha256, request: Request) -> Response:
        known = await anyio.to_thread.run_sync(store.has_sound_blob, sha256, limiter=upload_threads)
        await receive_blob(request.stream(), None if known else store.blob_writer(sha256), upload_threads)
        return answer(Uploaded(sha256), 200 if known else 201)

    @app.post(
        "/v1/jobs",
        responses={**answers_with(JobStatus, 200, 201), 409: {"model": ErrorResponse}},
        openapi_extra=body_of(JobRequest),
    )
    async def submit(request: Request) -> Response:
        body = await json_body(request)
        return await run_in_threadpool(lambda: submit_job(read_request(body)))

    def submit_job(job: JobRequest) -> Response:
        if database.status(job.id) is None:
            plan_job(job, store.root)
            refs = {ref.sha256: ref for ref in job.file_refs()}
            missing = [sha256 for sha256, ref in refs.items() if not store.has_file(ref)]
            if missing:
                message = (
                    f"{len(missing)} of the job's {len(refs)} files are not uploaded, {refs[missing[0]].name!r} first."
                )
                raise RefusedError(422, message, advice="Upload them with PUT /v1/blobs/{sha256}.", missing=missing)
        outcome = supervisor.submit(job)
        if outcome == "conflict":
            raise RefusedError(409, f"Another job has the id {job.id}.", advice="Send a new job under a new id.")
        return answer(view.describe([_known(job.id, database.status(job.id))])[0], 201 if outcome == "new" else 200)

    @app.get("/v1/jobs", responses=answers_with(tuple[JobStatus, ...]))
    def list_jobs(limit: Annotated[int, Query(ge=1, le=10_000)] = 500) -> Response:
        return answer(view.describe(database.newest(limit)))

    @app.get("/v1/jobs/{job_id}", responses=answers_with(JobStatus))
    def job_status(job_id: PathJobId) -> Response:
        return answer(view.describe([_known(job_id, database.status(job_id))])[0])

    @app.get("/v1/jobs/{job_id}/events", responses=answers_with(Events))
    async def events(
        job_id: PathJobId,
        since: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        wait: Wait = 0,
    ) -> Response:
        def read() -> list[JobEvent]:
            new = database.events(job_id, since, EVENTS_AT_ONCE)
            if not new:
                _known(job_id, database.status(job_id))
            return new

        new = await changes.wait_for(partial(anyio.to_thread.run_sync, read, limiter=event_threads), bool, wait)
        return answer(Events(events=tuple(new), last=new[-1].n if new else since))

    @app.post("/v1/jobs/{job_id}/cancel", responses=answers_with(JobStatus))
    def cancel(job_id: PathJobId) -> Response:
        return answer(view.describe([_known(job_id, supervisor.cancel(job_id))])[0])

    @app.get("/v1/jobs/{job_id}/results", responses=answers_with(tuple[Result, ...]))
    def results(job_id: PathJobId) -> Response:
        _known(job_id, database.status(job_id))
        return answer(results_of(database, store, job_id))

    @app.get("/v1/jobs/{job_id}/files/{name:path}", response_class=FileResponse)
    def result_file(job_id: PathJobId, name: str) -> FileResponse:
        _known(job_id, database.status(job_id))
        path, sha256 = find_file(database, store, job_id, name)
        headers = {"ETag": f'"{sha256}"', "X-Content-Type-Options": "nosniff"}
        return FileResponse(path, media_type="application/octet-stream", headers=headers)

    app.include_router(job_routes(supervisor, changes, view, submit_job))
    app.include_router(log_routes(database, store.root))
    app.include_router(download_routes(downloads, changes))
    app.include_router(lookahead_routes(database, store, looking))
    app.include_router(storage_routes(facts, database))

    @app.post("/v1/shutdown", status_code=202, responses=answers_with(Ending, 202))
    def shutdown() -> Response:
        end()
        return answer(Ending(), 202)

    return app


_BINARY_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def _known(job_id: str, status: JobStatus | None) -> JobStatus:
    if status is None:
        raise unknown_job(job_id)
    return status


def _answer_errors(app: FastAPI) -> None:
    handlers: dict[type[Exception], Callable[[Any], JSONResponse]] = {
        UserError: error_responses.user_error_response,
        RequestValidationError: lambda error: error_responses.invalid_request_response(error.errors()),
        HTTPException: lambda error: error_responses.status_response(error.status_code, error.detail),
        sqlite3.OperationalError: error_responses.database_error_response,
        BodyTooLargeError: lambda error: error.response(),
        BodyStalledError: lambda error: error.response(),
        ClientDisconnect: lambda error: error_response(400, "The request ended early.", "Send it again."),
        OSError: error_responses.system_error_response,
        Exception: lambda error: error_response(
            500, f"{type(error).__name__}: {error}", "This is a fault of Reangle; the backend's log has the traceback."
        ),
    }
    for kind, respond in handlers.items():

        async def handle(_: Request, error: Exception, respond: Callable[[Any], JSONResponse] = respond) -> Response:
            return respond(error)

        app.add_exception_handler(kind, handle)


def _complete_document(app: FastAPI) -> None:
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        components = document.setdefault("components", {})
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        components["schemas"] |= component_schemas(
            Health,
            Capabilities,
            Uploaded,
            JobRequest,
            JobStatus,
            Events,
            Result,
            DownloadRequest,
            Downloads,
            Ending,
            JobList,
            RetryRequest,
            DeletedJob,
            EstimateRequest,
            Estimate,
            LookRequest,
            Coverages,
            *STORAGE_SCHEMAS,
        )
        document["security"] = [{"token": []}]
        return document

    app.openapi = openapi
