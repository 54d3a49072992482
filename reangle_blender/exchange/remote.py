# SPDX-License-Identifier: GPL-3.0-or-later
"""A test of the connection to another computer's backend, and the certificate that the artist is asked about. Main
thread only; the network is used in threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from .. import preferences
from ..core import backend_process
from ..core.address import Address, fingerprint_at, read_printed, shown_fingerprint
from ..core.backend_process import Backend
from ..core.errors import UserError
from ..core.transport import FAR_CONNECT_TIMEOUT_S, CertificateError
from . import connection, main_thread
from .main_thread import Failure


@dataclass
class Test:
    """state: "off", "asking", "good" or "bad". found: while "good". failure: while "bad".

    certificate: fingerprint that the address shows and that is not trusted yet, 64 hex digits, or "". is_changed:
    another one was trusted before.
    """

    state: str = "off"
    found: Backend | None = None
    failure: Failure | None = None
    certificate: str = ""
    is_changed: bool = False


class _UnknownCertificateError(Exception):
    """certificate: what the address shows."""

    def __init__(self, error: CertificateError, certificate: str) -> None:
        super().__init__(str(error))
        self.error, self.certificate = error, certificate


now = Test()
_latest: threading.Event | None = None
"""Set when the running test is no longer of interest."""


def test() -> None:
    """Connect to the chosen address for a moment, in a thread. Raises UserError for what cannot be tried."""
    global _latest
    address, token = connection.chosen_address(), preferences.get().backend_token
    forget()
    now.state, _latest = "asking", threading.Event()
    main_thread.in_thread(lambda: _ask(address, token), done=_current(_latest, _good), failed=_current(_latest, _bad))


def _current(over: threading.Event, then: Callable[..., None]) -> Callable[..., None]:
    return lambda result: None if over.is_set() else then(result)


def _ask(address: Address, token: str) -> Backend:
    try:
        backend = backend_process.connect(address, token)
    except CertificateError as error:
        shown = ""
        with suppress(OSError):
            shown = fingerprint_at(address, FAR_CONNECT_TIMEOUT_S)
        raise _UnknownCertificateError(error, shown) from error
    try:
        return connection.describe(backend)[0]
    finally:
        backend.client.close()


def _good(found: Backend) -> None:
    now.state, now.found = "good", found


def _bad(failure: Failure) -> None:
    now.state = "bad"
    if isinstance(failure.error, _UnknownCertificateError):
        now.certificate, now.is_changed = failure.error.certificate, failure.error.error.is_changed
        failure = Failure(failure.error.error)
    now.failure = failure


def trust() -> None:
    """Accept the certificate that the test found from now on, and no other. Raises UserError if there is none."""
    certificate = now.certificate
    if not certificate:
        raise UserError("No certificate was found.", advice="Test the connection first.")
    preferences.get().backend_fingerprint = shown_fingerprint(certificate)
    test()


def paste(text: str) -> None:
    """Take address, token and fingerprint from what the backend printed. Raises AddressError."""
    printed = read_printed(text)
    chosen = preferences.get()
    chosen.backend_url, chosen.backend_token = printed["url"], printed["token"]
    chosen.backend_fingerprint = printed["fingerprint"]


def forget() -> None:
    """Drop what an earlier test found."""
    global _latest
    if _latest is not None:
        _latest.set()
        _latest = None
    now.state, now.found, now.failure, now.certificate, now.is_changed = "off", None, None, "", False
