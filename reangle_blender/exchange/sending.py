# SPDX-License-Identifier: GPL-3.0-or-later
"""From the scene's choices to a job in the backend. Main thread; uploads run in threads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from bpy.types import Object, Scene

from .. import choices, preferences, state, weights
from ..core.camera import assumed_intrinsics, fill_intrinsics
from ..core.client import Client
from ..core.contract import (
    MAX_FRAMES,
    CameraPath,
    JobRequest,
    JobStatus,
    ReangleSettings,
    SourceCamera,
    StartSettings,
    new_job_id,
    to_json,
)
from ..core.contract.errors import printable
from ..core.errors import UserError
from ..core.files import CanceledError
from ..scene import given, starting, timing
from ..scene import shot as shots
from ..scene.framing import Framing
from ..state import engines, footage
from ..state.paths import absolute
from . import connection, fetching, ledger, main_thread, start_files, transfer, watching
from .ledger import Entry
from .main_thread import Failure

ASSUMED_FOV_DEG = 55.0
"""Horizontal field of view of a clip's camera while nothing is known of it, as the backend assumes it."""


def import_clip(scene: Scene, choice: transfer.ClipChoice, framing: Framing | None = None) -> str:
    """Show the clip, and send it for its geometry, which is built into the scene when it is done. Returns the job's id.

    framing: the views to turn to what is new; those of a clip that is there already stay as the artist has them.
    Raises UserError if the backend is not running, or the artist's camera is chosen and cannot be used.
    """
    client = connection.client()
    shot = state.prepare(scene)
    seen = footage.measure(choice.path)
    camera = given.check(scene) if choice.geometry.camera == "given" else None
    if camera is not None and seen is None:
        raise UserError(
            f"Blender cannot read {choice.path.name}, so its frames cannot be matched with the camera's.",
            advice="Choose a clip that Blender can read, or another source of the camera.",
        )
    timing.place(scene)
    title = printable(choice.path.stem) or "Clip"
    entry = _new_entry(scene, "IMPORT", title)
    entry.match = shot.clip.match_scene
    if state.alive(scene, shot.cloud) is None or shot.shot_title != title:
        entry.framing = framing
    entry.scene_notes = given.notes(scene, camera) if camera is not None else []
    ledger.write(entry)
    if camera is None or seen is None:
        _show_clip(scene, entry, choice, seen)
        _send_clip(client, entry, choice)
        return entry.id
    count = given.frames_to_read(seen, choice.start, choice.frames)

    def read_camera() -> Iterator[None]:
        read: list[SourceCamera] = []
        for _ in given.read_steps(scene, camera, seen, count, read):
            if entry.stop.is_set():
                raise CanceledError
            yield
        with_camera = replace(choice, geometry=replace(choice.geometry, given=read[0]))
        found = ledger.scene_of(entry)
        if found is not None:
            _show_clip(found, entry, with_camera, seen)
            fetching.push_undo(f"Show {entry.title}")
        _send_clip(client, entry, with_camera)

    main_thread.in_steps(read_camera, failed=partial(_not_sent, entry))
    return entry.id


def _show_clip(scene: Scene, entry: Entry, choice: transfer.ClipChoice, seen: footage.Footage | None) -> None:
    """Show the clip behind its camera, unless the scene has its geometry already or Blender cannot read it."""
    if seen is None or state.of(scene).shot_request:
        return
    count = min(seen.frames - choice.start, choice.frames or seen.frames)
    if not 1 <= count <= MAX_FRAMES:
        return  # the backend says what is wrong, or counts the frames of a file whose header has a false length
    path = first_path(choice, seen, count)
    if entry.match:
        entry.scene_notes += shots.match_scene(scene, path, count)
        entry.matched = shots.settings_of(scene)
    shots.show_clip(scene, entry.title, seen, path, choice.start, choice.geometry.given)
    if entry.framing is not None:
        entry.framing.show(scene)


