# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection to the backend, as plain state that panels read. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from .. import preferences
from ..core import backend_process
from ..core.backend_process import Backend
from ..core.client import Client, UnreachableError
from ..core.contract import Capabilities
from ..core.errors import UserError
from . import main_thread
from .main_thread import Failure

T = TypeVar("T")


class Connection:
    """state: "off", "starting", "on" or "failed"; backend is set while "on", failure while "failed".

    capabilities: of the backend that was connected last.
    """

    def __init__(self) -> None:
        self.state = "off"
        self.backend: Backend | None = None
        self.capabilities: Capabilities | None = None
        self.failure: Failure | None = None

    @property
    def version(self) -> str:
        return self.backend.version if self.backend else ""


now = Connection()
on_connected: list[Callable[[], None]] = []
"""Called on the main thread whenever the backend becomes reachable."""


def client() -> Client:
    """The backend's client. Raises UserError while there is none."""
    if now.backend is None:
        raise UserError("The backend is not running.", advice="Start it in the Clip panel.")
    return now.backend.client


def call(
    client: Client,
    work: Callable[[], T],
    *,
    done: Callable[[T], Iterator[None] | None],
    failed: Callable[[Failure], None],
) -> None:
    """`main_thread.in_thread` for calls of this client; an unreachable backend also resets the connection."""

    def lost(failure: Failure) -> None:
        if isinstance(failure.error, UnreachableError) and now.backend and now.backend.client is client:
            reset()
        failed(failure)

    main_thread.in_thread(work, done=done, failed=lost)


def start() -> None:
    """Connect to the running backend, or start one, in a thread."""
    data = _data_folder()
    if now.state not in ("starting", "on"):
        now.state = "starting"
        main_thread.in_thread(lambda: _describe(backend_process.ensure(data)), done=_connected, failed=_failed)


def find() -> None:
    """Connect to the running backend if there is one; start none and report nothing."""
    data = _data_folder()
    if now.state in ("off", "failed"):
        main_thread.in_thread(lambda: _find(data), done=_connected, failed=lambda failure: None)


def refresh() -> None:
    """Ask the connected backend again what it can do, as after new weights."""
    backend = now.backend
    if backend is not None:
        call(backend.client, backend.client.capabilities, done=_refreshed, failed=lambda failure: None)


def stop() -> None:
    """Stop the backend; its jobs resume at the next start. Raises UserError while there is none."""
    backend = now.backend
    if backend is None:
        starting = "It is starting: stop it when it runs." if now.state == "starting" else "There is nothing to stop."
        raise UserError("The backend is not running.", advice=starting)
    reset()
    main_thread.in_thread(lambda: backend_process.stop(backend), done=lambda _: None, failed=_failed)


def reset() -> None:
    """Forget the backend."""
    now.state, now.backend, now.failure = "off", None, None


def _data_folder() -> Path:
    return preferences.data_folder() or backend_process.data_folder()


def _describe(backend: Backend) -> tuple[Backend, Capabilities]:
    return backend, backend.client.capabilities()


def _find(data: Path) -> tuple[Backend, Capabilities] | None:
    backend = backend_process.find(data)
    return _describe(backend) if backend else None


def _connected(described: tuple[Backend, Capabilities] | None) -> None:
    if described is not None:
        now.backend, now.capabilities = described
        now.state, now.failure = "on", None
        for callback in on_connected:
            callback()


def _refreshed(capabilities: Capabilities) -> None:
    now.capabilities = capabilities


def _failed(failure: Failure) -> None:
    now.state, now.backend, now.failure = "failed", None, failure
