# SPDX-License-Identifier: Apache-2.0
"""Which code runs: an update that is installed under a running backend must not run under the old version's keys."""

from __future__ import annotations

import hashlib
from pathlib import Path

from reangle.errors import OutdatedError

_PACKAGE = Path(__file__).resolve().parents[1]


def check_code(began_with: str, advice: str) -> None:
    """Raise OutdatedError unless the code is still that of an earlier `code_hash`. advice: how to start anew."""
    try:
        same = code_hash() == began_with
    except OSError:
        same = False
    if not same:
        raise OutdatedError(advice)


def code_hash() -> str:
    """SHA-256 of all of the package's modules as they are on disk now, which takes some milliseconds.

    Raises OSError while files are being replaced.
    """
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(_PACKAGE).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()
