# SPDX-License-Identifier: Apache-2.0
"""Where the server listens, and by which names clients may address it.

Another machine reaches it only over TLS: the token and the artist's clips never cross a network in the clear.
"""

from __future__ import annotations

import argparse
import errno
import ipaddress
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from reangle.api.certificate import Certificate, kept_token, own_certificate
from reangle.api.serve_options import TLS_PORT
from reangle.api.server_file import ServerFile
from reangle.errors import UserError

LOOPBACK = "127.0.0.1"
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
QUEUE = 128
"""How many connections the system keeps until they are accepted."""


@dataclass(frozen=True)
class Reach:
    """Who can reach the server.

    host: the address that it listens on beside loopback; "" is loopback alone. tls: whether it speaks https.
    certificate, key: PEM files; None is the data folder's own. names: by which clients address this machine, beside its
    host name and addresses. keep_token: the token stays the same over restarts, as with tls.
    """

    host: str = ""
    tls: bool = False
    certificate: Path | None = None
    key: Path | None = None
    names: tuple[str, ...] = ()
    keep_token: bool = False

    def check(self) -> None:
        """Raise UserError for what is refused or cannot be."""
        if not self.tls and not all(is_loopback(address) for address in self.addresses()):
            raise UserError(
                f"--host {self.host} needs --tls: without it, your clips and the token would cross the network in the "
                "clear."
            )
        if (self.certificate is None) != (self.key is None):
            raise UserError("--cert and --key belong together.", advice="Give both, or neither.")
        if self.certificate is not None and not self.tls:
            raise UserError("--cert and --key need --tls.", advice="Add --tls.")

    def addresses(self) -> tuple[str, ...]:
        """What `host` stands for. Raises UserError if this machine does not know it."""
        if not self.host:
            return (LOOPBACK,)
        try:
            found = socket.getaddrinfo(self.host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except (OSError, UnicodeError) as error:
            raise UserError(
                f"--host {self.host} is no address: {error}.",
                advice="Give an address of this machine, or 0.0.0.0 for all.",
            ) from error
        return tuple(dict.fromkeys(str(about[4][0]) for about in found))

    def own_certificate(self, data: Path) -> Certificate | None:
        """Made if need be; None without TLS."""
        if not self.tls:
            return None
        if self.certificate is not None and self.key is not None:
            return Certificate(self.certificate, self.key)
        return own_certificate(data, sorted(self.allowed_names()))

    def token(self, data: Path) -> str:
        """The kept token; "" where a new one is made at each start."""
        return kept_token(data) if self.tls or self.keep_token else ""

    def allowed_names(self) -> frozenset[str]:
        """What a request's Host may be, in lower case and without port. A foreign one comes from a web page."""
        # "Everywhere" is no name: a web page can use it to reach this machine.
        own = [self.host.partition("%")[0], *own_names()] if self.host and self.tls else []
        own = [name for name in own if name not in ("0.0.0.0", "::")]
        return frozenset(name.lower() for name in (*LOOPBACK_NAMES, *own, *self.names))

    def listen(self, port: int) -> list[socket.socket]:
        """Listen on loopback and on `host`, all with one port. port: 0 takes a free one.

        Without TLS a port that is in use is replaced by a free one. Raises UserError, OSError.
        """
        addresses = self.addresses()
        wide = next((address for address in addresses if ipaddress.ip_address(address).is_unspecified), None)
        if wide is not None:
            return [self._bind(wide, port)]
        first = self._bind(LOOPBACK, port)
        others = [address for address in addresses[:1] if address != LOOPBACK]
        return [first, *(self._bind(address, first.getsockname()[1]) for address in others)]

    def words(self, about: ServerFile) -> str:
        """What the server prints when it is up."""
        host = self.host if self.host and not ipaddress.ip_address(self.addresses()[0]).is_unspecified else ""
        name = host or (socket.gethostname() if self.host else LOOPBACK)
        address = f"{'https' if self.tls else 'http'}://{f'[{name}]' if ':' in name else name}:{about.port}"
        lines = [f"Reangle backend on {address}"]
        if self.tls or self.keep_token:
            lines = [f"Address:     {address}", f"Token:       {about.token}"]
            lines += [f"Fingerprint: {about.fingerprint}"] if self.tls else []
            lines.append("Reangle backend is up")
        return "\n".join(lines)

    def _bind(self, address: str, port: int) -> socket.socket:
        # asyncio sends answers at once only if the socket names TCP; else each waits 40 ms for an acknowledgement.
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        # On Windows SO_REUSEADDR would let two programs share a port; elsewhere it only skips the wait after a restart.
        option = socket.SO_EXCLUSIVEADDRUSE if sys.platform == "win32" else socket.SO_REUSEADDR
        listener.setsockopt(socket.SOL_SOCKET, option, 1)
        if address == "::":  # everywhere is IPv4, too
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        try:
            try:
                listener.bind((address, port))
            except OSError as error:
                if port == 0 or self.tls or self.host or error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
                listener.bind((address, 0))
        except OSError as error:
            listener.close()
            if self.host or self.tls:
                # Clients elsewhere know the port, so no other one will do.
                raise UserError(
                    f"{address} port {port} cannot be listened on: {error.strerror}.",
                    advice="Choose another --port, or end the program that uses it.",
                ) from error
            raise
        listener.listen(QUEUE)
        return listener


def is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def own_names() -> list[str]:
    """Name and addresses of this machine, as another one may write them."""
    names = [socket.gethostname(), socket.getfqdn()]
    for addresses in psutil.net_if_addrs().values():
        names += [
            item.address.partition("%")[0] for item in addresses if item.family in (socket.AF_INET, socket.AF_INET6)
        ]
    return [name.lower() for name in dict.fromkeys(names) if name and name.isascii()]


def reach_of(options: argparse.Namespace) -> Reach:
    """What the options say. Raises UserError for what is refused."""
    reach = Reach(options.host, options.tls, options.cert, options.key, tuple(options.name), options.keep_token)
    reach.check()
    return reach


def port_of(options: argparse.Namespace) -> int:
    if options.port is not None:
        return options.port
    return TLS_PORT if options.tls else 0
