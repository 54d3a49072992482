# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the backend what new cameras see of the clip before they are rendered. Main thread; waiting is in a thread."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from bpy.types import Object, Scene

from .. import state
from ..core.client import Client
from ..core.contract import CameraPath, Coverages, LookRequest, PreviewSettings
from ..core.coverage import Coverage, chunks, digest_of, overlay, part_of
from ..core.errors import UserError
from ..core.files import CanceledError
from ..scene import camera_picture, cameras, coverage
from ..state import engines
from . import connection, main_thread
from .main_thread import Failure

_wanted: dict[int, str] = {}
"""Digest of what each camera, by its session's number, was asked for last. Read by threads, written here."""


def check(scene: Scene) -> Client:
    """The backend's client, if it can answer for this scene. Raises UserError."""
    shot = state.of(scene)
    if not shot.shot_request or shot.shot_is_glance:
        raise UserError("The clip's depth is not known yet.", advice="Wait for the end of the import.")
    return connection.client()


def measure(scene: Scene, chosen: Sequence[Object], *, keyed_only: bool = False) -> int:
    """Ask for the coverage of the cameras that have changed since; returns how many these are. Raises UserError.

    keyed_only: leave out cameras for which the scene must be set to every frame, which takes long in a heavy scene.
    """
    client, job = check(scene), state.of(scene).shot
    preview = _preview(scene)
    count = 0
    for camera in chosen:
        try:
            path = cameras.keyed_path(scene, camera)
            if path is None and keyed_only:
                continue
            path = path or cameras.export_paths(scene, [camera])[0]
        except UserError as error:
            _wanted.pop(camera.session_uid, None)
            coverage.fail(camera, error.message)
            continue
        digest = digest_of(job, path, preview)
        if _wanted.get(camera.session_uid) != digest:
            _wanted[camera.session_uid] = digest
            _start(client, job, scene, camera, path, preview, digest)
            count += 1
    coverage.redraw()
    return count


def picture(scene: Scene, key: str, path: CameraPath) -> None:
    """Ask for the picture of a path of one frame; `scene.camera_picture` shows it. Callable while Blender draws.

    key: tells the picture from others.
    """
    camera_picture.ask(key)
    try:
        client = check(scene)
    except UserError as error:
        camera_picture.fail(key, error.message)
        return
    job, preview = state.of(scene).shot, _preview(scene)

    def fetch() -> dict[str, np.ndarray]:
        with _turn:
            if not camera_picture.is_asked(key):
                raise CanceledError
            data = client.picture(job, LookRequest(path, preview))
        modes = {"HOLES": False, "PIXELS": True}
        return {mode: overlay(data, path.width, path.height, pixels=pixels) for mode, pixels in modes.items()}

    def failed(failure: Failure) -> None:
        camera_picture.fail(key, "" if isinstance(failure.error, CanceledError) else failure.message)

    connection.call(client, fetch, done=lambda images: camera_picture.take(key, images), failed=failed)


def _preview(scene: Scene) -> PreviewSettings:
    """How the scene's clip is warped; how holes are filled makes no difference here."""
    return replace(engines.preview_settings(state.of(scene).preview), fill="continued")


def forget() -> None:
    """Let go of all that is asked for."""
    _wanted.clear()
    coverage.forget()
    camera_picture.forget()


_turn = threading.Lock()
"""Held by the thread that asks: requests are short, so that a picture comes between those for coverage."""


def _start(
    client: Client, job: str, scene: Scene, camera: Object, path: CameraPath, preview: PreviewSettings, digest: str
) -> None:
    number = camera.session_uid
    coverage.remember(camera, Coverage.empty(digest, len(path.frames)))

    def ask() -> None:
        for numbers in chunks(len(path.frames)):
            with _turn:
                if _wanted.get(number) != digest:
                    return
                found = client.coverage(job, LookRequest(part_of(path, numbers), preview))
            main_thread.post(partial(_add, scene_number, number, digest, numbers, found))

    def failed(failure: Failure) -> None:
        if _wanted.get(number) == digest:
            del _wanted[number]  # the next change, or the button, asks again
            if (found := _camera(scene_number, number)) is not None:
                coverage.fail(found, failure.message)
                coverage.redraw()

    scene_number = scene.session_uid
    connection.call(client, ask, done=lambda _: None, failed=failed)


def _add(scene_number: int, number: int, digest: str, numbers: list[int], found: Coverages) -> None:
    camera = _camera(scene_number, number)
    known = coverage.of(camera) if camera is not None else None
    if camera is not None and known is not None and known.digest == digest:
        coverage.remember(camera, known.with_frames(numbers, found.visible, found.remembered))
        coverage.redraw()


def _camera(scene_number: int, number: int) -> Object | None:
    """The camera with this number of the session, if it is still in its scene."""
    for scene in state.scenes():
        if scene.session_uid == scene_number:
            return next((item for item in scene.objects if item.session_uid == number), None)
    return None


def register() -> None:
    camera_picture.on_missing.append(picture)


def unregister() -> None:
    camera_picture.on_missing.remove(picture)
    forget()
