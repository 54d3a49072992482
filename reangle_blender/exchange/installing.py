# SPDX-License-Identifier: GPL-3.0-or-later
"""The installation of the backend on this computer, as plain state that the preferences draw. Main thread only."""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path

import bpy

from .. import preferences
from ..core import backend_process, installer
from ..core.backend_process import Backend
from ..core.client import Client, UnauthorizedError, UnreachableError, VersionMismatchError
from ..core.errors import UserError
from ..core.files import CanceledError
from ..core.installation import Carried
from ..core.installer import Installed, Progress
from . import connection, main_thread
from .main_thread import Failure
from .presence import Watched

LINES = 4
"""How many lines of the log are kept to be drawn."""
QUIT_S = 3.0
"""How long Blender's end waits until the installer is ended."""


class Installation:
    """progress is set while the backend is being installed, failure after it could not be."""

    def __init__(self) -> None:
        self.progress: Progress | None = None
        self.failure: Failure | None = None
        self.lines: deque[str] = deque(maxlen=LINES)


now = Installation()
_cancel: threading.Event | None = None
_ended = threading.Event()
_installed = Watched(installer.installed, Installed())
_carried: Watched[Carried | None] = Watched(lambda _: installer.carried(), None)
_logs = Watched(lambda path: path.is_file(), False)


def data_folder() -> Path:
    """The data folder on this computer."""
    return preferences.data_folder() or backend_process.data_folder()


def installed() -> Installed:
    """What is installed, as seen within the last seconds."""
    return _installed.latest(data_folder())


def carried() -> Carried | None:
    """The backend that this add-on can install; None while that is unknown, and in a checkout."""
    return _carried.latest(installer.carried_folder())


def has_log(path: Path) -> bool:
    """Whether there is a log to open."""
    return _logs.latest(path)


def update() -> str:
    """The version to which the backend can be updated; "" if it is as new as what the add-on carries."""
    about, there = carried(), installed()
    version = there.version or connection.now.version
    if about is None or not there.command or not version:
        return ""
    return about.version if installer.is_newer(about.version, version) else ""


def check_online() -> None:
    """Raises UserError if Blender is set to stay offline."""
    if not bpy.app.online_access:
        raise UserError(
            "Blender is set to stay offline, and the backend's packages come from the Python Package Index.",
            advice="Switch on Allow Online Access in Blender's preferences, under System.",
        )


def check_install() -> None:
    """Raises UserError if the backend cannot be installed now."""
    if now.progress is not None:
        raise UserError("The backend is being installed.", advice="Wait for it, or cancel it.")
    if carried() is None:
        raise UserError(
            "This copy of the add-on carries no backend.",
            advice="Install the add-on from its zip; a checkout has scripts/install_backend.py.",
        )
    check_online()


def install() -> None:
    """Install the carried backend, or update to it, in a thread; then start it. Raises UserError if it cannot."""
    global _cancel
    check_install()
    data, cancel, was_stopped = data_folder(), threading.Event(), threading.Event()
    _cancel = cancel
    now.progress, now.failure = Progress(0.0, "Starting"), None
    now.lines.clear()
    _ended.clear()

    def post(progress: Progress, line: str) -> None:
        main_thread.post(lambda: _show(cancel, progress, line))

    def work() -> None:
        try:
            running = _running(data)
            if running is not None:
                # The long part first, so that jobs run until the backend is replaced.
                installer.run(data, post=post, cancel=cancel, only_environment=True)
                was_stopped.set()
                main_thread.post(lambda: connection.reset())
                backend_process.stop(running)
            installer.run(data, post=post, cancel=cancel)
        finally:
            _ended.set()

    def done(_: None) -> None:
        _finish(cancel)
        connection.start()

    def failed(failure: Failure) -> None:
        if _finish(cancel) and not isinstance(failure.error, CanceledError):
            now.failure = failure
        if was_stopped.is_set():
            connection.start()

    main_thread.in_thread(work, done=done, failed=failed)


def cancel() -> None:
    """End the installation; what was installed before stays. Raises UserError if there is none."""
    if _cancel is None:
        raise UserError("The backend is not being installed.", advice="There is nothing to cancel.")
    _cancel.set()
    if now.progress is not None:
        now.progress = Progress(now.progress.fraction, "Removing what is incomplete")
        now.lines.clear()
        main_thread.redraw_panels()


def forget() -> None:
    """End the installation, as before Blender quits."""
    global _cancel
    if _cancel is not None:
        _cancel.set()
        _ended.wait(QUIT_S)
        _cancel = None
    now.progress = now.failure = None


def _running(data: Path) -> Backend | None:
    """The backend that serves this folder, also one of another version of the contract."""
    try:
        return backend_process.find(data)
    except VersionMismatchError:
        about = backend_process.read_server_file(data)
    if about is None:
        return None
    try:
        return Backend(Client(about.host, about.port, about.token), data, about.version, about.pid)
    except (UnreachableError, UnauthorizedError, ValueError):
        return None


def _show(cancel: threading.Event, progress: Progress, line: str) -> None:
    if _cancel is cancel and not cancel.is_set():
        now.progress = progress
        if line and not line.startswith("["):
            now.lines.append(line)


def _finish(cancel: threading.Event) -> bool:
    """Whether this is the installation that is shown; it is no longer."""
    global _cancel
    if _cancel is not cancel:
        return False
    _cancel = None
    now.progress = None
    _installed.forget()
    return True
