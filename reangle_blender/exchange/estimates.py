# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a job would take if it were sent now, as the backend says. Main thread; a thread asks.

Panels ask for it whenever they are drawn. What is chosen has to stay the same for a moment before the backend is asked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from bpy.types import Object, Scene

from .. import readiness, state
from ..core import camera as lenses
from ..core.client import Client
from ..core.contract import Clip, Estimate, EstimateRequest, FileRef, GeometrySettings, JobRequest, new_job_id
from ..core.contract.errors import printable
from ..core.errors import UserError
from ..core.files import hash_file
from ..scene import cameras
from ..state import engines
from . import all_jobs, connection, main_thread, sending, transfer

QUIET_S = 0.4
"""For so long nothing may have changed before the backend is asked."""
WANTED_S = 10.0
"""After its last drawing, a panel no longer waits for the answer. Shorter than FRESH_S, so that an answer, which draws
the panel again, is not the reason for the next question."""
FRESH_S = 15.0
"""For so long an answer holds: jobs end meanwhile."""
HASHED_BYTES = 1 << 30
"""Larger clips are not read for an estimate, so their finished stages are not known."""

Make = Callable[[], EstimateRequest]


class _Question:
    """One of the questions that panels ask. key: what it is about, comparable."""

    def __init__(self) -> None:
        self.key: object = None
        self.make: Make | None = None
        self.changed = self.wanted = 0.0
        self.answer: Estimate | None = None
        self.answered: object = None
        self.at = 0.0
        self.thread: threading.Thread | None = None

    def ask(self, key: object, make: Make) -> Estimate | None:
        """The latest answer about this key; None until there is one."""
        now = time.monotonic()
        if key != self.key:
            self.key, self.changed = key, now
        self.make, self.wanted = make, now
        return self.answer if self.answered == key else None

    def tick(self, client: Client) -> bool:
        """Ask the backend if it is time. Returns whether an answer has come."""
        now = time.monotonic()
        if self.thread is not None:
            if self.thread.is_alive():
                return False
            self.thread = None
            return True
        is_old = self.answered != self.key or now - self.at > FRESH_S
        is_wanted = now - self.wanted < WANTED_S
        if self.make is not None and is_wanted and is_old and now - self.changed > QUIET_S:
            arguments = (client, self.key, self.make)
            self.thread = threading.Thread(target=self._run, args=arguments, name="reangle estimate", daemon=True)
            self.thread.start()
        return False

    def _run(self, client: Client, key: object, make: Make) -> None:
        try:
            answer = client.estimate(make())
        except (UserError, OSError):  # what is wrong stands below the button, or is said when the job is sent
            answer = None
        self.answer, self.answered, self.at = answer, key, time.monotonic()


_import, _render = _Question(), _Question()


def of_import(scene: Scene) -> Estimate | None:
    """How long an import with the choices of the Clip panel would take; None while that is unknown."""
    clip = state.of(scene).clip
    frames, (width, height) = clip.used_frames, clip.used_size
    try:
        choice = readiness.choice_of(scene)
    except UserError:
        return None
    if connection.now.backend is None or not (frames and width and height):
        return None

    def make() -> EstimateRequest:
        request = JobRequest(id=new_job_id(), clip=_clip_of(choice), geometry=_geometry_of(choice))
        return EstimateRequest(request, frames, width, height)

    return _import.ask((repr(choice), frames, width, height), make)


def of_render(scene: Scene) -> Estimate | None:
    """How long a render of the ticked cameras would take; None while that is unknown. Each camera counts as new: its
    path is only read, frame by frame, when it is sent."""
    shot = state.of(scene)
    try:
        if connection.now.backend is None or not shot.shot_frames:
            return None
        material = sending.check_render(scene)
        settings = sending.engine_settings(scene)
        chosen, use_markers = readiness.cameras_to_render(scene)
    except UserError:
        return None
    origin = state.alive(scene, shot.origin)
    chosen += [scene.camera] if use_markers and scene.camera is not None else []
    if origin is None or not chosen:
        return None
    size, frames, fps = cameras.render_size(scene), shot.shot_frames, shot.shot_fps
    until = "starts" if shot.starting.approve and "starting" in engines.groups(shot.engine) else "results"
    samples = [_sample(camera, origin, shot.unit) for camera in chosen]
    shot_size = shot.shot_width, shot.shot_height

    def make() -> EstimateRequest:
        paths = tuple(
            lenses.export_path(f"camera {number}", fps, size, range(frames), [sample] * frames)
            for number, sample in enumerate(samples)
        )
        request = JobRequest(
            id=new_job_id(), clip=material.clip, geometry=material.geometry, paths=paths, until=until, **settings
        )
        return EstimateRequest(request, frames, *shot_size)

    key = (shot.shot_request, repr(settings), until, tuple(camera.name for camera in chosen), repr(size), frames)
    return _render.ask(key, make)


def _sample(camera: Object, origin: Object, unit: float) -> lenses.CameraSample:
    """The camera as it stands now. unit: the scene's, see `state.ReangleScene`."""
    return lenses.CameraSample(
        frame=0,
        matrix_world=np.array(camera.matrix_world, np.float64),
        origin_matrix_world=np.array(origin.matrix_world, np.float64) @ np.diag([unit, unit, unit, 1.0]),
        lens=cameras.lens_of(camera.data),
        type=camera.data.type,
    )


_hashed: dict[Path, tuple[tuple[int, int], str]] = {}


def _refs(files: list[Path]) -> tuple[FileRef, ...]:
    """References to files, by their content unless that takes long to read."""
    abouts = [path.stat() for path in files]
    reads = sum(about.st_size for about in abouts) <= HASHED_BYTES
    refs: list[FileRef] = []
    for path, about in zip(files, abouts, strict=True):
        key = (about.st_mtime_ns, about.st_size)
        if reads and _hashed.get(path, (None, ""))[0] != key:
            _hashed[path] = (key, hash_file(path))
        refs.append(FileRef(printable(path.name), _hashed[path][1] if reads else "0" * 64, about.st_size))
    return tuple(refs)


def _clip_of(choice: transfer.ClipChoice) -> Clip:
    files = _refs(transfer.clip_files(choice.path))
    width, height = choice.size or (None, None)
    fps = None if transfer.is_movie(choice.path) else choice.sequence_fps
    return Clip(files, start=choice.start, frames=choice.frames or None, width=width, height=height, fps=fps)


def _geometry_of(choice: transfer.ClipChoice) -> GeometrySettings:
    folder = choice.geometry_folder
    files = _refs(transfer.geometry_files(folder, camera=choice.camera_files, depth=choice.depth_files))
    # The artist's own camera is read from the scene when it is sent, and takes the backend no time.
    camera = "still" if choice.geometry.camera == "given" else choice.geometry.camera
    return replace(choice.geometry, camera=camera, files=files)


def tick() -> None:
    """Ask what the panels want to know, and show them what has come."""
    backend = connection.now.backend
    came = [question.tick(backend.client) for question in (_import, _render)] if backend is not None else []
    if True in came:
        main_thread.redraw_panels()


def register() -> None:
    all_jobs.on_tick.append(tick)


def unregister() -> None:
    global _import, _render
    all_jobs.on_tick.remove(tick)
    _import, _render = _Question(), _Question()
    _hashed.clear()
