# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights that the backend downloads: ask for them, follow, cancel. Main thread; waiting is in threads."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from .. import preferences, weights
from ..core.client import Client, UnreachableError
from ..core.contract import DownloadRequest, Downloads, DownloadStatus, JobError
from ..core.contract.capabilities import PartInfo
from ..core.errors import UserError
from ..core.files import CanceledError
from . import connection, main_thread
from .main_thread import Failure

WAIT_S = 10.0
REPORT_EVERY_S = 0.2
TRIES = 5

statuses: dict[str, DownloadStatus] = {}
"""By the name of the weights, as the backend said last."""

_follower: threading.Event | None = None
"""Ends the thread that follows the downloads; None while there is none."""


def request(part: PartInfo, *, licence_accepted: bool) -> None:
    """Ask the backend to download weights, and follow it.

    Raises UserError if the backend is not running, preferences do not allow it, or the licence was not accepted.
    """
    client = connection.client()
    weights.check_download(part)
    if not part.commercial_ok and not licence_accepted:
        raise UserError(
            f"The licence of {part.label} must be accepted first: {part.licence}.",
            advice=f"Read it at {part.page}, then tick that you accept it.",
        )
    wanted = DownloadRequest(
        part.name,
        accepted_licences=(part.licence,) if licence_accepted else (),
        commercial_only=preferences.get().commercial_only,
    )
    asked = DownloadStatus(part.name, part.label, part.licence, "queued", time.time(), size=part.size)
    statuses[part.name] = asked

    def accepted(new: tuple[DownloadStatus, ...]) -> None:
        statuses.update({status.name: status for status in new})
        if not new:
            # They are there already, as after a copy by hand.
            statuses.pop(part.name, None)
            connection.refresh()
        follow()

    connection.call(
        client,
        lambda: client.request_download(wanted),
        done=accepted,
        failed=lambda failure: _show_failure(asked, failure),
    )


def cancel(name: str) -> None:
    """Cancel a download; what has come is kept. Raises UserError if there is none, or the backend is not running."""
    client = connection.client()
    status = statuses.get(name)
    if status is None or status.is_final:
        about = f"No download of {name} is under way." if name else "No weights are named."
        raise UserError(about, advice="There is nothing to cancel.")

    def failed(failure: Failure) -> None:
        if name in statuses:
            _show_failure(statuses[name], failure)

    # The thread that follows the downloads reports its end.
    connection.call(client, lambda: client.cancel_download(name), done=lambda _: None, failed=failed)


def resume() -> None:
    """After the backend connected: show what it downloads."""
    if _follower is None:
        statuses.clear()
        follow()


def follow() -> None:
    """Show the backend's downloads until none is under way."""
    global _follower
    if _follower is not None or connection.now.backend is None:
        return
    client, stop = connection.now.backend.client, threading.Event()
    _follower = stop

    def ended(_: object) -> None:
        global _follower
        if _follower is stop:
            _follower = None
            # One that was asked for after the last answer.
            if any(not status.is_final for status in statuses.values()):
                follow()

    def failed(failure: Failure) -> None:
        global _follower
        if _follower is stop:
            # They continue in the backend; the next connection shows them again.
            _follower = None
            statuses.clear()

    connection.call(client, lambda: _follow(client, stop), done=ended, failed=failed)


def _follow(client: Client, stop: threading.Event) -> None:
    """Wait in a thread until no download is under way, and post each state."""
    tries, last = 0, 0
    while not stop.is_set():
        try:
            answer = client.downloads(last, wait_s=WAIT_S)
        except UnreachableError:
            tries += 1
            if tries == TRIES:
                raise
            stop.wait(1.0)
            continue
        tries, last = 0, answer.last
        main_thread.post(lambda answer=answer: _apply(answer, stop))
        if all(status.is_final for status in answer.downloads):
            return
        stop.wait(REPORT_EVERY_S)
    raise CanceledError


def _apply(answer: Downloads, stop: threading.Event) -> None:
    if stop.is_set():
        return
    came = [status.name for status in answer.downloads if status.state == "done"]
    new = [name for name in came if name not in statuses or statuses[name].state != "done"]
    statuses.update({status.name: status for status in answer.downloads})
    if new:
        # What they make possible can be chosen now.
        connection.refresh()


def _show_failure(status: DownloadStatus, failure: Failure) -> None:
    error = JobError(failure.message, failure.advice, failure.traceback)
    statuses[status.name] = replace(status, state="failed", error=error)


def forget() -> None:
    """Stop following; the downloads continue in the backend."""
    global _follower
    if _follower is not None:
        _follower.set()
        _follower = None
    statuses.clear()
