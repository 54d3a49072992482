# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and ids that both sides of the contract take."""

from __future__ import annotations

import re
import unicodedata
import uuid

from .wire import ContractError

_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_RESERVED = re.compile(r"(con|prn|aux|nul|(com|lpt)[1-9]) *(\..*)?", re.IGNORECASE)
_MAX_NAME_BYTES = 120


def require(condition: bool, message: str, advice: str = "") -> None:
    """Raises ContractError unless the condition holds."""
    if not condition:
        raise ContractError(message, advice=advice)


def check_file_name(name: str) -> str:
    """The name in NFC; ContractError if some system could not store it as one file name of at most 120 bytes."""
    name = unicodedata.normalize("NFC", name)
    encoded = name.encode("utf-8", errors="replace")
    advice = "Give it another name."
    require(bool(name) and name == name.strip() and name[-1] != ".", f"The name {name!r} has loose ends.", advice)
    require(not _FORBIDDEN.search(name), f"The name {name!r} holds a character that file names cannot have.", advice)
    require(len(encoded) <= _MAX_NAME_BYTES, f"The name {name[:40]!r}... is longer than 120 bytes.", advice)
    require(not _RESERVED.fullmatch(name), f"The name {name!r} is reserved on Windows.", advice)
    require(encoded.decode("utf-8") == name, "The name is not valid Unicode.", advice)
    return name


def file_name_from(label: str) -> str:
    """The nearest name that `check_file_name` accepts; Blender's own names may hold anything."""
    name = unicodedata.normalize("NFC", label.encode("utf-8", errors="replace").decode("utf-8"))
    name = _FORBIDDEN.sub("_", name).encode("utf-8")[:_MAX_NAME_BYTES].decode("utf-8", errors="ignore")
    name = name.strip().rstrip(". ") or "camera"
    return f"{name[:100]}_".replace(".", "_") if _RESERVED.fullmatch(name) else name


def new_job_id() -> str:
    """32 hex digits, made by the client so that sending twice is one job."""
    return uuid.uuid4().hex


def check_id(job: str) -> None:
    """Raises ContractError if it is no job's id."""
    require(bool(re.fullmatch(r"[0-9a-f]{32}", job)), f"{job!r} is not a job's id: 32 hex digits.")


def check_sha256(sha256: str) -> None:
    """Raises ContractError if it is no SHA-256."""
    require(bool(re.fullmatch(r"[0-9a-f]{64}", sha256)), f"{sha256!r} is not a SHA-256: 64 hex digits.")
