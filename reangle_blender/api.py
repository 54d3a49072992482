# SPDX-License-Identifier: GPL-3.0-or-later
"""Reangle for scripts, as in `blender -b shot.blend -P script.py`: each call returns when its work is done.

    from bl_ext.user_default.reangle import api

All calls act on the scene of the context and belong to Blender's main thread. While they wait they do what a timer of
the add-on does in a window; called in a window, they hold it up. Errors are `Error`, with a message and an advice, and
`TimeoutError`. Settings that are no arguments here are the panel's: `bpy.context.scene.reangle`. docs/scripting.md has
an example.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import bpy
from bpy.types import Object

from . import choices, preferences, readiness, state
from .core.errors import UserError as Error
from .core.interchange import RotationOrder
from .exchange import connection, ledger, main_thread, sending, watching
from .scene import cameras as scene_cameras
from .scene import interchange
from .scene.framing import Framing
from .scene.interchange import Options, World
from .state import paths

__all__ = [
    "Clip",
    "Error",
    "JobError",
    "Result",
    "add_camera",
    "add_move",
    "cancel",
    "clip",
    "connect",
    "disconnect",
    "import_clip",
    "read_path",
    "render",
    "results",
    "submit",
    "wait",
    "write_path",
]

START_TIMEOUT_S = 600.0
JOB_TIMEOUT_S = 24 * 3600.0

Progress = Callable[[str, float], None]
"""progress(stage, part done from 0 to 1), called when either changes."""


class JobError(Error):
    """A job that failed or was canceled. job: its id. traceback: that of the backend, or ""."""

    def __init__(self, job: str, message: str, advice: str, traceback: str) -> None:
        super().__init__(message, advice=advice)
        self.job, self.traceback = job, traceback


@dataclass(frozen=True)
class Clip:
    """The imported clip. first_frame: scene frame of its first used frame. camera: its own camera. origin: the empty
    that holds all. notes: how camera and depth were found."""

    frames: int
    width: int
    height: int
    fps: float
    first_frame: int
    camera: Object
    origin: Object
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """The clip from one camera. name: of the path in the job. camera: None for "Scene Camera" and deleted ones.

    folder: of `frames`, `warped`, `visibility`, `memory`, `depth` and `manifest.json`. frames: the finished images.
    first_frame: scene frame of the first one. warnings: about frames that are likely to come out wrong.
    """

    name: str
    camera: Object | None
    folder: Path
    frames: tuple[Path, ...]
    first_frame: int
    warnings: tuple[str, ...]


def connect(data_folder: str | Path | None = None, *, timeout_s: float = START_TIMEOUT_S) -> str:
    """Connect to the running backend, or start one. Returns its version.

    data_folder: where its jobs and its start command are; by default that of the preferences.
    """
    if data_folder is not None:
        preferences.get().data_folder = str(data_folder)
    connection.start()
    _pump(lambda: connection.now.state in ("on", "failed"), "The backend is starting", timeout_s)
    failure = connection.now.failure
    if failure is not None:
        raise Error(failure.message, advice=failure.advice)
    return connection.now.version


def disconnect(*, timeout_s: float = 60.0) -> None:
    """Stop the backend. Jobs that run go on when it starts again."""
    connection.stop()
    _pump(lambda: not main_thread.is_busy(), "The backend is stopping", timeout_s)


def import_clip(
    path: str | Path,
    *,
    start: int = 0,
    frames: int = 0,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    camera: str = "auto",
    depth: str = "auto",
    files: str | Path | None = None,
    given_camera: Object | None = None,
    match_scene: bool = True,
    timeout_s: float = JOB_TIMEOUT_S,
    progress: Progress | None = None,
) -> Clip:
    """Import a movie, or the sequence that an image belongs to, with its camera and its depth.

    start, frames: the used part, 0 frames are all that remain. size: width and height to work at, None is the clip's.
    fps: of an image sequence. camera, depth: the sources of the Clip panel, such as "solve", "files", "given", "mini".
    files: folder of depth maps, a camera file, or both. given_camera: the camera that filmed the clip, for "given".
    """
    scene = bpy.context.scene
    choice = state.prepare(scene).clip
    choice.path, choice.start, choice.frames = str(Path(path).absolute()), start, frames
    choice.use_own_size = size is None
    if size is not None:
        choice.width, choice.height = size
    if fps is not None:
        choice.sequence_fps = fps
    _choose(choice, "camera", camera)
    _choose(choice, "depth", depth)
    choice.geometry_folder = str(Path(files).absolute()) if files is not None else ""
    choice.given_camera, choice.match_scene = given_camera, match_scene
    readiness.check_import(scene)
    framing = None if bpy.app.background else Framing(bpy.context)
    wait(sending.import_clip(scene, readiness.choice_of(scene), framing), timeout_s=timeout_s, progress=progress)
    return clip()


def clip() -> Clip:
    """The imported clip of the scene. Raises Error if there is none."""
    scene = bpy.context.scene
    shot = state.of(scene)
    source, origin = state.alive(scene, shot.source), state.alive(scene, shot.origin)
    if not shot.shot_frames or source is None or origin is None:
        raise Error("There is no imported clip in this scene.", advice="Import one first.")
    job = shot.jobs.get(shot.shot)
    notes = [*shot.about.splitlines(), *(job.notes.splitlines() if job is not None else ())]
    size = shot.shot_width, shot.shot_height
    return Clip(shot.shot_frames, *size, shot.shot_fps, shot.first_frame, source, origin, tuple(dict.fromkeys(notes)))


def add_camera(name: str = "View", *, follow: bool = False) -> Object:
    """A new camera with pose and lens of the clip's camera, ticked to be rendered. follow: with its motion, too."""
    return _made(lambda: _operate("add_camera", name=name, follow=follow))


