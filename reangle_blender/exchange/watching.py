# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that the backend runs: follow, cancel, and resume after a file is opened. Main thread; waiting is in threads."""

from __future__ import annotations

from functools import partial

from .. import state
from ..core.client import Client, RefusedError, UnreachableError
from ..core.contract import JobStatus
from ..core.errors import UserError
from ..core.files import CanceledError
from . import connection, fetched_shot, fetching, ledger, main_thread, transfer
from .ledger import Entry
from .main_thread import Failure

WAIT_S = 10.0
TRIES = 5


def watch(client: Client, entry: Entry) -> None:
    """Follow a job of the backend until it ends, then fetch its results."""
    if entry.id in ledger.active:
        return
    ledger.active.add(entry.id)
    entry.backend = connection.now.key

    def ended(status: JobStatus) -> None:
        ledger.active.discard(entry.id)
        ledger.apply_status(entry, status)
        if status.state == "done" and ledger.scene_of(entry) is not None:
            fetching.fetch(client, entry)

    def failed(failure: Failure) -> None:
        ledger.active.discard(entry.id)
        if isinstance(failure.error, UnreachableError):
            # The job continues in the backend; a later connection resumes it by its id.
            entry.message, entry.advice = failure.message, failure.advice
            ledger.write(entry)
        elif isinstance(failure.error, RefusedError) and failure.error.status == 404:
            entry.state, entry.message = "failed", "The backend does not know this job."
            entry.advice = "Send it again; it may belong to a backend with another data folder."
            ledger.write(entry)
        elif not isinstance(failure.error, CanceledError):
            ledger.apply_failure(entry, failure)

    connection.call(client, lambda: _follow(client, entry), done=ended, failed=failed)


def _follow(client: Client, entry: Entry) -> JobStatus:
    """Wait in a thread for the end of the job, and post its progress and first guess.

    Raises CanceledError when the entry stops.
    """
    tries, last_event = 0, -1
    awaits_glance = entry.kind == "IMPORT"
    while True:
        if entry.stop.is_set():
            raise CanceledError
        try:
            status = client.job(entry.id)
            tries = 0
            if status.is_final:
                return status
            main_thread.post(lambda status=status: ledger.apply_status(entry, status))
            if awaits_glance and (glance := _glance(client, entry)) is not None:
                awaits_glance = False
                main_thread.post(partial(fetching.show_glance, entry, glance))
            entry.stop.wait(ledger.REPORT_EVERY_S)
            events = client.events(entry.id, status.last_event if last_event < 0 else last_event, wait_s=WAIT_S)
            last_event = events.last
            if (progress := transfer.learning_progress(events.events, entry.folder)) is not None:
                main_thread.post(lambda progress=progress: ledger.apply_learning(entry, progress))
        except UnreachableError:
            tries += 1
            if tries == TRIES:
                raise
            entry.stop.wait(1.0)


def _glance(client: Client, entry: Entry) -> fetched_shot.Shot | None:
    """The first guess of a running import once there is one; a damaged one is left out, for the whole is to come."""
    try:
        return fetched_shot.fetch_glance(client, entry.id, entry.title, entry.folder, entry.stop)
    except (UnreachableError, CanceledError):
        raise
    except UserError:
        return None


def cancel(job: str) -> None:
    """Cancel a job in any state. Raises UserError if the backend is needed and not running."""
    entry = ledger.entries.get(job)
    if entry is not None and entry.state in ("sending", "fetching"):
        entry.stop.set()
        return
    client = connection.client()

    def failed(failure: Failure) -> None:
        if entry is not None:
            entry.message, entry.advice = failure.message, failure.advice
            ledger.write(entry)

    # The thread that follows the job reports its end.
    connection.call(client, lambda: client.cancel(job), done=lambda _: None, failed=failed)


def resume_returned() -> None:
    """After undo: go on with the jobs that ended while their scene was gone."""
    backend = connection.now.backend
    for entry in list(ledger.entries.values()) if backend is not None else ():
        is_left = entry.state == "done" and not (entry.loaded or entry.message or entry.id in ledger.active)
        if is_left and entry.backend == connection.now.key and ledger.scene_of(entry) is not None:
            watch(backend.client, entry)


def resume() -> None:
    """After a file is opened or the backend connected: update the scenes, and follow their unfinished jobs."""
    state.migrate_all()
    ledger.write_all()
    has_unfinished = False
    for scene in state.scenes():
        for item in state.of(scene).jobs:
            entry = ledger.entry_of(scene, item)
            if entry.id in ledger.entries and entry.state == "sending":  # its thread starts to watch it
                continue
            if entry.state in ("failed", "canceled") or entry.loaded or entry.id in ledger.active:
                continue
            has_unfinished = True
            if connection.now.backend is not None and entry.backend == connection.now.key:
                ledger.entries[entry.id] = entry
                watch(connection.now.backend.client, entry)
    if has_unfinished:
        connection.find()
