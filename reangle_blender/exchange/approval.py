# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders that wait for the artist's approval of their starting images. Main thread; files and uploads in threads.

A job ends with its starting images. What the artist changes makes them again in a next job, which takes the former
one's place in the list and shares its folder; the backend makes only what changed. When all are accepted, a last job
goes on to the results with the request of the accepted images.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import Any

from bpy.types import Scene

from .. import preferences, state
from ..core.contract import CameraPath, JobRequest, new_job_id
from ..core.errors import UserError
from ..scene import camera_status, cameras, starting
from . import connection, ledger, main_thread, presence, removing, sending, start_files, transfer
from .ledger import Entry
from .main_thread import Failure

MOVED = "The camera has moved since this image was made. Press Redo to make it again."
CHANGED = "What you ask of this image has changed since it was made. Press Redo to make it again."
PAINTED = "You have painted since. Press Take Back to use it, or Revert to drop it."


def accept(scene: Scene, job: state.ReangleJob, names: Collection[str]) -> None:
    """Accept starting images of these cameras; the job goes on when all of its images are accepted.

    Raises UserError if the backend is not running, or Blender cannot read the cameras any more.
    """
    connection.client()
    entry = ledger.entry_of(scene, job)
    for sent in entry.cameras:
        if sent.name in names and sent.start:
            sent.accepted, sent.fallen = True, ""
    entry.message = entry.advice = ""
    ledger.write(entry)
    if entry.is_final:
        _review(scene, entry)


def review(entry: Entry) -> None:
    """After starting images were fetched: go on if none waits for the artist."""
    scene = ledger.scene_of(entry)
    if scene is None:
        return
    try:
        _review(scene, entry)
    except UserError as error:
        _say(entry, Failure(error))


def _review(scene: Scene, entry: Entry) -> None:
    """Withdraw approvals whose camera, request or painting has changed; go on with the job once all are accepted."""
    now = _paths_now(scene, entry)
    for sent in entry.cameras:
        camera = ledger.camera_of(scene, sent)
        if sent.start and camera is not None and starting.wish_of(camera).text() != sent.wish:
            sent.accepted, sent.fallen = False, CHANGED
        elif sent.start and starting.is_changed(camera, presence.digest_of):
            sent.accepted, sent.fallen = False, PAINTED

    def moved() -> tuple[str, ...]:
        return start_files.merge_paths(_kept(entry).paths, now)[1]

    main_thread.in_thread(moved, done=partial(_reviewed, entry), failed=partial(_say, entry))


def _reviewed(entry: Entry, moved: Collection[str]) -> None:
    scene = ledger.scene_of(entry)
    if scene is None or state.of(scene).jobs.get(entry.id) is None:  # a next job has taken its place
        return
    for sent in entry.cameras:
        sent.moved = sent.name in moved
        if sent.moved and sent.start:
            sent.accepted, sent.fallen = False, MOVED
    entry.message = entry.advice = ""
    ledger.write(entry)
    if all(sent.accepted for sent in entry.cameras if sent.start):
        try:
            _go_on(scene, entry)
        except UserError as error:
            _say(entry, Failure(error))


def _go_on(scene: Scene, before: Entry) -> None:
    """Send the job with the accepted starting images until its results."""
    client = connection.client()
    own = [image for wish in sending.wishes_of(scene, before).values() for image in wish.images]
    places, near = _places(scene, before)
    places += tuple(transfer.Place.of(image.sha256, image.path) for image in own)
    entry = _successor(scene, before, "results")

    def make() -> JobRequest:
        return replace(_kept(before), id=entry.id, until="results")

    sending.send_request(client, entry, make, {}, places, near, partial(_not_sent, before, entry))


