# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection to the backend, as plain state that panels read. Main thread only.

The backend is this computer's, which is started here, or another one's, which runs there. The preferences say which.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import bpy

from .. import preferences
from ..core import backend_process
from ..core.address import Address, read_address
from ..core.backend_process import Backend
from ..core.client import Client, UnreachableError
from ..core.contract import Capabilities
from ..core.errors import UserError
from . import main_thread
from .main_thread import Failure

T = TypeVar("T")

END_S = 60.0
"""How long a start waits for the end of the backend that was stopped before."""
Described = tuple[Backend, Capabilities]


class Connection:
    """state: "off", "starting", "on" or "failed"; backend is set while "on", failure while "failed".

    capabilities: of the backend that was connected last. address: of another computer's backend, while "on"; None for
    this computer's. key: identifies the backend in jobs: "" is this computer's, else the fingerprint of its certificate
    or, without one, its address.
    """

    def __init__(self) -> None:
        self.state = "off"
        self.backend: Backend | None = None
        self.capabilities: Capabilities | None = None
        self.failure: Failure | None = None
        self.address: Address | None = None

    @property
    def version(self) -> str:
        return self.backend.version if self.backend else ""

    @property
    def key(self) -> str:
        return (self.address.fingerprint or self.address.url) if self.address else ""


now = Connection()
on_connected: list[Callable[[], None]] = []
"""Called on the main thread whenever the backend becomes reachable."""
_attempt = 0
"""Number of the latest attempt to connect: what an earlier one finds is dropped."""


def client() -> Client:
    """The backend's client. Raises UserError while there is none."""
    if now.backend is None:
        if is_remote():
            raise UserError("No backend is connected.", advice="Connect to it in the preferences.")
        raise UserError("The backend is not running.", advice="Start it in the Clip panel.")
    if now.address is not None:
        check_online(now.address)
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


def is_remote() -> bool:
    """Whether the preferences name another computer's backend."""
    return preferences.get().backend_place == "REMOTE"


def chosen_address() -> Address:
    """The address of another computer's backend, as the preferences have it. Raises AddressError, or UserError without
    online access."""
    chosen = preferences.get()
    address = read_address(chosen.backend_url, chosen.backend_fingerprint)
    check_online(address)
    return address


def check_online(address: Address) -> None:
    """Raise UserError if Blender may not use the network for this address. A tunnel begins on this computer."""
    if not (address.is_loopback or bpy.app.online_access):
        raise UserError(
            "Blender's online access is off, so a backend on another computer cannot be used.",
            advice="Turn on Allow Online Access in the preferences under System, Network.",
        )


def start() -> None:
    """Connect to the backend in a thread; this computer's is started if it does not run."""
    if now.state in ("starting", "on"):
        return
    if is_remote():
        _connect_remote(_failed)
        return
    data = _data_folder()
    now.state = "starting"
    _in_thread(lambda: describe(_ensure(data)), None, _failed)


def find() -> None:
    """Connect to the backend if it runs; start none and report nothing."""
    if now.state not in ("off", "failed"):
        return
    if is_remote():
        _connect_remote(lambda failure: None, quietly=True)
        return
    data = _data_folder()
    _in_thread(lambda: _find(data), None, lambda failure: None)


def _connect_remote(failed: Callable[[Failure], None], *, quietly: bool = False) -> None:
    try:
        address, token = chosen_address(), preferences.get().backend_token
    except UserError as error:
        failed(Failure(error))
        return
    if not quietly:
        now.state = "starting"
    _in_thread(lambda: describe(backend_process.connect(address, token)), address, failed)


def _in_thread(
    work: Callable[[], Described | None], address: Address | None, failed: Callable[[Failure], None]
) -> None:
    global _attempt
    _attempt += 1
    this = _attempt

    def done(described: Described | None) -> None:
        if this == _attempt:
            _connected(described, address)

    def not_done(failure: Failure) -> None:
        if this == _attempt:
            failed(failure)

    main_thread.in_thread(work, done=done, failed=not_done)


def refresh() -> None:
    """Ask the connected backend again what it can do, as after new weights."""
    backend = now.backend
    if backend is not None:
        call(backend.client, backend.client.capabilities, done=_refreshed, failed=lambda failure: None)


def stop() -> None:
    """Stop this computer's backend, whose jobs resume at its next start, or leave another computer's, whose jobs go on.

    Raises UserError while there is none.
    """
    backend = now.backend
    if backend is None:
        starting = "It is starting: stop it when it runs." if now.state == "starting" else "There is nothing to stop."
        raise UserError("The backend is not running.", advice=starting)
    _stop(backend, then=lambda: None)


def restart() -> None:
    """Stop this computer's backend and start it again; its jobs resume. Raises UserError while there is none."""
    client()
    if is_remote():
        raise UserError("The backend runs on another computer.", advice="Restart it there.")
    backend = now.backend
    assert backend is not None  # otherwise `client` raises

    def start_again() -> None:
        reset()
        start()

    _stop(backend, then=start_again)
    now.state = "starting"


_none_ends = threading.Event()
"""Not set while a backend is being stopped: one that is started meanwhile must not be found in its place."""
_none_ends.set()


def _stop(backend: Backend, *, then: Callable[[], None]) -> None:
    reset()
    _none_ends.clear()
    main_thread.in_thread(lambda: _end(backend), done=lambda _: then(), failed=_failed)


def _end(backend: Backend) -> None:
    try:
        backend_process.stop(backend)
    finally:
        _none_ends.set()


def _ensure(data: Path) -> Backend:
    _none_ends.wait(END_S)
    return backend_process.ensure(data)


def moved() -> None:
    """The preferences name another backend: leave the one that is connected, without stopping it."""
    backend = now.backend
    reset()
    if backend is not None:
        # Threads that follow its jobs end with its client, and resume when it is connected again.
        backend.client.close()


def online_changed() -> None:
    """Blender's online access was turned on or off."""
    if now.address is not None and not (now.address.is_loopback or bpy.app.online_access):
        moved()


def reset() -> None:
    """Forget the backend."""
    global _attempt
    _attempt += 1
    now.state, now.backend, now.failure, now.address = "off", None, None, None


def _data_folder() -> Path:
    return preferences.data_folder() or backend_process.data_folder()


def describe(backend: Backend) -> Described:
    """The backend with its device, and what it can do. In a thread. Raises UserError."""
    capabilities = backend.client.capabilities()
    # It measures its device when it is asked for the first time.
    return (backend if backend.device is not None else backend_process.asked_again(backend)), capabilities


def _find(data: Path) -> Described | None:
    backend = backend_process.find(data)
    return describe(backend) if backend else None


def _connected(described: Described | None, address: Address | None) -> None:
    if described is not None:
        now.backend, now.capabilities = described
        now.state, now.failure, now.address = "on", None, address
        for callback in on_connected:
            callback()


def _refreshed(capabilities: Capabilities) -> None:
    now.capabilities = capabilities


def _failed(failure: Failure) -> None:
    now.state, now.backend, now.failure, now.address = "failed", None, failure, None
