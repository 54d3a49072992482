# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs of this session as plain objects, and their copies in the scenes. Main thread only.

Panels draw the scene's copy, and the .blend saves it; undo and reload may revert or lose it. The ledger's entry is the
latest state, so writing it again repairs the scene.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import bpy

from .. import state
from ..core.contract import FINAL_STATES, CameraPath, CameraWarning, JobStatus
from ..core.files import Progress
from ..scene import camera_status, places
from ..scene.framing import Framing
from ..state import paths
from . import main_thread
from .main_thread import Failure
from .transfer import LearningProgress

REPORT_EVERY_S = 0.2


@dataclass
class SentCamera:
    """A camera of a job. name: of the path. camera: the session's number of the object, 0 without one. object_name: its
    name, by which it is found after the file was opened again. folder, coverage: of its result. signature: see
    `scene.camera_status`. start, about_start, wish,
    accepted, fallen, moved: of its starting image, see `state.ReangleCamera`. opened: the module's `opened`
    when `camera` was read, since a later file has other numbers."""

    name: str
    camera: int
    width: int
    height: int
    fps: float
    frames: int
    first_frame: int
    folder: str = ""
    object_name: str = ""
    start: str = ""
    about_start: str = ""
    wish: str = ""
    accepted: bool = False
    fallen: str = ""
    moved: bool = False
    signature: str = ""
    coverage: float = -1.0
    opened: int = field(default_factory=lambda: opened)


@dataclass
class Entry:
    """One job. scene: the scene's uid. state: the contract's, or "sending" and "fetching" on the add-on's side.

    backend: which one has the job, as in `connection.Connection`. until: "starts" for a job that ends with the starting
    images. clip: digest of the clip's files. blend: the file of that scene, "" while it is unsaved; another version of
    the file has the same scene, and its own jobs. folder: for its files. match: match the scene to an imported clip;
    matched: the scene's settings after that, None before it. clip_frame: scene frame of the clip, which the first
    frames of the cameras belong to. framing: the views to turn to an import. scene_notes: about the scene's settings.
    stop: set to end its threads. forgotten: its scene is no longer updated.
    """

    scene: str
    id: str
    kind: str
    title: str
    folder: Path
    backend: str = ""
    until: str = "results"
    request: str = ""
    clip: str = ""
    match: bool = True
    matched: tuple[object, ...] | None = None
    framing: Framing | None = None
    clip_frame: int = 1
    cameras: list[SentCamera] = field(default_factory=list)
    state: str = "sending"
    stage: str = ""
    progress: float = 0.0
    eta_s: float = -1.0
    position: int = 0
    behind: str = ""
    wait_s: float = -1.0
    learning: str = ""
    picture: str = ""
    message: str = ""
    advice: str = ""
    traceback: str = ""
    notes: list[str] = field(default_factory=list)
    warnings: list[CameraWarning] = field(default_factory=list)
    scene_notes: list[str] = field(default_factory=list)
    loaded: bool = False
    missing: bool = False
    blend: str = field(default_factory=lambda: bpy.data.filepath)
    stop: threading.Event = field(default_factory=threading.Event)
    forgotten: bool = False

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_STATES


opened = 0
"""How many files this session has opened: the numbers of objects are those of one of them."""

entries: dict[str, Entry] = {}
active: set[str] = set()
"""Ids of the jobs that a thread watches or fetches, or whose files one deletes."""

removed: set[tuple[str, str]] = set()
"""Scene and id of the jobs that the artist took out of the lists of the open file."""

_COPIED = (
    "kind",
    "title",
    "backend",
    "until",
    "request",
    "clip",
    "state",
    "stage",
    "progress",
    "eta_s",
    "position",
    "behind",
    "wait_s",
    "learning",
    "message",
    "advice",
    "traceback",
    "loaded",
    "missing",
)
_CAMERA_COPIED = (
    "width",
    "height",
    "fps",
    "frames",
    "about_start",
    "wish",
    "accepted",
    "fallen",
    "moved",
    "signature",
    "coverage",
)


