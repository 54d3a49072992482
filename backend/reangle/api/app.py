# SPDX-License-Identifier: Apache-2.0
"""The routes of contract version 1."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import anyio.from_thread
from fastapi import FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from reangle.api import answers
from reangle.api.answers import ErrorAnswer, RefusedError, answer_error
from reangle.api.bell import Bell
from reangle.api.guard import BodyTooLargeError
from reangle.api.published import find_file, results_of
from reangle.contract import CONTRACT_VERSION, JobEvent, JobId, JobRequest, JobStatus, Result, Sha256
from reangle.engines.plan import plan_job
from reangle.errors import UserError
from reangle.runtime.supervisor import Supervisor
from reangle.version import VERSION
from reangle.weights.providers import providers_status

MAX_WAIT_S = 25.0
EVENTS_AT_ONCE = 1000
_CHUNK = 1 << 20

PathId = Annotated[JobId, Path(description="32 lower-case hexadecimal digits, made by the client")]
PathHash = Annotated[Sha256, Path(description="SHA-256 of the file, 64 lower-case hexadecimal digits")]


class Health(BaseModel):
    contract: int
    version: str
    pid: int
    data: str


class Provider(BaseModel):
    """A way to depth and cameras. message and advice say why it is not available, and what to do."""

    name: str
    available: bool
    licence: str
    message: str
    advice: str


class Events(BaseModel):
    """last: number of the last event in here; the next question's `since`."""

    events: list[JobEvent]
    last: int


class Uploaded(BaseModel):
    sha256: str


class Ending(BaseModel):
    ending: bool = True


def create_app(supervisor: Supervisor, bell: Bell, end: Callable[[], None]) -> FastAPI:
    """The application, without its `Guard`. end: asks the server to end."""
    database, store = supervisor.database, supervisor.store

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        bell.bind()
        await run_in_threadpool(supervisor.start)
        yield
        await run_in_threadpool(supervisor.stop)

    unsaid = {code: {"model": ErrorAnswer} for code in (401, 403, 404, 413, 422)}
    app = FastAPI(
        title="Reangle", version=VERSION, docs_url=None, redoc_url=None, lifespan=lifespan, responses={**unsaid}
    )
    _answer_errors(app)
    _describe_token(app)

    @app.get("/v1/health")
    def health() -> Health:
        return Health(contract=CONTRACT_VERSION, version=VERSION, pid=os.getpid(), data=str(store.root))

    @app.get("/v1/providers")
    def list_providers() -> list[Provider]:
        return [Provider.model_validate(row) for row in providers_status(store.root)]

    @app.head("/v1/blobs/{sha256}", responses={200: {"description": "The file is known"}})
    def has_blob(sha256: PathHash) -> Response:
        return Response(status_code=200 if store.has_blob(sha256) else 404)

    @app.put("/v1/blobs/{sha256}", status_code=201, responses={200: {"model": Uploaded}}, openapi_extra=_BINARY_BODY)
    async def put_blob(sha256: PathHash, request: Request, response: Response) -> Uploaded:
        chunks = _large_chunks(request.stream())
        if store.has_blob(sha256):
            response.status_code = 200
            async for _ in chunks:
                pass
        else:
            await run_in_threadpool(store.receive, sha256, _in_thread(chunks))
        return Uploaded(sha256=sha256)

    @app.post("/v1/jobs", status_code=201, responses={200: {"model": JobStatus}, 409: {"model": ErrorAnswer}})
    def submit(job: JobRequest, response: Response) -> JobStatus:
        if database.status(job.id) is None:
            plan_job(job, store.root)
            refs = {ref.sha256: ref for ref in (*job.clip.files, *job.geometry.files)}
            missing = [sha256 for sha256 in refs if not store.has_blob(sha256)]
            if missing:
                message = (
                    f"{len(missing)} of the job's {len(refs)} files are not uploaded, {refs[missing[0]].name!r} first."
                )
                raise RefusedError(422, message, advice="Upload them with PUT /v1/blobs/{sha256}.", missing=missing)
        outcome = supervisor.submit(job)
        if outcome == "conflict":
            raise RefusedError(409, f"Another job has the id {job.id}.", advice="Send a new job under a new id.")
        response.status_code = 201 if outcome == "new" else 200
        return _known(job.id, database.status(job.id))

    @app.get("/v1/jobs")
    def list_jobs(limit: Annotated[int, Query(ge=1, le=10_000)] = 500) -> list[JobStatus]:
        return database.newest(limit)

    @app.get("/v1/jobs/{job_id}")
    def job_status(job_id: PathId) -> JobStatus:
        return _known(job_id, database.status(job_id))

    @app.get("/v1/jobs/{job_id}/events")
    async def events(
        job_id: PathId,
        since: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        wait: Annotated[float, Query(ge=0, le=MAX_WAIT_S, allow_inf_nan=False)] = 0,
    ) -> Events:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        while True:
            rung = bell.next()
            found = database.events(job_id, since, EVENTS_AT_ONCE)
            if not found:
                _known(job_id, database.status(job_id))
            left = deadline - loop.time()
            if found or bell.closed or left <= 0:
                return Events(events=found, last=found[-1].n if found else since)
            try:
                await asyncio.wait_for(rung.wait(), left)
            except TimeoutError:
                continue

    @app.post("/v1/jobs/{job_id}/cancel")
    def cancel(job_id: PathId) -> JobStatus:
        return _known(job_id, supervisor.cancel(job_id))

    @app.get("/v1/jobs/{job_id}/results")
    def results(job_id: PathId) -> list[Result]:
        _known(job_id, database.status(job_id))
        return results_of(database, store, job_id)

    @app.get("/v1/jobs/{job_id}/files/{name:path}", response_class=FileResponse)
    def result_file(job_id: PathId, name: str) -> FileResponse:
        _known(job_id, database.status(job_id))
        path, sha256 = find_file(database, store, job_id, name)
        headers = {"ETag": f'"{sha256}"', "X-Content-Type-Options": "nosniff"}
        return FileResponse(path, media_type="application/octet-stream", headers=headers)

    @app.post("/v1/shutdown", status_code=202)
    def shutdown() -> Ending:
        end()
        return Ending()

    return app


