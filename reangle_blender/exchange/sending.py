# SPDX-License-Identifier: GPL-3.0-or-later
"""From the scene's choices to a job in the backend. Main thread; uploads run in threads."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from bpy.types import Object, Scene

from .. import choices, preferences, state
from ..core.client import Client
from ..core.contract import CameraPath, JobRequest, JobStatus, new_job_id, to_json
from ..core.errors import UserError
from ..core.files import CanceledError
from ..state import engines
from . import connection, ledger, transfer, watching
from .ledger import Entry
from .main_thread import Failure


def import_clip(scene: Scene, choice: transfer.ClipChoice) -> str:
    """Send the clip for its geometry; the result is built into the scene when it is done. Returns the job's id.

    Raises UserError if the backend is not running.
    """
    client = connection.client()
    shot = state.prepare(scene)
    title = choice.path.stem or "Clip"
    entry = _new_entry(scene, "IMPORT", title)
    entry.match = shot.clip.match_scene
    ledger.write(entry)

    def send() -> tuple[str, JobStatus]:
        material = transfer.gather(choice, ledger.byte_progress(entry), entry.stop)
        request = JobRequest(id=entry.id, title=title[:200], clip=material.clip, geometry=material.geometry)
        status = transfer.send(client, request, material.places, ledger.byte_progress(entry), entry.stop)
        return to_json(material), status

    connection.call(client, send, done=lambda sent: _accepted(client, entry, *sent), failed=partial(_not_sent, entry))
    return entry.id


def render(scene: Scene, paths: list[CameraPath], cameras: list[Object | None]) -> str:
    """Send camera paths over the imported clip. cameras: the object of each path. Returns the job's id.

    Raises UserError if the backend is not running, no clip is imported, or a choice is not available or not allowed.
    """
    client = connection.client()
    shot = state.of(scene)
    if not shot.shot_request:
        raise UserError("There is no imported clip in this scene.", advice="Import a clip in step 1 first.")
    choices.check("engine", shot.engine)
    if "reangle" in engines.groups(shot.engine):
        choices.check("suite", shot.learning.suite)
    material = transfer.read_material(shot.shot_request)
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
        preview=engines.preview_settings(shot.preview),
        reangle=engines.reangle_settings(shot.learning),
    )
    ledger.write(entry)
    # Files that have been moved since the import are most likely in the backend already.
    places = tuple(place for place in material.places if Path(place.path).is_file())
    connection.call(
        client,
        lambda: transfer.send(client, request, places, ledger.byte_progress(entry), entry.stop),
        done=lambda status: _accepted(client, entry, "", status),
        failed=partial(_not_sent, entry),
    )
    return entry.id


def _new_entry(scene: Scene, kind: str, title: str) -> Entry:
    job = new_job_id()
    return Entry(state.prepare(scene).uid, job, kind, title, preferences.results_folder(title, job))


def _accepted(client: Client, entry: Entry, request: str, status: JobStatus) -> None:
    entry.request = request
    ledger.apply_status(entry, status)
    watching.watch(client, entry)


def _not_sent(entry: Entry, failure: Failure) -> None:
    if isinstance(failure.error, CanceledError):
        entry.state = "canceled"
        ledger.write(entry)
    else:
        ledger.apply_failure(entry, failure)