def camera_of(scene: bpy.types.Scene, sent: SentCamera) -> bpy.types.Object | None:
    """The object of a sent camera; None if the scene has it no more."""
    if sent.opened == opened:
        return state.find_object(sent.camera)
    item = scene.objects.get(sent.object_name)
    return item if item is not None and item.type == "CAMERA" else None


def scene_of(entry: Entry) -> bpy.types.Scene | None:
    """The scene of a job; None if that is not in the open file."""
    return state.find_scene(entry.scene) if entry.blend == bpy.data.filepath else None


def saved_as(before: str, blend: str) -> None:
    """The open file has another place now; its jobs go on there."""
    for entry in entries.values():
        if entry.blend == before:
            entry.blend = blend


def entry_of(scene: bpy.types.Scene, job: state.ReangleJob) -> Entry:
    """The entry of a job of the open file: this session's, or what the file says."""
    entry = entries.get(job.name)
    return entry if entry is not None and scene_of(entry) == scene else read(scene, job)


def write(entry: Entry) -> bool:
    """Copy the entry into its scene, if that is in the open file and the artist has not removed the job there.

    Returns whether anything there has changed.
    """
    if entry.forgotten or (entry.scene, entry.id) in removed:
        return False
    entries[entry.id] = entry
    scene = scene_of(entry)
    if scene is None or state.of(scene).is_newer:
        return False
    shot = state.of(scene)
    job = shot.jobs.get(entry.id)
    if job is None:
        job = shot.jobs.add()
        job.name = entry.id
        shot.job_index = len(shot.jobs) - 1
    values = {name: getattr(entry, name) for name in _COPIED}
    values |= {"folder": paths.stored(entry.folder), "picture": paths.stored(entry.picture)}
    values["notes"] = "\n".join(dict.fromkeys([*entry.notes, *entry.scene_notes]))
    changed = _put(job, values)
    if _warnings_of(job) != entry.warnings:
        changed = True
        job.warnings.clear()
        for warning in entry.warnings:
            copy = job.warnings.add()
            copy.name, copy.message = warning.camera, warning.message
            copy.first, copy.last, copy.worst = warning.first, warning.last, warning.worst
    for sent in entry.cameras:
        copy = job.cameras.get(sent.name)
        if copy is None:
            copy = job.cameras.add()
            copy.name = sent.name
            # Later changes go with the scene, and undo may have brought back an earlier one.
            copy.first_frame = sent.first_frame + shot.first_frame - entry.clip_frame
            copy.camera = camera_of(scene, sent)
        values = {name: getattr(sent, name) for name in _CAMERA_COPIED}
        changed |= _put(copy, values | {"folder": paths.stored(sent.folder), "start": paths.stored(sent.start)})
    return changed


def _put(group: bpy.types.PropertyGroup, values: Mapping[str, object]) -> bool:
    """Set the properties that differ; returns whether any did."""
    changed = [name for name, value in values.items() if not _is_same(getattr(group, name), value)]
    for name in changed:
        setattr(group, name, values[name])
    return bool(changed)


def _is_same(kept: object, value: object) -> bool:
    """Whether a property keeps this value; those of floats have 32 bits."""
    if isinstance(kept, float) and isinstance(value, float):
        return math.isclose(kept, value, rel_tol=1e-6)
    return kept == value


def _warnings_of(job: state.ReangleJob) -> list[CameraWarning]:
    return [CameraWarning(one.name, one.first, one.last, one.worst, one.message) for one in job.warnings]


def follow(moves: Mapping[Path, Path]) -> None:
    """Let the entries below moved folders name the new ones."""

    def moved(path: str) -> str:
        return str(places.moved(Path(path), moves)) if path else ""

    for entry in entries.values():
        entry.folder = places.moved(entry.folder, moves)
        entry.picture = moved(entry.picture)
        for sent in entry.cameras:
            sent.folder, sent.start = moved(sent.folder), moved(sent.start)