_BINARY_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def _known(job_id: str, status: JobStatus | None) -> JobStatus:
    if status is None:
        raise RefusedError(404, f"There is no job {job_id}.", advice="Look at GET /v1/jobs for the jobs there are.")
    return status


async def _large_chunks(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    parts, size = [], 0
    async for part in stream:
        parts.append(part)
        size += len(part)
        if size >= _CHUNK:
            yield b"".join(parts)
            parts, size = [], 0
    yield b"".join(parts)


def _in_thread(chunks: AsyncIterator[bytes]) -> Iterator[bytes]:
    while (chunk := anyio.from_thread.run(_next, chunks)) is not None:
        yield chunk


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)


def _answer_errors(app: FastAPI) -> None:
    handlers: dict[type[Exception], Callable[[Any], JSONResponse]] = {
        UserError: answers.answer_user_error,
        RequestValidationError: lambda error: answers.answer_invalid(error.errors()),
        HTTPException: lambda error: answers.answer_status(error.status_code, error.detail),
        sqlite3.OperationalError: answers.answer_database_error,
        BodyTooLargeError: lambda error: error.answer(),
        Exception: lambda error: answer_error(
            500, f"{type(error).__name__}: {error}", "This is a fault of Reangle; the backend's log has the traceback."
        ),
    }
    for kind, answer in handlers.items():

        async def handle(_: Request, error: Exception, answer: Callable[[Any], JSONResponse] = answer) -> Response:
            return answer(error)

        app.add_exception_handler(kind, handle)


def _describe_token(app: FastAPI) -> None:
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        document.setdefault("components", {})["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
        return document

    app.openapi = openapi
