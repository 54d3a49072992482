# SPDX-License-Identifier: Apache-2.0
"""Names and hashes that end up as file names, and the base of all wire models."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')


def check_file_name(name: str) -> str:
    """Return the name in NFC, or raise ValueError if some system could not store it as one file name."""
    name = unicodedata.normalize("NFC", name)
    if not name or name != name.strip() or name in (".", "..") or name.endswith("."):
        raise ValueError(f"{name!r} cannot be a file name: it is empty, or starts or ends with a space or a dot")
    if _FORBIDDEN.search(name):
        raise ValueError(f'{name!r} cannot be a file name: it holds a control character or one of < > : " / \\ | ? *')
    if len(name.encode("utf-8")) > 120:
        raise ValueError(f"{name[:40]!r}... cannot be a file name: it is longer than 120 bytes")
    if name.split(".")[0].rstrip().lower() in _RESERVED:
        raise ValueError(f"{name!r} cannot be a file name: Windows reserves it")
    if any(0xD800 <= ord(character) <= 0xDFFF for character in name):
        raise ValueError("the name is not valid Unicode")
    return name


FileName = Annotated[str, AfterValidator(check_file_name)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
JobId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


class WireModel(BaseModel):
    """Frozen; unknown fields, NaN and infinity are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