def first_path(choice: transfer.ClipChoice, seen: footage.Footage, count: int) -> CameraPath:
    """The clip's camera before the backend knows it: the artist's own, or a still one with an assumed lens."""
    own = (seen.width, seen.height)
    size = choice.size or own
    camera = choice.geometry.given
    if camera is not None:
        given_K, matrices = np.asarray(camera.K)[:count], np.asarray(camera.world_from_camera)[:count]
        world_from_camera = np.linalg.inv(matrices[0]) @ matrices
    else:
        fov = choice.geometry.horizontal_fov_deg or ASSUMED_FOV_DEG
        given_K = np.tile(assumed_intrinsics(*own, fov), (count, 1, 1))
        world_from_camera = np.tile(np.eye(4), (count, 1, 1))
    return CameraPath(
        name="source",
        fps=seen.fps or choice.sequence_fps,
        width=size[0],
        height=size[1],
        frames=tuple(range(count)),
        world_from_camera=world_from_camera.tolist(),
        K=fill_intrinsics(given_K, own, size).tolist(),
    )


def _send_clip(client: Client, entry: Entry, choice: transfer.ClipChoice) -> None:
    def send() -> tuple[str, JobStatus]:
        material = transfer.gather(choice, ledger.byte_progress(entry), entry.stop)
        request = JobRequest(id=entry.id, title=entry.title[:200], clip=material.clip, geometry=material.geometry)
        status = transfer.send(client, request, material.places, ledger.byte_progress(entry), entry.stop)
        return to_json(material), status

    connection.call(client, send, done=lambda sent: _accepted(client, entry, *sent), failed=partial(_not_sent, entry))


def render(scene: Scene, paths: list[CameraPath], cameras: list[Object | None]) -> str:
    """Send camera paths over the imported clip. cameras: the object of each path. Returns the job's id.

    Raises UserError if the backend is not running, no clip is imported, or a choice is not available or not allowed.
    """
    client = connection.client()
    material = check_render(scene)
    shot = state.of(scene)
    entry = _new_entry(scene, "RENDER", next_title(scene))
    entry.clip = transfer.clip_digest(material.clip)
    entry.cameras, entry.clip_frame = ledger.sent_cameras(scene, paths, cameras), shot.first_frame
    has_starts = "starting" in engines.groups(shot.engine)
    entry.until = "starts" if has_starts and shot.starting.approve else "results"
    request = JobRequest(
        id=entry.id,
        title=entry.title[:200],
        clip=material.clip,
        geometry=material.geometry,
        paths=tuple(paths),
        until=entry.until,
        **engine_settings(scene),
    )
    wishes = wishes_of(scene, entry) if has_starts else {}
    for path, camera in zip(paths, cameras, strict=True) if has_starts else ():
        entry.scene_notes += starting.notes(camera, path)
    ledger.write(entry)
    places, near = clip_places(scene)
    send_request(client, entry, lambda: request, wishes, places, near)
    return entry.id


def engine_settings(scene: Scene) -> dict[str, Any]:
    """The engine and its settings in the Render panel, as fields of a request; `check_render` first."""
    shot = state.of(scene)
    has_starts = "starting" in engines.groups(shot.engine)
    return {
        "engine": shot.engine,
        "preview": engines.preview_settings(shot.preview),
        "reangle": _with_suite(engines.reangle_settings(shot.learning, shot.engine), shot.engine),
        "starting": engines.start_settings(shot.starting) if has_starts else StartSettings(),
    }


def _with_suite(settings: ReangleSettings, engine: str) -> ReangleSettings:
    """The settings with the suite that "auto" stands for now, as the sidebar shows it.

    A later job goes on with the same request after the artist has accepted its starting images, and weights that were
    installed in between would make others.
    """
    choice = choices.find("suite", settings.suite, engine)
    return replace(settings, suite=choice.stands_for) if choice is not None and choice.stands_for else settings


def wishes_of(scene: Scene, entry: Entry) -> dict[str, start_files.Wish]:
    """What the artist asks of the starting image of each camera of a job."""
    return {sent.name: starting.wish_of(ledger.camera_of(scene, sent)) for sent in entry.cameras}


def clip_places(scene: Scene) -> tuple[tuple[transfer.Place, ...], list[Path]]:
    """The files of the imported clip, and the folders where they may be now."""
    shot = state.of(scene)
    near = [absolute(shot.clip.path).parent] if shot.clip.path else []
    near += [absolute(shot.clip.geometry_folder)] if shot.clip.geometry_folder else []
    return imported(scene).places if shot.shot_request else (), near


