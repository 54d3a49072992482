# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a backend on another machine is, as the artist writes it, and by what its certificate is known.

The token and the clip cross a network over TLS alone. Plain http is for this machine, where a tunnel by ssh begins.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from .errors import UserError

TLS_PORT = 8443
"""Of a backend that is started without another one."""
_HEX = re.compile(r"[0-9a-f]{64}")
_BETWEEN = re.compile(r"[\s:.-]+")


class AddressError(UserError):
    """The address, the token or the fingerprint is not usable as it is written."""


@dataclass(frozen=True)
class Address:
    """fingerprint: SHA-256 of the one certificate that is accepted, 64 hex digits; "" accepts those that the system
    trusts. It has a meaning with tls alone."""

    host: str
    port: int
    tls: bool = False
    fingerprint: str = ""

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine. A name is not, whatever it resolves to."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def check_private(self) -> None:
        """Raise AddressError if the token would cross a network in the clear."""
        if not (self.tls or self.is_loopback):
            raise AddressError(
                f"{self.url} is not this machine, and over http everybody on the way reads your clips and the token.",
                advice="Write https:// and start the backend there with `reangle serve --tls`, or use a tunnel by ssh.",
            )


def read_address(url: str, fingerprint: str = "") -> Address:
    """The address that the artist wrote. Raises AddressError, also for one that would be used in the clear."""
    text = url.strip()
    if not text:
        raise AddressError("The address of the backend is empty.", advice="Write it as https://NAME:8443.")
    if "://" not in text:
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        raise _unreadable(url) from error
    is_bare = parts.path in ("", "/") and not (parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme not in ("http", "https") or not host or not is_bare or not host.isprintable() or " " in host:
        raise _unreadable(url)
    tls = parts.scheme == "https"
    if port is None and not tls:
        raise AddressError(f"The address {url.strip()} has no port.", advice="Write it as http://127.0.0.1:PORT.")
    address = Address(
        # The name could be given another meaning; the address cannot.
        host="127.0.0.1" if host == "localhost" else host,
        port=TLS_PORT if port is None else port,
        tls=tls,
        fingerprint=read_fingerprint(fingerprint) if tls else "",
    )
    address.check_private()
    return address


def _unreadable(url: str) -> AddressError:
    return AddressError(f"{url.strip()[:100]} is no address of a backend.", advice="Write it as https://NAME:8443.")


def read_fingerprint(text: str) -> str:
    """64 hex digits, however they are parted; "" for none. Raises AddressError."""
    digits = _BETWEEN.sub("", text.lower().removeprefix("sha256"))
    if digits and not _HEX.fullmatch(digits):
        raise AddressError(
            "The fingerprint is not the SHA-256 of a certificate, which has 64 hex digits.",
            advice="Copy the whole line that `reangle serve --tls` prints.",
        )
    return digits


def shown_fingerprint(digits: str) -> str:
    """As `reangle serve --tls` and openssl print it: AB:CD:..."""
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2)).upper()


def fingerprint_at(address: Address, timeout_s: float) -> str:
    """The fingerprint of the certificate that this address shows now, for the artist to compare. Sends nothing.

    Raises OSError.
    """
    certificate = ssl.get_server_certificate((address.host, address.port), timeout=timeout_s)
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()


_LINES = {
    "url": re.compile(r"^\s*Address:\s*(\S+)", re.MULTILINE | re.IGNORECASE),
    "token": re.compile(r"^\s*Token:\s*(\S+)", re.MULTILINE | re.IGNORECASE),
    "fingerprint": re.compile(r"^\s*Fingerprint:\s*(\S+)", re.MULTILINE | re.IGNORECASE),
}


def read_printed(text: str) -> dict[str, str]:
    """What `reangle serve --tls` printed: url, token and, with TLS, fingerprint. Raises AddressError."""
    found = {name: match[1] for name, line in _LINES.items() if (match := line.search(text[:10_000]))}
    if not {"url", "token"} <= found.keys():
        raise AddressError(
            "The clipboard does not hold what a backend printed.",
            advice="Copy the lines from Address to Fingerprint that `reangle serve --tls` prints.",
        )
    return {"fingerprint": "", **found}
