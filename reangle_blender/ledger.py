# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs of this session, in plain objects, and their copies in the scenes.

The scene's copy is what is drawn and saved; undo and reload may take it back in time or lose it. The ledger's entry is
what was last heard, so writing it again mends the scene. Main thread only.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import bpy

from . import state
from .core.contract import FINAL_STATES, CameraPath, JobStatus
from .jobs import Failure
from .transfer import Sight


@dataclass
class SentCamera:
    """A camera of a job: the path's name, the object's, and what its result looks like."""

    name: str
    camera: str
    width: int
    height: int
    fps: float
    frames: int
    first_frame: int
    folder: str = ""


@dataclass
class Entry:
    """One job. scene: the scene's uid. state: the contract's, or "sending" and "fetching" on this side of the wire.

    folder: where its files go. stop: set to let its threads end.
    """

    scene: str
    id: str
    kind: str
    title: str
    folder: Path
    request: str = ""
    match: bool = True
    cameras: list[SentCamera] = field(default_factory=list)
    state: str = "sending"
    stage: str = ""
    progress: float = 0.0
    eta_s: float = -1.0
    learning: str = ""
    picture: str = ""
    message: str = ""
    advice: str = ""
    traceback: str = ""
    notes: list[str] = field(default_factory=list)
    loaded: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    forgotten: bool = False

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_STATES


entries: dict[str, Entry] = {}

_COPIED = (
    "kind",
    "title",
    "request",
    "state",
    "stage",
    "progress",
    "eta_s",
    "learning",
    "picture",
    "message",
    "advice",
    "traceback",
    "loaded",
)
_CAMERA_COPIED = ("width", "height", "fps", "frames", "first_frame", "folder")


def write(entry: Entry) -> None:
    """Copy the entry into its scene, if that is in the open file."""
    if entry.forgotten:
        return
    entries[entry.id] = entry
    scene = state.find_scene(entry.scene)
    if scene is None or state.of(scene).is_newer:
        return
    shot = state.of(scene)
    job = shot.jobs.get(entry.id)
    if job is None:
        job = shot.jobs.add()
        job.name = entry.id
        shot.job_index = len(shot.jobs) - 1
    for name in _COPIED:
        if getattr(job, name) != getattr(entry, name):
            setattr(job, name, getattr(entry, name))
    job.folder = str(entry.folder)
    job.notes = "\n".join(entry.notes)
    for sent in entry.cameras:
        copy = job.cameras.get(sent.name)
        if copy is None:
            copy = job.cameras.add()
            copy.name = sent.name
            copy.camera = bpy.data.objects.get(sent.camera)
        for name in _CAMERA_COPIED:
            setattr(copy, name, getattr(sent, name))


def read(scene: bpy.types.Scene, job: state.ReangleJob) -> Entry:
    """The entry of a job that an opened file knows."""
    entry = Entry(
        scene=state.of(scene).uid,
        id=job.name,
        kind=job.kind,
        title=job.title,
        folder=Path(bpy.path.abspath(job.folder)),
        match=state.of(scene).clip.match_scene,
        notes=job.notes.splitlines(),
        cameras=[
            SentCamera(
                camera.name,
                camera.camera.name if camera.camera else "",
                camera.width,
                camera.height,
                camera.fps,
                camera.frames,
                camera.first_frame,
                camera.folder,
            )
            for camera in job.cameras
        ],
    )
    for name in _COPIED:
        setattr(entry, name, getattr(job, name))
    return entry


def sent_cameras(
    paths: Sequence[CameraPath], objects: Sequence[bpy.types.Object | None], first_frame: int
) -> list[SentCamera]:
    return [
        SentCamera(
            path.name,
            item.name if item else "",
            path.width,
            path.height,
            path.fps,
            len(path.frames),
            first_frame,
        )
        for path, item in zip(paths, objects, strict=True)
    ]


def heard(entry: Entry, status: JobStatus) -> None:
    """Take over what the backend says."""
    if status.stage != entry.stage:
        entry.learning = ""
    entry.state, entry.stage, entry.progress = status.state, status.stage, status.progress
    entry.eta_s = -1.0 if status.eta_s is None else status.eta_s
    entry.notes = list(status.notes)
    error = status.error
    entry.message, entry.advice, entry.traceback = (
        (error.message, error.advice, error.traceback) if error else ("", "", "")
    )
    write(entry)


def learning(entry: Entry, sight: Sight) -> None:
    """Take over how a model's learning goes."""
    entry.learning, entry.picture = sight.words, str(sight.picture or entry.picture)
    write(entry)


def failed(entry: Entry, failure: Failure) -> None:
    """What went wrong on this side of the wire."""
    entry.state = "failed"
    entry.message, entry.advice, entry.traceback = failure.message, failure.advice, failure.traceback
    write(entry)


def forget_all() -> None:
    """End this session's part in the jobs; they go on on the backend, and files that know their ids find them again."""
    for entry in entries.values():
        entry.stop.set()
        entry.forgotten = True
    entries.clear()
