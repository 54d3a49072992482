# SPDX-License-Identifier: Apache-2.0
"""The certificate of a backend that other machines reach over TLS, and the token that it keeps.

Both lie in `remote/` of the data folder, readable by its owner only. The certificate signs itself: clients know it by
its fingerprint, so nobody else has to vouch for it.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import ssl
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from reangle.errors import UserError
from reangle.runtime.data_folder import write_atomically
from reangle.runtime.private_folder import make_private

FOLDER = "remote"
YEARS = 20
"""How long the certificate is valid. It is trusted for its fingerprint, so a short time would protect nobody."""
_TOKEN_BYTES = 32


@dataclass(frozen=True)
class Certificate:
    """A certificate and its private key, as PEM files."""

    chain: Path
    key: Path

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate: 64 hex digits in pairs, as `openssl x509 -fingerprint -sha256` prints them."""
        digest = hashlib.sha256(_first_certificate(self.chain)).hexdigest().upper()
        return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))

    def context(self) -> ssl.SSLContext:
        """The server's side of TLS 1.2 and 1.3. Raises UserError if the files cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            # Without a password it would ask on the terminal for that of an encrypted key.
            context.load_cert_chain(self.chain, self.key, password="")
        except (OSError, ValueError) as error:
            raise UserError(
                f"The certificate {self.chain} cannot be used with the key {self.key}: {_reason(error)}.",
                advice="Give --cert and --key a certificate and its private key without a password, both as PEM.",
            ) from error
        return context


def own_certificate(data: Path, names: Collection[str]) -> Certificate:
    """The data folder's own certificate, made at the first call. names: host names and addresses to write into it."""
    folder = _folder(data)
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    if not (made.chain.is_file() and made.key.is_file()):
        chain, key = _make(names)
        write_atomically(made.key, key, owner_only=True)
        write_atomically(made.chain, chain)
    return made


def kept_token(data: Path) -> str:
    """The token that stays the same over restarts, so that a client on another machine needs it only once."""
    path = _folder(data) / "token"
    try:
        token = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        token = ""
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read: {_reason(error)}.", advice="Remove it: a new token is made."
        ) from error
    if len(token) < _TOKEN_BYTES:
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        write_atomically(path, token.encode(), owner_only=True)
    return token


def _folder(data: Path) -> Path:
    folder = data / FOLDER
    make_private(folder)
    return folder


def _make(names: Collection[str]) -> tuple[bytes, bytes]:
    """Certificate and key as PEM."""
    # Imported here: a backend of this machine alone starts without it.
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError as error:
        raise UserError(
            f"No certificate can be made: {error}.", advice="Install the backend again, or give --cert and --key."
        ) from error

    def general(name: str) -> x509.GeneralName:
        try:
            return x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            return x509.DNSName(name)

    key = ec.generate_private_key(ec.SECP256R1())
    about = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Reangle backend")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(about)
        .issuer_name(about)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # the clock of the other machine may be behind
        .not_valid_after(now + timedelta(days=365 * YEARS))
        .add_extension(x509.SubjectAlternativeName([general(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def _first_certificate(chain: Path) -> bytes:
    """The bytes of the certificate that is shown to clients. Raises UserError."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    try:
        text = chain.read_text(encoding="ascii", errors="replace")
        return ssl.PEM_cert_to_DER_cert(text[text.index(begin) : text.index(end) + len(end)] + "\n")
    except (OSError, ValueError) as error:
        raise UserError(
            f"{chain} holds no certificate as PEM: {_reason(error)}.", advice="Give --cert another file."
        ) from error


def _reason(error: BaseException) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