def make_again(scene: Scene, job: state.ReangleJob) -> str:
    """Send a job that makes the starting images again, as cameras and settings now ask for them. Returns its id.

    Cameras that moved have their new path. An approval holds where the image stays the same; of a job with results,
    all images count as accepted. Raises UserError if the backend is not running, a choice is not available or
    not allowed, or Blender cannot read the cameras.
    """
    client = connection.client()
    before = ledger.entry_of(scene, job)
    settings: dict[str, Any] = {}
    if _is_of_clip(scene, before):
        sending.check_render(scene)
        settings = sending.engine_settings(scene)
    now, wishes = _paths_now(scene, before), sending.wishes_of(scene, before)
    places, near = _places(scene, before)
    entry = _successor(scene, before, "starts")
    for sent in entry.cameras:
        sent.accepted = sent.accepted or before.until == "results"
        sent.moved, sent.fallen = False, ""
        if sent.name in now:
            path = now[sent.name]
            sent.width, sent.height, sent.fps, sent.frames = path.width, path.height, path.fps, len(path.frames)
            camera = ledger.camera_of(scene, sent)
            sent.signature = camera_status.signature(scene, camera) if camera is not None else ""
    ledger.write(entry)

    def make() -> JobRequest:
        old = _kept(before)
        return replace(
            old, id=entry.id, paths=start_files.merge_paths(old.paths, now)[0], starts=(), until="starts",
            title=entry.title[:200], **(settings if settings.get("engine") == old.engine else {}),
        )  # fmt: skip

    sending.send_request(client, entry, make, wishes, places, near, partial(_not_sent, before, entry))
    return entry.id


def _not_sent(before: Entry, entry: Entry, failure: Failure) -> None:
    """Let the former job wait again, with the reason."""
    removing.take_out(entry.scene, entry.id)
    if before.until == "starts":
        ledger.removed.discard((before.scene, before.id))
        before.forgotten = False
    _say(before, failure)


def _kept(entry: Entry) -> JobRequest:
    return start_files.kept_request(entry.folder, entry.id, entry.title)


def _successor(scene: Scene, before: Entry, until: str) -> Entry:
    """The next job of a render. It takes the place of one that waits; one with results stays, and it has its own."""
    job, title, folder = new_job_id(), before.title, before.folder
    if before.until == "starts":
        # The start of a job's id is in the name of its folder.
        job = before.id[:6] + job[6:]
    else:
        title = sending.next_title(scene)
        folder = preferences.results_folder(title, job)
    entry = Entry(
        before.scene, job, "RENDER", title, folder, until=until, clip=before.clip, clip_frame=before.clip_frame,
        cameras=[replace(sent, folder="", coverage=-1.0) for sent in before.cameras],
    )  # fmt: skip
    if before.until == "starts":
        removing.take_out(before.scene, before.id)
    ledger.write(entry)
    return entry


def _is_of_clip(scene: Scene, entry: Entry) -> bool:
    """Whether the scene still has the clip that the job is of."""
    return bool(state.of(scene).shot_request) and transfer.clip_digest(sending.imported(scene).clip) == entry.clip


def _places(scene: Scene, entry: Entry) -> tuple[tuple[transfer.Place, ...], list]:
    return sending.clip_places(scene) if _is_of_clip(scene, entry) else ((), [])


def _paths_now(scene: Scene, entry: Entry) -> dict[str, CameraPath]:
    """The present paths of the job's cameras that are in the scene, by the names that they were sent with. Empty if the
    scene has another clip now. Raises UserError for cameras that Blender cannot read."""
    if not _is_of_clip(scene, entry):
        return {}
    found = [(sent.name, state.alive(scene, ledger.camera_of(scene, sent))) for sent in entry.cameras]
    own = [(name, camera) for name, camera in found if camera is not None]
    by_markers = (cameras.MARKER_CAMERA, None) in found
    if not (own or by_markers):
        return {}
    paths = cameras.export_paths(scene, [camera for _, camera in own], use_markers=by_markers)
    names = [name for name, _ in own] + ([cameras.MARKER_CAMERA] if by_markers else [])
    return dict(zip(names, paths, strict=True))


def _say(entry: Entry, failure: Failure) -> None:
    entry.message, entry.advice = failure.message, failure.advice
    entry.traceback = "" if isinstance(failure.error, UserError) else failure.traceback
    ledger.write(entry)
