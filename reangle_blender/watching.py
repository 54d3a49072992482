# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs from sending to results in the scene. Called on the main thread; the waiting happens in threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import bpy
from bpy.types import Object, Scene

from . import connection, jobs, ledger, preferences, state, transfer
from .core.client import Client, RefusedError, UnreachableError
from .core.contract import CameraPath, JobRequest, JobStatus, PreviewSettings, ReangleSettings
from .core.errors import UserError
from .core.files import CanceledError, Progress
from .core.names import new_job_id
from .core.wire import from_json, to_json
from .ledger import Entry
from .scene import shot as shots

T = TypeVar("T")

NEWS_EVERY_S = 0.2
WAIT_S = 10.0
TRIES = 5


def import_clip(scene: Scene, choice: transfer.ClipChoice) -> str:
    """Send the clip for its geometry, and build it into the scene when that is there. Returns the job's id.

    Raises UserError if the backend is not running.
    """
    client = connection.client()
    shot = state.prepare(scene)
    title = choice.path.stem or "Clip"
    entry = _new_entry(scene, "IMPORT", title)
    entry.match = shot.clip.match_scene
    ledger.write(entry)

    def send() -> tuple[str, JobStatus]:
        material = transfer.gather(choice, _progress(entry), entry.stop)
        request = JobRequest(id=entry.id, title=title[:200], clip=material.clip, geometry=material.geometry)
        status = transfer.send(client, request, material.places, _progress(entry), entry.stop)
        return to_json(material), status

    _ask(client, send, done=lambda sent: _accepted(client, entry, *sent), failed=partial(_failed, entry))
    return entry.id


def render(scene: Scene, paths: list[CameraPath], cameras: list[Object | None]) -> str:
    """Send camera paths over the imported clip. cameras: the object of each path. Returns the job's id.

    Raises UserError if the backend is not running or nothing was imported.
    """
    client = connection.client()
    shot = state.of(scene)
    if not shot.shot_request:
        raise UserError("There is no imported clip in this scene.", advice="Import a clip in step 1 first.")
    material = from_json(transfer.Material, shot.shot_request)
    shot_job = shot.jobs.get(shot.shot)
    number = 1 + sum(job.kind == "RENDER" for job in shot.jobs)
    entry = _new_entry(scene, "RENDER", f"{shot_job.title if shot_job else 'Render'} {number}")
    entry.cameras = ledger.sent_cameras(paths, cameras, shot.first_frame)
    request = JobRequest(
        id=entry.id,
        title=entry.title[:200],
        clip=material.clip,
        geometry=material.geometry,
        paths=tuple(paths),
        engine=shot.engine,
        preview=PreviewSettings(method=shot.method, memory=shot.use_memory),
        reangle=learning_of(shot),
    )
    ledger.write(entry)
    # What is no longer where it was is most likely on the backend already.
    places = tuple(place for place in material.places if Path(place.path).is_file())
    _ask(
        client,
        lambda: transfer.send(client, request, places, _progress(entry), entry.stop),
        done=lambda status: _accepted(client, entry, "", status),
        failed=partial(_failed, entry),
    )
    return entry.id


def learning_of(shot: state.ReangleScene) -> ReangleSettings:
    """The settings of the engine reangle: numbers only where the artist wants their own."""
    chosen = shot.learning
    own = {}
    if chosen.use_own:
        own = {
            "shared_steps": chosen.shared_steps,
            "path_steps": chosen.path_steps,
            "rank": chosen.rank,
            "alpha": chosen.alpha,
            "rate": chosen.rate,
            "sampling_steps": chosen.sampling_steps,
            "guidance": chosen.guidance,
            "dynamic_guidance": chosen.dynamic_guidance,
            "warp_guidance": chosen.warp_guidance,
            "fill_share": chosen.fill_share,
        }
    return ReangleSettings(suite=chosen.suite, caption=chosen.caption[:2000], exact_where_seen=chosen.exact, **own)


def cancel(job: str) -> None:
    """Cancel a job, wherever it is. Raises UserError if the backend is not running."""
    entry = ledger.entries.get(job)
    if entry is not None and entry.state in ("sending", "fetching"):
        entry.stop.set()
        return
    client = connection.client()

    def failed(failure: jobs.Failure) -> None:
        if entry is not None:
            entry.message, entry.advice = failure.message, failure.advice
            ledger.write(entry)

    # The watcher brings the end of it.
    _ask(client, lambda: client.cancel(job), done=lambda _: None, failed=failed)


def fetch(scene: Scene, job: str) -> None:
    """Fetch the results of a job of this scene. Raises UserError if the backend is not running."""
    item = state.of(scene).jobs.get(job)
    if item is None:
        raise UserError("This job is not in the scene.", advice="Choose one in the list.")
    _fetch(connection.client(), ledger.entries.get(job) or ledger.read(scene, item))


def resume() -> None:
    """After a file was opened or a connection made: put what the session knows into the scenes, and go on with jobs
    that are not done."""
    for entry in list(ledger.entries.values()):
        ledger.write(entry)
    waiting = False
    for scene in bpy.data.scenes:
        state.migrate(scene)
        for item in state.of(scene).jobs:
            entry = ledger.entries.get(item.name)
            if entry is not None and entry.state == "sending":  # it is on its way, its thread will watch it
                continue
            entry = entry or ledger.read(scene, item)
            if entry.state in ("failed", "canceled") or entry.loaded or entry.id in _watched:
                continue
            waiting = True
            if connection.now.backend is not None:
                ledger.entries[entry.id] = entry
                _watch(connection.now.backend.client, entry)
    if waiting:
        connection.find()