def send_request(
    client: Client,
    entry: Entry,
    make: Callable[[], JobRequest],
    wishes: Mapping[str, start_files.Wish],
    places: tuple[transfer.Place, ...],
    near: list[Path],
    failed: Callable[[Failure], None] | None = None,
) -> None:
    """Send a render in a thread, and follow it. make: gives the request in that thread; its `starts` are replaced by
    the wishes, if there are any. failed: in place of an error at the job."""

    def send() -> tuple[JobStatus, JobRequest, start_files.Wishes]:
        wished = start_files.gather(wishes, entry.stop)
        request = make()
        if wishes:
            request = replace(request, starts=wished.starts)
        if "starting" in engines.groups(request.engine):
            start_files.keep_request(entry.folder, request)
        own = tuple(transfer.Place.of(sha256, path) for sha256, path in wished.places.items())
        # Those that are nowhere are most likely in the backend already.
        at_hand = transfer.places_at_hand(places, near) + own
        status = transfer.send(client, request, at_hand, ledger.byte_progress(entry), entry.stop)
        return status, request, wished

    def sent(answer: tuple[JobStatus, JobRequest, start_files.Wishes]) -> None:
        status, request, wished = answer
        scene = ledger.scene_of(entry)
        for camera, path in zip(entry.cameras, request.paths, strict=True) if scene is not None else ():
            if camera.name in wished.as_sent:
                camera.wish = wished.as_sent[camera.name].text()
                starting.take_over(ledger.camera_of(scene, camera), wished.as_sent[camera.name], path)
        _accepted(client, entry, "", status)

    connection.call(client, send, done=sent, failed=failed or partial(_not_sent, entry))


def check_render(scene: Scene) -> transfer.Material:
    """The imported clip. Raises UserError if there is none, or a choice is not available or not allowed."""
    shot = state.of(scene)
    if not shot.shot_request:
        if any(job.kind == "IMPORT" and not job.is_final for job in shot.jobs):
            raise UserError("The clip's depth is not ready yet.", advice="Wait for the import to end.")
        if shot.shot_frames:
            raise UserError("The import of the clip did not end.", advice="Import it again in the Clip panel.")
        raise UserError("There is no imported clip in this scene.", advice="Import a clip in the Clip panel first.")
    choices.check("engine", shot.engine)
    if "reangle" in engines.groups(shot.engine):
        choices.check("suite", shot.learning.suite, shot.engine)
    if "starting" in engines.groups(shot.engine):
        choices.check("painter", shot.starting.painter)
        choices.check("judge", shot.starting.judge)
    material = imported(scene)
    # The clip may have been imported before the artist wanted nothing but weights for commercial work.
    choices.check_licence("camera", material.geometry.camera)
    choices.check_licence("depth", material.geometry.depth)
    weights.check_named(material.geometry.checkpoint or "")
    return material


def imported(scene: Scene) -> transfer.Material:
    """The imported clip of a scene that has one."""
    return _material(state.of(scene).shot_request)


_material = lru_cache(maxsize=8)(transfer.read_material)
"""Read once: a panel asks for it whenever it is drawn."""


def next_title(scene: Scene) -> str:
    """The title of the next render: that of the clip, and a number."""
    shot = state.of(scene)
    shot_job = shot.jobs.get(shot.shot)
    return f"{(shot_job.title if shot_job else shot.shot_title) or 'Render'} {_next_number(scene)}"


def _next_number(scene: Scene) -> int:
    """Of the next render. Rows may have been removed from the list, so it follows the largest one that is there."""
    numbers = [re.search(r"\d+$", job.title) for job in state.of(scene).jobs if job.kind == "RENDER"]
    return 1 + max((int(number[0]) for number in numbers if number is not None), default=0)


def _new_entry(scene: Scene, kind: str, title: str) -> Entry:
    job = new_job_id()
    return Entry(state.prepare(scene).uid, job, kind, title, preferences.results_folder(title, job))


def _accepted(client: Client, entry: Entry, request: str, status: JobStatus) -> None:
    entry.request = request
    ledger.apply_status(entry, status)
    is_canceled = entry.stop.is_set() and not entry.forgotten  # while the backend was accepting it
    if is_canceled:
        entry.stop.clear()
    watching.watch(client, entry)
    if is_canceled:
        watching.cancel(entry.id)


def _not_sent(entry: Entry, failure: Failure) -> None:
    if isinstance(failure.error, CanceledError):
        entry.state = "canceled"
        ledger.write(entry)
    else:
        ledger.apply_failure(entry, failure)
