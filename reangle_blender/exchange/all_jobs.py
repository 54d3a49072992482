# SPDX-License-Identifier: GPL-3.0-or-later
"""All jobs of the backend, of this file and of others: followed while they are shown or run. Main thread; a thread
waits for the backend.

The list has a timer of its own. What comes through `main_thread` redraws the panels; the status bar alone is enough.
"""

from __future__ import annotations

import atexit
import threading
import time
import traceback
from collections.abc import Callable

import bpy

from .. import state
from ..core.client import Client, RefusedError, UnreachableError
from ..core.contract import JobStatus
from ..core.errors import UserError
from . import connection, ledger, main_thread

WAIT_S = 5.0
"""For so long the backend may keep an answer back while nothing changes."""
GAP_S = 1.0
"""Between two answers: a running job changes all the time."""
TRIES = 5
SHOWN_S = 3.0
"""After its last drawing, the panel counts as closed."""
TICK_S = 0.5

jobs: tuple[JobStatus, ...] = ()
"""The newest first, as the backend said last; empty while it is not connected."""
problem: UserError | None = None
"""Why the list is not known."""
on_tick: list[Callable[[], None]] = []
"""Called at each tick."""

_follower: _Follower | None = None
_asked: object = None
"""The backend whose list was asked for at least once, so that jobs of other files are known, too."""
_shown_at = -SHOWN_S


class _Follower:
    """Asks one backend for its list in a thread until it is stopped. The thread touches nothing else."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.latest: tuple[JobStatus, ...] | None = None
        self.error: Exception | None = None
        self.stop = threading.Event()
        threading.Thread(target=self._run, name="reangle jobs", daemon=True).start()

    def _run(self) -> None:
        tries, last = 0, -1
        while not self.stop.is_set():
            try:
                answer = self.client.queue(max(last, 0), WAIT_S if last >= 0 else 0.0)
            except UnreachableError as error:
                tries += 1
                if tries == TRIES:
                    self.error = error
                    return
            except Exception as error:
                self.error = error
                return
            else:
                tries = 0
                if answer.last != last:
                    last, self.latest = answer.last, answer.jobs
            self.stop.wait(GAP_S)


def show() -> None:
    """The list is being drawn."""
    global _shown_at
    _shown_at = time.monotonic()


def is_shown() -> bool:
    return time.monotonic() - _shown_at < SHOWN_S


def active() -> list[JobStatus]:
    """The jobs that run or wait, the next one first."""
    return [job for job in reversed(jobs) if not job.is_final]


def find(job: str) -> JobStatus:
    """Raises UserError if the backend has no such job."""
    found = next((one for one in jobs if one.id == job), None)
    if found is None:
        raise UserError("The backend does not know this job.", advice="Choose one in the list of all jobs.")
    return found


def forget(job: str) -> None:
    """Leave a deleted job out at once."""
    _apply(tuple(one for one in jobs if one.id != job))


def tick() -> None:
    """Begin or end to follow, and take over what came."""
    global _follower, _asked, problem
    backend = connection.now.backend
    client = backend.client if backend is not None else None
    if _follower is not None and (_follower.client is not client or not (_is_wanted() or _follower.latest)):
        _end()
    if client is None and jobs:
        _apply(())
    if _follower is None and client is not None and (_asked is not client or (_is_wanted() and problem is None)):
        _asked, problem = client, None
        _follower = _Follower(client)
    if _follower is not None:
        came, _follower.latest = _follower.latest, None
        if came is not None:
            _apply(came)
        if (error := _follower.error) is not None:
            _fail(error)
    for call in on_tick:
        call()


def _is_wanted() -> bool:
    if is_shown() or any(not job.is_final for job in jobs):
        return True
    return any(not entry.is_final for entry in ledger.entries.values())


def _fail(error: Exception) -> None:
    global problem
    _end()
    if isinstance(error, UnreachableError):
        connection.reset()
        _apply(())
    elif isinstance(error, RefusedError) and error.status == 404:
        problem = UserError("This backend is too old to list all jobs.", advice="Update it in the preferences.")
    else:
        problem = error if isinstance(error, UserError) else UserError(f"{type(error).__name__}: {error}")
        if not isinstance(error, UserError):
            traceback.print_exception(error)


def _end() -> None:
    global _follower
    if _follower is not None:
        _follower.stop.set()
        _follower = None


def _apply(new: tuple[JobStatus, ...]) -> None:
    global jobs
    jobs = new
    fill()
    redraw()


def fill() -> None:
    """Copy the jobs into the rows; the selected job stays selected."""
    manager = bpy.context.window_manager
    rows, index = manager.reangle_jobs, manager.reangle_job_index
    selected = rows[index].name if 0 <= index < len(rows) else ""
    here = {job.name for scene in state.scenes() for job in state.of(scene).jobs}
    if [row.name for row in rows] != [job.id for job in jobs]:
        rows.clear()
        for job in jobs:
            rows.add().name = job.id
        found = rows.find(selected)
        manager.reangle_job_index = found if found >= 0 else 0
    now = time.time()
    for row, job in zip(rows, jobs, strict=True):
        for name in ("title", "clip", "engine", "cameras", "state", "stage", "progress", "position", "behind"):
            setattr(row, name, getattr(job, name))
        row.eta_s = -1.0 if job.eta_s is None else job.eta_s
        row.wait_s = -1.0 if job.wait_s is None else job.wait_s
        row.message, row.advice = (job.error.message, job.error.advice) if job.error else ("", "")
        row.age, row.takes_seed, row.is_here = age(now - job.created), job.takes_seed, job.id in here


def age(seconds: float) -> str:
    """How long ago, in words."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return "now"


def redraw() -> None:
    """Draw the status bar again, and the sidebars where the list is open."""
    # Its header listens to this property alone of those that can be published, and no view does.
    bpy.msgbus.publish_rna(key=(bpy.types.ViewLayer, "name"))
    if is_shown():
        main_thread.redraw_panels()


def _tick() -> float:
    try:
        tick()
    except Exception:  # a timer that raises is gone
        traceback.print_exc()
    return TICK_S


@bpy.app.handlers.persistent
def _clear_rows(*_: object) -> None:
    """Blender saves the window manager, and titles of other files do not belong into this one."""
    bpy.context.window_manager.reangle_jobs.clear()


@bpy.app.handlers.persistent
def _fill_again(*_: object) -> None:
    fill()


def register() -> None:
    bpy.app.handlers.save_pre.append(_clear_rows)
    bpy.app.handlers.save_post.append(_fill_again)
    bpy.app.handlers.load_post.append(_fill_again)
    bpy.app.timers.register(_tick, first_interval=TICK_S, persistent=True)
    # As in `main_thread`: a timer that is left crashes or hangs Blender's end.
    atexit.register(_stop_timer)


def unregister() -> None:
    global jobs, problem, _asked
    _stop_timer()
    atexit.unregister(_stop_timer)
    bpy.app.handlers.load_post.remove(_fill_again)
    bpy.app.handlers.save_post.remove(_fill_again)
    bpy.app.handlers.save_pre.remove(_clear_rows)
    _end()
    jobs, problem, _asked = (), None, None


def _stop_timer() -> None:
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
