# SPDX-License-Identifier: GPL-3.0-or-later
"""Where each camera stands: new, being rendered, done, or changed since its last result.

What a camera follows from is read after the artist changed it (`touch`, then `refresh`), never while a panel is drawn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from bpy.types import Depsgraph, Object, Scene

from .. import state
from . import camera_inputs, coverage
from .cameras import artist_cameras

Kind = Literal["new", "running", "waiting", "failed", "outdated", "done"]


@dataclass(frozen=True)
class Sent:
    """A camera of one job. state: of the job. progress: 0 to 1. has_result: its result was fetched. waits: for the
    artist's approval of its starting image. signature: what it was sent with, "" if an older version sent it. version:
    number of the render. coverage: share of its pictures that the clip shows, below 0 if unknown."""

    state: str
    progress: float
    is_final: bool
    has_result: bool
    waits: bool
    signature: str
    version: int
    coverage: float


@dataclass(frozen=True)
class Status:
    """text: a few letters for a list. help: one sentence. progress: 0 to 1 while it runs. version: of the last result,
    0 without one. coverage: share of its pictures that the clip shows, None if unknown."""

    kind: Kind
    text: str
    help: str
    progress: float = 0.0
    version: int = 0
    coverage: float | None = None


NEW = Status("new", "New", "Not rendered yet")


def judge(rows: Sequence[Sent], signature: str) -> Status:
    """The status of a camera. rows: it in each job, the oldest first. signature: what it would be sent with now."""
    results = [row for row in rows if row.has_result]
    last = results[-1] if results else None
    version = last.version if last is not None else 0
    coverage = last.coverage if last is not None and last.coverage >= 0 else None
    latest = rows[-1] if rows else None
    if latest is not None and not latest.is_final:
        text = f"{latest.progress:.0%}" if latest.state == "running" else latest.state.capitalize()
        about = f"Render {latest.state}, {latest.progress:.0%}"
        return Status("running", text, about, latest.progress, version, coverage)
    if latest is not None and latest.waits:
        return Status("waiting", "Approve", "Its starting image waits for your approval", 0.0, version, coverage)
    if latest is not None and latest.state == "failed":
        return Status("failed", "Failed", "Its last render failed; the Render panel says why", 0.0, version, coverage)
    if last is None:
        return NEW
    changed = _changed(last.signature, signature)
    if changed:
        return Status("outdated", "Outdated", f"{changed} changed since result v{version:03d}", 0.0, version, coverage)
    return Status("done", f"v{version:03d}", f"Result v{version:03d} is up to date", 1.0, version, coverage)


def _changed(before: str, now: str) -> str:
    """What differs between two signatures; "" if nothing does, or one of them is not known."""
    if not before or not now or before == now:
        return ""
    own, shared = (one != other for one, other in zip(before.split(), now.split(), strict=True))
    return "Path, lens and settings" if own and shared else "Path or lens" if own else "Settings of the render"


def signature(scene: Scene, camera: Object) -> str:
    """What the camera is sent with now: a digest of its path, and one of what all cameras share."""
    return f"{camera_inputs.read(scene, camera).digest} {camera_inputs.digest_of_settings(scene)}"


_inputs: dict[tuple[int, int], camera_inputs.Inputs] = {}
"""Of each camera, by the session's numbers of scene and camera."""
_coverage: dict[int, float | None] = {}
"""By the session's number of the camera."""
_known: set[int] = set()
"""The session's numbers of the data-blocks that the cameras follow from."""
_touched: set[int] = set()
"""The session's numbers of data-blocks that changed since the last `refresh`."""


def touch(depsgraph: Depsgraph) -> bool:
    """Remember what the artist changed. Returns whether `refresh` has something to do."""
    is_new = False
    for update in depsgraph.updates:
        block = update.id.original
        _touched.add(block.session_uid)
        is_new |= isinstance(block, Object) and block.type == "CAMERA" and block.session_uid not in _known
    return is_new or not _known.isdisjoint(_touched)


