# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the backend is there: started, found running, or not. Plain state that panels read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from . import jobs, preferences
from .core import backend_process
from .core.backend_process import Backend
from .core.client import Client, UnreachableError
from .core.contract import Provider
from .core.errors import UserError


class Connection:
    """state: "off", "starting", "on" or "failed"; backend is set while it is "on", failure while it is "failed"."""

    def __init__(self) -> None:
        self.state = "off"
        self.backend: Backend | None = None
        self.providers: tuple[Provider, ...] = ()
        self.failure: jobs.Failure | None = None

    @property
    def version(self) -> str:
        return self.backend.version if self.backend else ""

    def provider(self, name: str) -> Provider | None:
        """What the backend said about a geometry provider; None while it was not asked."""
        return next((item for item in self.providers if item.name == name), None)


now = Connection()
when_on: list[Callable[[], None]] = []
"""Called on the main thread whenever the backend has become reachable."""


def client() -> Client:
    """The backend's client. Raises UserError while there is none."""
    if now.backend is None:
        raise UserError("The backend is not running.", advice="Start it in step 1.")
    return now.backend.client


def start() -> None:
    """Start the backend in a thread, or take the one that runs."""
    data = preferences.data_folder() or backend_process.data_folder()
    if now.state not in ("starting", "on"):
        now.state = "starting"
        jobs.in_thread(lambda: _greet(backend_process.ensure(data)), done=_on, failed=_failed)


def find() -> None:
    """Take a backend that runs already; start none, and say nothing if there is none."""
    data = preferences.data_folder() or backend_process.data_folder()
    if now.state in ("off", "failed"):
        jobs.in_thread(lambda: _found(data), done=_on, failed=lambda failure: None)


def stop() -> None:
    """End the backend; its jobs resume at the next start."""
    backend = now.backend
    if backend is not None:
        reset()
        jobs.in_thread(lambda: backend_process.stop(backend), done=lambda _: None, failed=_failed)


def call_failed(backend_client: Client, failure: jobs.Failure) -> None:
    """A call of this client failed: if nothing answered, the backend is no longer there."""
    if isinstance(failure.error, UnreachableError) and now.backend and now.backend.client is backend_client:
        reset()


def reset() -> None:
    now.state, now.backend, now.failure = "off", None, None


def _greet(backend: Backend) -> tuple[Backend, tuple[Provider, ...]]:
    return backend, backend.client.providers()


def _found(data: Path) -> tuple[Backend, tuple[Provider, ...]] | None:
    backend = backend_process.find(data)
    return _greet(backend) if backend else None


def _on(found: tuple[Backend, tuple[Provider, ...]] | None) -> None:
    if found is not None:
        now.backend, now.providers = found
        now.state, now.failure = "on", None
        for callback in when_on:
            callback()


def _failed(failure: jobs.Failure) -> None:
    now.state, now.backend, now.failure = "failed", None, failure
