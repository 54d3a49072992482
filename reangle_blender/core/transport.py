# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to the backend and their answers, over HTTP or TLS, and what can be wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import requests

from .address import Address
from .certificates import adapter_for, is_other_certificate, is_unknown_certificate
from .contract import ContractError, from_json, to_json
from .errors import UserError
from .files import CHUNK

CONNECT_TIMEOUT_S = 3.0
FAR_CONNECT_TIMEOUT_S = 10.0
"""For another machine."""
READ_TIMEOUT_S = 30.0

T = TypeVar("T")


class UnreachableError(UserError):
    """No backend answers, or not in time."""


class CertificateError(UnreachableError):
    """What answers does not prove that it is the backend. is_changed: a certificate was trusted before, and this is
    another one."""

    def __init__(self, message: str, *, advice: str, is_changed: bool) -> None:
        super().__init__(message, advice=advice)
        self.is_changed = is_changed


class UnauthorizedError(UserError):
    """A backend answers, but refuses the token."""


class VersionMismatchError(UserError):
    """The backend has another version of the contract."""


class RefusedError(UserError):
    """The backend refuses the request. missing: hashes of files that must be uploaded first."""

    def __init__(self, message: str, *, advice: str = "", status: int = 0, missing: tuple[str, ...] = ()) -> None:
        super().__init__(message, advice=advice)
        self.status = status
        self.missing = missing


class Transport:
    """The way to one backend. Raises the errors of this module."""

    def __init__(
        self,
        host: str,
        port: int,
        token: str,
        *,
        tls: bool = False,
        fingerprint: str = "",
        is_remote: bool = False,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> None:
        """fingerprint: as in `Address`. is_remote: the backend belongs to another machine, though a tunnel may lead
        there.

        Raises AddressError if the token would cross a network in the clear.
        """
        self._where = Address(host, port, tls, fingerprint)
        self._where.check_private()
        self.address = self._where.url
        self.is_remote = is_remote
        self._is_closed = False
        self._timeout_s = timeout_s
        self._connect_timeout_s = CONNECT_TIMEOUT_S if self._where.is_loopback else FAR_CONNECT_TIMEOUT_S
        self._session = requests.Session()
        if tls:
            self._session.mount("https://", adapter_for(self._where))
        # The environment's proxies and .netrc files do not apply to this machine.
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        """End the connection for good: threads that still use it get an UnreachableError."""
        self._is_closed = True
        self._session.close()

    def _chunks(self, answer: requests.Response) -> Iterator[bytes]:
        try:
            yield from answer.iter_content(CHUNK)
        except requests.RequestException as error:
            raise self._unreachable(error) from error

    def _post(self, address: str, request: object, timeout_s: float | None = None) -> requests.Response:
        headers = {"Content-Type": "application/json"}
        return self._ask("POST", address, data=to_json(request).encode(), headers=headers, timeout_s=timeout_s)

    def _get(self, cls: type[T], address: str, timeout_s: float | None = None) -> T:
        return self._parse(cls, self._ask("GET", address, timeout_s=timeout_s))

    def _parse(self, cls: type[T], answer: requests.Response) -> T:
        try:
            return read(cls, answer)
        except ContractError as error:
            raise VersionMismatchError(
                f"The backend's answer cannot be understood: {error.message}",
                advice="Install the add-on and the backend from the same version of Reangle.",
            ) from error

    def _ask(
        self,
        method: str,
        address: str,
        *,
        fine: tuple[int, ...] = (200, 201, 202),
        timeout_s: float | None = None,
        **more: Any,
    ) -> requests.Response:
        if self._is_closed:
            raise UnreachableError(
                f"The connection to {self.address} was ended.", advice="Connect again; jobs resume there."
            )
        try:
            answer = self._session.request(
                method,
                self.address + address,
                timeout=(self._connect_timeout_s, timeout_s or self._timeout_s),
                allow_redirects=False,
                **more,
            )
        except requests.RequestException as error:
            raise self._unreachable(error) from error
        if answer.status_code in fine:
            return answer
        with answer:
            raise _refusal(answer, is_remote=self.is_remote)

    def _unreachable(self, error: requests.RequestException) -> UserError:
        if is_other_certificate(error):
            return CertificateError(
                f"{self.address} shows another certificate than the one you trust, so nothing was sent.",
                advice="If the backend was set up anew, trust what it prints; else somebody may be in between.",
                is_changed=True,
            )
        if is_unknown_certificate(error):
            return CertificateError(
                f"Nothing vouches for the certificate of {self.address}, so nothing was sent.",
                advice="Enter the fingerprint that the backend prints, or test the connection to compare it.",
                is_changed=False,
            )
        if isinstance(error, requests.exceptions.SSLError):
            message = f"The program at {self.address} does not speak https."
        elif isinstance(error, requests.Timeout):
            message = f"The backend at {self.address} does not answer in time."
        else:
            message = f"The backend at {self.address} cannot be reached."
        advice = "Start the backend in the Clip panel; jobs resume there."
        if self.is_remote:
            advice = "Check that the backend runs there, its address, and the tunnel or firewall between."
        return UnreachableError(message, advice=advice)


def read(cls: type[T], answer: requests.Response) -> T:
    """The response's body. Fields that only a newer backend knows are ignored."""
    return from_json(cls, answer.content, ignore_unknown=True)


def _refusal(answer: requests.Response, *, is_remote: bool) -> UserError:
    try:
        body = answer.json()
        message, advice = str(body["error"]["message"]), str(body["error"].get("advice", ""))
        missing = tuple(str(sha256) for sha256 in body.get("missing") or ())
    except (ValueError, KeyError, TypeError, AttributeError, requests.RequestException):
        message, advice, missing = f"The backend answered {answer.status_code} {answer.reason}.", "", ()
    if answer.status_code == 401:
        advice = "Start the backend again; if that does not help, end other copies of Reangle."
        if is_remote:
            advice = "Enter the token that the backend prints when it starts."
        return UnauthorizedError("The backend refuses this add-on's token.", advice=advice)
    return RefusedError(message, advice=advice, status=answer.status_code, missing=missing)
