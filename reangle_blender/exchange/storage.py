# SPDX-License-Identifier: GPL-3.0-or-later
"""The room that the connected backend's data folder takes, and cleaning up there. Main thread; the backend is asked in
threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.client import Client, RefusedError
from ..core.contract import Cleaned, CleanKind, CleanRequest, Storage
from . import connection
from .main_thread import Failure


@dataclass
class Shown:
    """state: "off", "asking", "known" or "failed". storage: as the backend said last. removed: bytes of the last
    clean-up, None before one."""

    state: str = "off"
    storage: Storage | None = None
    removed: int | None = None
    failure: Failure | None = None


now = Shown()


def refresh() -> None:
    """Measure. Raises UserError without a backend."""
    client = connection.client()
    now.state = "asking"
    connection.call(client, client.storage, done=lambda storage: _known(client, storage), failed=_failed)


def clean(what: Sequence[CleanKind], days: int) -> None:
    """Remove what no job needs. Raises UserError without a backend."""
    client, request = connection.client(), CleanRequest(tuple(what), days)
    now.state = "asking"
    connection.call(
        client, lambda: client.clean(request), done=lambda cleaned: _cleaned(client, cleaned), failed=_failed
    )


def connected() -> None:
    """A backend was connected: what is known is of another one, perhaps."""
    forget()
    refresh()


def forget() -> None:
    now.state, now.storage, now.removed, now.failure = "off", None, None, None


def _known(client: Client, storage: Storage) -> None:
    if connection.now.backend is not None and connection.now.backend.client is client:
        now.state, now.storage, now.failure = "known", storage, None


def _cleaned(client: Client, cleaned: Cleaned) -> None:
    _known(client, cleaned.storage)
    now.removed = cleaned.size


def _failed(failure: Failure) -> None:
    if isinstance(failure.error, RefusedError) and failure.error.status == 404:
        now.state = "off"  # an older backend cannot tell
        return
    now.state, now.failure = "failed", failure