_watched: set[str] = set()


def _ask(
    client: Client,
    work: Callable[[], T],
    done: Callable[[T], Iterator[None] | None],
    failed: Callable[[jobs.Failure], None],
) -> None:
    """`jobs.in_thread` for what the client does: if the backend is gone, the connection hears of it."""

    def told(failure: jobs.Failure) -> None:
        connection.call_failed(client, failure)
        failed(failure)

    jobs.in_thread(work, done=done, failed=told)


def _new_entry(scene: Scene, kind: str, title: str) -> Entry:
    job = new_job_id()
    return Entry(state.prepare(scene).uid, job, kind, title, preferences.results_folder(title, job))


def _progress(entry: Entry) -> Progress:
    """Reports bytes to the entry, from a thread, not too often."""
    last = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > NEWS_EVERY_S:
            last = time.monotonic()
            jobs.post(lambda: _show_progress(entry, done / max(1, total)))

    return progress


def _show_progress(entry: Entry, part: float) -> None:
    if entry.state in ("sending", "fetching"):
        entry.progress = part
        ledger.write(entry)


def _accepted(client: Client, entry: Entry, request: str, status: JobStatus) -> None:
    entry.request = request
    ledger.heard(entry, status)
    _watch(client, entry)


def _failed(entry: Entry, failure: jobs.Failure) -> None:
    if isinstance(failure.error, CanceledError):
        entry.state = "canceled"
        ledger.write(entry)
    else:
        ledger.failed(entry, failure)


def _watch(client: Client, entry: Entry) -> None:
    """Follow a job on the backend until it is done, then fetch what it made."""
    if entry.id in _watched:
        return
    _watched.add(entry.id)

    def follow() -> JobStatus:
        tries, seen = 0, -1
        while True:
            if entry.stop.is_set():
                raise CanceledError
            try:
                status = client.job(entry.id)
                tries = 0
                if status.is_final:
                    return status
                jobs.post(lambda status=status: ledger.heard(entry, status))
                entry.stop.wait(NEWS_EVERY_S)
                news = client.events(entry.id, status.last_event if seen < 0 else seen, wait_s=WAIT_S)
                seen = news.last
                if (sight := transfer.learning(news.events, entry.folder)) is not None:
                    jobs.post(lambda sight=sight: ledger.learning(entry, sight))
            except UnreachableError:
                tries += 1
                if tries == TRIES:
                    raise
                entry.stop.wait(1.0)

    def ended(status: JobStatus) -> None:
        _watched.discard(entry.id)
        ledger.heard(entry, status)
        if status.state == "done" and state.find_scene(entry.scene) is not None:
            _fetch(client, entry)

    def stopped(failure: jobs.Failure) -> None:
        _watched.discard(entry.id)
        if isinstance(failure.error, UnreachableError):
            # The job goes on, or will; it is found again by its id.
            entry.message, entry.advice = failure.message, failure.advice
            ledger.write(entry)
        elif isinstance(failure.error, RefusedError) and failure.error.status == 404:
            entry.state, entry.message = "failed", "The backend does not know this job."
            entry.advice = "Send it again; it may have been made by a backend with another data folder."
            ledger.write(entry)
        elif not isinstance(failure.error, CanceledError):
            ledger.failed(entry, failure)

    _ask(client, follow, done=ended, failed=stopped)


def _fetch(client: Client, entry: Entry) -> None:
    if entry.id in _watched:
        return
    _watched.add(entry.id)
    entry.stop.clear()
    entry.state, entry.progress, entry.message, entry.advice = "fetching", 0.0, "", ""
    ledger.write(entry)
    progress = _progress(entry)

    def failed(failure: jobs.Failure) -> None:
        # The results are still on the backend, so the job itself has not failed.
        _watched.discard(entry.id)
        entry.state, entry.message, entry.advice = "done", failure.message, failure.advice
        entry.traceback = "" if isinstance(failure.error, UserError) else failure.traceback
        ledger.write(entry)

    if entry.kind == "IMPORT":
        _ask(
            client,
            lambda: transfer.fetch_shot(client, entry.id, entry.title, entry.folder, progress, entry.stop),
            done=lambda shot: _build(entry, shot),
            failed=failed,
        )
    else:
        _ask(
            client,
            lambda: transfer.fetch_cameras(client, entry.id, entry.folder, progress, entry.stop),
            done=lambda folders: _fetched(entry, folders),
            failed=failed,
        )


def _build(entry: Entry, shot: transfer.Shot) -> Iterator[None]:
    _watched.discard(entry.id)
    scene = state.find_scene(entry.scene)
    entry.state = "done"
    if scene is None:  # another file was opened meanwhile
        return
    notes: list[str] = []
    for _ in shots.build(scene, shot, entry.request, notes, match=entry.match):
        yield
        if state.find_scene(entry.scene) is None:
            return
    entry.notes = [*(note for note in entry.notes if note not in notes), *notes]
    entry.loaded, entry.progress = True, 1.0
    ledger.write(entry)
    _remember_for_undo(f"Import {entry.title}")


def _fetched(entry: Entry, folders: dict[str, Path]) -> None:
    _watched.discard(entry.id)
    for sent in entry.cameras:
        if sent.name in folders:
            sent.folder = str(folders[sent.name])
    entry.state, entry.loaded, entry.progress = "done", True, 1.0
    ledger.write(entry)


def _remember_for_undo(message: str) -> None:
    """Else the artist's next undo would take the import away with their own last step."""
    windows = bpy.context.window_manager.windows
    if not bpy.app.background and windows:
        with bpy.context.temp_override(window=windows[0]):
            bpy.ops.ed.undo_push(message=message)