def write_all() -> None:
    """Copy all entries into their scenes, after undo or a reload."""
    for entry in list(entries.values()):
        write(entry)


def _absolute(stored: str) -> str:
    return str(paths.absolute(stored)) if stored else ""


def read(scene: bpy.types.Scene, job: state.ReangleJob) -> Entry:
    """The entry of a job that an opened file contains."""
    entry = Entry(
        scene=state.of(scene).uid,
        id=job.name,
        kind=job.kind,
        title=job.title,
        folder=paths.absolute(job.folder),
        picture=_absolute(job.picture),
        # A clip that is shown already was matched, and what the artist changed since then stays.
        match=state.of(scene).clip.match_scene and not state.of(scene).shot_frames,
        notes=job.notes.splitlines(),
        warnings=_warnings_of(job),
        clip_frame=state.of(scene).first_frame,
        cameras=[
            SentCamera(
                camera.name,
                camera.camera.session_uid if camera.camera else 0,
                object_name=camera.camera.name if camera.camera else "",
                **{name: getattr(camera, name) for name in (*_CAMERA_COPIED, "first_frame")},
                folder=_absolute(camera.folder),
                start=_absolute(camera.start),
            )
            for camera in job.cameras
        ],
    )
    for name in _COPIED:
        setattr(entry, name, getattr(job, name))
    return entry


def sent_cameras(
    scene: bpy.types.Scene, paths: Sequence[CameraPath], objects: Sequence[bpy.types.Object | None]
) -> list[SentCamera]:
    """objects: the camera of each path, None for the scene camera with its markers."""
    return [
        SentCamera(
            path.name,
            item.session_uid if item else 0,
            path.width,
            path.height,
            path.fps,
            len(path.frames),
            state.of(scene).first_frame,
            object_name=item.name if item else "",
            signature=camera_status.signature(scene, item) if item else "",
        )
        for path, item in zip(paths, objects, strict=True)
    ]


def apply_status(entry: Entry, status: JobStatus) -> bool:
    """Take over the backend's status of the job. Returns as `write`."""
    if status.stage != entry.stage:
        entry.learning = ""
    entry.state, entry.stage, entry.progress = status.state, status.stage, status.progress
    entry.eta_s = -1.0 if status.eta_s is None else status.eta_s
    entry.position, entry.behind = status.position, status.behind
    entry.wait_s = -1.0 if status.wait_s is None else status.wait_s
    entry.notes, entry.warnings = list(status.notes), list(status.warnings)
    error = status.error
    entry.message, entry.advice, entry.traceback = (
        (error.message, error.advice, error.traceback) if error else ("", "", "")
    )
    return write(entry)


def apply_learning(entry: Entry, progress: LearningProgress) -> bool:
    """Take over the training progress of a model. Returns as `write`."""
    entry.learning, entry.picture = progress.text, str(progress.preview_image or entry.picture)
    return write(entry)


def apply_failure(entry: Entry, failure: Failure) -> None:
    """End the job with an error on the add-on's side."""
    entry.state = "failed"
    entry.message, entry.advice, entry.traceback = failure.message, failure.advice, failure.traceback
    write(entry)


def byte_progress(entry: Entry) -> Progress:
    """A callback for threads that shows transferred bytes as the entry's progress, at a limited rate."""
    last = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > REPORT_EVERY_S:
            last = time.monotonic()
            main_thread.post(lambda: _show_progress(entry, done / max(1, total)))

    return progress


def _show_progress(entry: Entry, fraction: float) -> bool:
    if entry.state not in ("sending", "fetching"):
        return False
    entry.progress = fraction
    return write(entry)


def forget_all() -> None:
    """Stop this session's threads; the jobs continue in the backend, and files that hold their ids resume them."""
    for entry in entries.values():
        entry.stop.set()
        entry.forgotten = True
    entries.clear()
    removed.clear()
