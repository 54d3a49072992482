# SPDX-License-Identifier: GPL-3.0-or-later
"""Which certificate of a backend is accepted: the one with the fingerprint that the artist trusts, or without such, any
that the system trusts for the name. A connection that shows another one ends before anything is sent.
"""

from __future__ import annotations

import ssl
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from .address import Address


def adapter_for(address: Address) -> HTTPAdapter:
    """For https connections to this address."""
    return _PinnedAdapter(address.fingerprint) if address.fingerprint else _SystemAdapter()


class _PinnedAdapter(HTTPAdapter):
    """The fingerprint says more than an authority could, so a certificate needs none: a backend signs its own."""

    def __init__(self, fingerprint: str) -> None:
        self._fingerprint = fingerprint
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        # A context of its own: the one that some versions of requests share insists on authorities and names.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        super().init_poolmanager(
            *arguments, **options, ssl_context=context, cert_reqs="CERT_NONE", assert_fingerprint=self._fingerprint
        )

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Called for each request, and would ask for an authority. urllib3 compares the fingerprint instead."""
        conn.cert_reqs = "CERT_NONE"
        conn.assert_fingerprint = self._fingerprint


class _SystemAdapter(HTTPAdapter):
    """Also trusts the authorities of the system, such as a company's, beside those that Blender brings."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options, ssl_context=ssl.create_default_context())


def is_other_certificate(error: requests.RequestException) -> bool:
    """Whether the certificate has another fingerprint than the trusted one."""
    return isinstance(error, requests.exceptions.SSLError) and "Fingerprints did not match" in str(error)


def is_unknown_certificate(error: requests.RequestException) -> bool:
    """Whether the system does not trust the certificate for this name."""
    words = ("CERTIFICATE_VERIFY_FAILED", "doesn't match", "does not match", "match either of")
    return isinstance(error, requests.exceptions.SSLError) and any(part in str(error) for part in words)