def _cameras(scene: Scene) -> list[Object]:
    """Also the clip's own, whose path is drawn."""
    source = state.alive(scene, state.of(scene).source)
    return [*artist_cameras(scene), *([source] if source is not None else [])]


def refresh() -> dict[Scene, list[Object]]:
    """Read the cameras that changed, of every scene with a clip. Returns those with another path."""
    found: dict[Scene, list[Object]] = {}
    for scene in state.scenes():
        if not state.of(scene).shot_frames:
            continue
        changed = found.setdefault(scene, [])
        for camera in _cameras(scene):
            key = scene.session_uid, camera.session_uid
            before = _inputs.get(key)
            if before is None or not before.blocks.isdisjoint(_touched):
                _inputs[key] = camera_inputs.read(scene, camera)
                if before is None or before.digest != _inputs[key].digest:
                    changed.append(camera)
    _known.clear()
    _known.update(*(inputs.blocks for inputs in _inputs.values()))
    _touched.clear()
    return found


def forget() -> None:
    """Another file was opened, or undo changed anything."""
    _inputs.clear()
    _coverage.clear()
    _known.clear()
    _touched.clear()


def digest_of(scene: Scene, camera: Object) -> str:
    """Of the camera's path, as it was last read; "" before that."""
    inputs = _inputs.get((scene.session_uid, camera.session_uid))
    return inputs.digest if inputs is not None else ""


def statuses(scene: Scene) -> dict[int, Status]:
    """The status of every camera that may be rendered, by the session's number of the camera."""
    rows: dict[int, list[Sent]] = {}
    for job in state.of(scene).jobs:
        if job.kind == "RENDER":
            for sent in job.cameras:
                if sent.camera is not None:
                    rows.setdefault(sent.camera.session_uid, []).append(_sent(job, sent))
    shared = camera_inputs.digest_of_settings(scene) if rows else ""
    found = {}
    for camera in artist_cameras(scene):
        own = digest_of(scene, camera)
        status = judge(rows.get(camera.session_uid, ()), f"{own} {shared}" if own else "")
        found[camera.session_uid], _coverage[camera.session_uid] = status, status.coverage
    return found


def status_of(scene: Scene, camera: Object) -> Status:
    """The status of one camera, for scripts: what changed is read first."""
    _inputs[scene.session_uid, camera.session_uid] = camera_inputs.read(scene, camera)
    return statuses(scene).get(camera.session_uid, NEW)


def outdated(scene: Scene, among: Iterable[Object], *, read: bool = False) -> list[Object]:
    """Those of the cameras without a result of their present path, lens and settings, and without a running render.

    read: what the cameras follow from anew, as no handler may have told of the last change.
    """
    among = list(among)
    for camera in among if read else ():
        _inputs[scene.session_uid, camera.session_uid] = camera_inputs.read(scene, camera)
    known = statuses(scene)
    return [camera for camera in among if known.get(camera.session_uid, NEW).kind in ("new", "outdated", "failed")]


def coverage_of(camera: Object) -> float | None:
    """The share of the camera's pictures that the clip shows, 0 to 1; None if unknown.

    As measured for its present path, else of its last result as `statuses` saw it.
    """
    measured = coverage.of(camera)
    if measured is not None and measured.is_complete:
        return measured.mean_known()
    return _coverage.get(camera.session_uid)


def _sent(job: state.ReangleJob, sent: state.ReangleCamera) -> Sent:
    number = re.search(r"\d+$", job.title)
    return Sent(
        state=job.state,
        progress=job.progress,
        is_final=job.is_final,
        has_result=job.has_results and bool(sent.folder),
        waits=job.waits and not sent.accepted,
        signature=sent.signature,
        version=int(number[0]) if number is not None else 1,
        coverage=sent.coverage,
    )