def add_move(
    move: str,
    amount: float | None = None,
    *,
    name: str = "",
    easing: str | None = None,
    hold: bool = False,
    follow: bool = True,
    seed: int = 0,
    focus: Object | Literal["SCENE", "CLOUD", "CURSOR"] = "SCENE",
    track: bool = False,
) -> Object:
    """A new camera that starts at the clip's camera and makes a move, ticked to be rendered.

    move: such as "orbit-left", "dolly-in". amount: degrees, or percent of the distance to the focus; None is the move's
    own. hold: stay at the end of the move. follow: add it to the motion of the clip's camera. seed: for "handheld".
    focus: what the move goes around, an object or "SCENE" (as the panel says), "CLOUD" (its middle) or "CURSOR" (the 3D
    cursor). track: keep looking at it by a constraint.
    """
    given: dict[str, Any] = {"move": move, "name": name, "hold": hold, "follow": follow, "seed": seed, "track": track}
    given |= {} if amount is None else {"amount": amount}
    given |= {} if easing is None else {"easing": easing}
    if isinstance(focus, str):
        return _made(lambda: _operate("apply_move", **given, focus=focus))
    with bpy.context.temp_override(active_object=focus):
        return _made(lambda: _operate("apply_move", **given, focus="ACTIVE"))


def read_path(
    file: str | Path,
    *,
    format: str = "AUTO",
    name: str = "",
    world: World = "CLIP",
    start: bool = False,
    scale: float = 1.0,
    rotation_order: RotationOrder = "ZXY",
) -> tuple[Object, list[str]]:
    """A new camera that follows the path in a file of another program, and notes; see docs/interchange.md.

    start: put its first pose on the clip's camera. scale: length of the file's unit. rotation_order: of Nuke's angles.
    """
    options = Options(world, rotation_order, start, scale)
    return interchange.read(bpy.context.scene, Path(file).absolute(), format, options, name)


def write_path(
    file: str | Path,
    camera: Object,
    *,
    format: str = "REANGLE",
    world: World = "CLIP",
    rotation_order: RotationOrder = "ZXY",
) -> list[str]:
    """Write a camera's path over the clip's frames. Returns notes on what the format does not hold."""
    options = Options(world, rotation_order)
    written = interchange.write(bpy.context.scene, [camera], Path(file).absolute(), format, options)
    return [note for notes in written.values() for note in notes]


def render(
    cameras: Iterable[Object] | None = None,
    *,
    engine: str | None = None,
    suite: str | None = None,
    timeout_s: float = JOB_TIMEOUT_S,
    progress: Progress | None = None,
) -> list[Result]:
    """Render the clip from cameras and fetch the results, in the cameras' order. See `submit`."""
    return wait(submit(cameras, engine=engine, suite=suite), timeout_s=timeout_s, progress=progress)


def submit(cameras: Iterable[Object] | None = None, *, engine: str | None = None, suite: str | None = None) -> str:
    """Send a render and return the id of its job, for `wait`.

    cameras: None renders those that are ticked, with the markers' camera if the panel says so. engine: such as
    "preview", "reangle", "inpaint"; suite: of weights, such as "mini"; None keeps the panel's.
    """
    scene = bpy.context.scene
    shot = state.prepare(scene)
    if engine is not None:
        _choose(shot, "engine", engine)
    if suite is not None:
        _choose(shot.learning, "suite", suite)
    chosen, use_markers = readiness.cameras_to_render(scene)
    if cameras is not None:
        chosen, use_markers = list(cameras), False
        sending.check_render(scene)
        if not chosen:
            raise Error("No camera is given.", advice="Give at least one, or None for those that are ticked.")
    else:
        readiness.check_render(scene)
    exported = scene_cameras.export_paths(scene, chosen, use_markers=use_markers)
    return sending.render(scene, exported, [*chosen, None] if use_markers else list(chosen))


