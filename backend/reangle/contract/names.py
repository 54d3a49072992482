# SPDX-License-Identifier: Apache-2.0
"""Names that become file names, job ids and hashes."""

from __future__ import annotations

import re
import unicodedata
import uuid
from typing import Annotated

from .errors import ContractError, printable
from .fields import Convert, Pattern

MAX_NAME_BYTES = 120

_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_RESERVED = re.compile(r"(con|prn|aux|nul|(com|lpt)[1-9]) *(\..*)?", re.IGNORECASE)


def check_file_name(name: str) -> str:
    """The name in NFC. Raises ContractError if some system could not store it as one file name."""
    name = unicodedata.normalize("NFC", name)
    if not name or name != name.strip() or name.endswith("."):
        raise _unfit(name, "it is empty, starts or ends with a space, or ends with a dot")
    if _FORBIDDEN.search(name):
        raise _unfit(name, 'it has a control character or one of < > : " / \\ | ? *')
    if len(name.encode("utf-8", errors="replace")) > MAX_NAME_BYTES:
        raise _unfit(f"{name[:40]}...", f"it is longer than {MAX_NAME_BYTES} bytes")
    if _RESERVED.fullmatch(name):
        raise _unfit(name, "Windows reserves it")
    if printable(name) != name:
        raise _unfit(name, "it is not valid Unicode")
    return name


def file_name_from(label: str) -> str:
    """The nearest name that `check_file_name` accepts. label: any text, such as a Blender object's name."""
    name = unicodedata.normalize("NFC", printable(label))
    name = _FORBIDDEN.sub("_", name).encode("utf-8")[:MAX_NAME_BYTES].decode("utf-8", errors="ignore")
    name = name.strip().rstrip(". ") or "camera"
    return f"{name[:100]}_".replace(".", "_") if _RESERVED.fullmatch(name) else name


def new_job_id() -> str:
    """A fresh job id. The client makes it, so that sending a request twice is one job."""
    return uuid.uuid4().hex


def _unfit(name: str, why: str) -> ContractError:
    return ContractError(f"{name!r} cannot be a file name: {why}", advice="Choose another name.")


FileName = Annotated[str, Convert(check_file_name)]
Sha256 = Annotated[str, Pattern(r"[0-9a-f]{64}", "64 lower-case hexadecimal digits")]
JobId = Annotated[str, Pattern(r"[0-9a-f]{32}", "32 lower-case hexadecimal digits")]
