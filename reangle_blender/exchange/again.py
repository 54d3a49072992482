# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a job of the backend again, delete it, or read its log. Main thread; the backend is asked in threads."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import bpy
from bpy.types import Scene

from .. import preferences, state
from ..core.client import RefusedError
from ..core.contract import FINAL_STATES, JobStatus, RetryRequest, new_job_id
from ..core.errors import UserError
from ..state import engines
from . import all_jobs, connection, ledger, removing, start_files, telling, watching
from .ledger import Entry
from .main_thread import Failure

SEEDS = 2**31


def retry(job: str, *, new_seed: bool = False) -> str:
    """Run the request of a job once more, with finished stages from the cache; the scene that lists the job lists the
    new one, too. Returns its id. Raises UserError if the backend is not running or does not know the job."""
    client = connection.client()
    before = all_jobs.find(job)
    if new_seed and not before.takes_seed:
        raise UserError(f"{before.title} uses no random numbers.", advice="Retry it instead.")
    request = RetryRequest(new_job_id(), secrets.randbelow(SEEDS) if new_seed else None)
    entry = _entry_again(job, request.id)

    def send() -> JobStatus:
        status = client.retry(job, request)
        if entry is not None and "starting" in engines.groups(status.engine):
            start_files.keep_request(entry.folder, client.request_of(request.id))
        return status

    def sent(status: JobStatus) -> None:
        if entry is None:
            telling.follow(status.id)
        else:
            ledger.apply_status(entry, status)
            watching.watch(client, entry)

    def failed(failure: Failure) -> None:
        if entry is None:
            telling.warn(f"{before.title} was not sent again: {failure.message} {failure.advice}")
        else:
            ledger.apply_failure(entry, failure)

    connection.call(client, send, done=sent, failed=failed)
    return request.id


def _listed(job: str) -> list[tuple[Scene, state.ReangleJob]]:
    """The scenes of the open file that list a job, with its row."""
    rows = [(scene, state.of(scene).jobs.get(job)) for scene in state.scenes()]
    return [(scene, row) for scene, row in rows if row is not None]


def _entry_again(job: str, new: str) -> Entry | None:
    """The entry of a job that is sent again, in the scene that lists it; None for a job of another file."""
    state.separate_copies()
    found = [(scene, row) for scene, row in _listed(job) if not state.of(scene).is_newer]
    if not found:
        return None
    # A copied scene lists the job as well; it belongs to the one that sent it.
    owner = ledger.entries.get(job)
    scene, row = next((one for one in found if owner and state.of(one[0]).uid == owner.scene), found[0])
    before = ledger.entry_of(scene, row)
    entry = Entry(
        state.of(scene).uid,
        new,
        before.kind,
        before.title,
        preferences.results_folder(before.title, new),
        until=before.until,
        request=before.request,
        clip=before.clip,
        match=before.match,
        clip_frame=before.clip_frame,
        cameras=[
            replace(sent, folder="", start="", about_start="", accepted=False, fallen="", moved=False)
            for sent in before.cameras
        ],
        state="queued",
        scene_notes=list(before.scene_notes),
    )
    ledger.write(entry)
    return entry


def delete(job: str) -> None:
    """Cancel a job if it runs, and delete it in the backend with what no other job needs. A scene's row of it stays
    where its results have been fetched. Raises UserError if the backend is not running or does not know the job."""
    client = connection.client()
    status = all_jobs.find(job)
    entry = ledger.entries.get(job)
    if entry is not None and job in ledger.active and status.state in FINAL_STATES:
        raise UserError(f"The results of {status.title} are being fetched.", advice="Wait for that.")
    if entry is not None:
        entry.stop.set()  # its end is reported here

    def deleted(_: object) -> None:
        for scene, row in _listed(job):
            if not row.loaded:
                removing.take_out(state.of(scene).uid, job)
        all_jobs.forget(job)

    def failed(failure: Failure) -> None:
        if isinstance(failure.error, RefusedError) and failure.error.status == 404:
            deleted(None)
            return
        telling.warn(f"{status.title} was not deleted: {failure.message} {failure.advice}")
        if entry is not None and not entry.is_final:
            entry.stop = threading.Event()
            watching.watch(client, entry)

    connection.call(client, lambda: client.delete(job), done=deleted, failed=failed)


def fetch_log(job: str, show: Callable[[Path], None]) -> None:
    """Write the log of all stages of a job into a file, and show it. Raises UserError if the backend is not running."""
    client = connection.client()
    title = all_jobs.find(job).title
    place = Path(bpy.app.tempdir) / f"reangle-{job[:8]}.log"

    def fetch() -> Path:
        text = client.log(job)
        place.write_text(text or f"{title} has no log yet: none of its stages has begun.\n", encoding="utf-8")
        return place

    def failed(failure: Failure) -> None:
        telling.warn(f"The log of {title} cannot be read: {failure.message} {failure.advice}")

    connection.call(client, fetch, done=show, failed=failed)