def wait(job: str, *, timeout_s: float = JOB_TIMEOUT_S, progress: Progress | None = None) -> list[Result]:
    """Wait until a job has ended and its files are fetched. Returns its results; an import has none.

    Raises JobError if it failed or was canceled, and Error if the backend is lost; the job goes on when that is found
    again with `connect`.
    """
    told: tuple[str, float] | None = None

    def has_ended() -> bool:
        nonlocal told
        row = _row(job)
        on_our_side = row.state in ("sending", "fetching")
        now = (row.state if on_our_side else row.stage or row.state), row.progress
        if progress is not None and now != told:
            told = now
            progress(*now)
        is_lost = not row.is_final and bool(row.message) and job not in ledger.active
        return is_lost or (row.is_final and (row.loaded or row.state != "done" or bool(row.message)))

    _pump(has_ended, f"Job {_row(job).title}", timeout_s)
    row = _row(job)
    if not row.is_final:
        raise Error(row.message, advice=row.advice)
    if row.state != "done" or not row.loaded:
        message = row.message or f"{row.title} was canceled."
        raise JobError(job, message, row.advice, row.traceback)
    return results(job)


def results(job: str | None = None) -> list[Result]:
    """The fetched results of a job; None is the latest render that has some. A job that waits for approval of its
    starting images has none yet: `bpy.ops.reangle.accept_starts`, then `wait` for the job that goes on."""
    shot = state.of(bpy.context.scene)
    if job is None:
        rows = [row for row in shot.jobs if row.kind == "RENDER" and row.has_results]
        if not rows:
            raise Error("No results have been fetched yet.", advice="Render first.")
        row = rows[-1]
    else:
        row = _row(job)
    return [_result(row, camera) for camera in row.cameras] if row.has_results and row.kind == "RENDER" else []


def cancel(job: str, *, timeout_s: float = 60.0) -> None:
    """Cancel a job and wait for its end. One that has ended stays as it is."""
    if not _row(job).is_final:
        watching.cancel(job)
        _pump(lambda: _row(job).is_final, f"Job {_row(job).title} is being canceled", timeout_s)


def _result(row: state.ReangleJob, camera: state.ReangleCamera) -> Result:
    folder = paths.absolute(camera.folder)
    item = state.alive(bpy.context.scene, camera.camera)
    warnings = tuple(one.message for one in row.warnings if one.name == camera.name)
    frames = tuple(sorted((folder / "frames").iterdir()))
    return Result(camera.name, item, folder, frames, camera.first_frame, warnings)


def _row(job: str) -> state.ReangleJob:
    """Rows move when others are added, so this is asked each time."""
    row = state.of(bpy.context.scene).jobs.get(job)
    if row is None:
        raise Error(
            f"The scene {bpy.context.scene.name} has no job {job!r}.", advice="Give the id that submit returns."
        )
    return row


def _pump(condition: Callable[[], bool], what: str, timeout_s: float) -> None:
    try:
        main_thread.pump_until(condition, timeout_s=timeout_s)
    except TimeoutError:
        raise TimeoutError(f"{what}: not done after {timeout_s:g} s.") from None


def _choose(group: Any, kind: choices.Kind, value: str) -> None:
    """Set a choice of the panel. Raises Error for one that it does not have."""
    try:
        setattr(group, kind, value)
    except TypeError:
        known = ", ".join(item[0] for item in choices.items(kind))
        raise Error(f"There is no {kind} {value!r}.", advice=f"Choose one of {known}.") from None


def _operate(operator: str, **properties: Any) -> None:
    with _errors_of_operators():
        getattr(bpy.ops.reangle, operator)(**properties)


@contextmanager
def _errors_of_operators() -> Iterator[None]:
    """Blender raises RuntimeError for what an operator reports, and for why it is grey."""
    try:
        yield
    except (RuntimeError, TypeError) as error:
        text = str(error).strip().partition("\nLocation:")[0]
        raise Error(text.removeprefix("Error: ").rpartition(".poll() ")[2].strip()) from None


def _made(make: Callable[[], None]) -> Object:
    """The camera that a call adds to the scene."""
    before = set(bpy.context.scene.objects)
    make()
    return next(item for item in bpy.context.scene.objects if item not in before and item.type == "CAMERA")
