# SPDX-License-Identifier: Apache-2.0
"""Which versions of Reangle can use a data folder: `format.json` in it tells."""

from __future__ import annotations

import json
from pathlib import Path

from reangle.errors import UserError
from reangle.runtime.data_folder import write_atomically
from reangle.version import VERSION

FORMAT = 1
"""Raise it when `artifact.SCHEMA`, `job_reader.SCHEMA` or the folder's layout changes so that an older Reangle would
misread or destroy something, and bring older folders up to date in `keep_format`."""

FILE_NAME = "format.json"


def check_format(folder: Path) -> int:
    """The folder's format, 0 without a record that can be read. Changes nothing.

    Raises UserError if a newer Reangle keeps the folder in a way that this one does not know.
    """
    found, version = _read(folder)
    if found > FORMAT:
        raise UserError(
            f"The data folder {folder} is kept by a newer Reangle ({version}), in a way that {VERSION} does not know. "
            "Nothing in it was changed.",
            advice="Update Reangle, or choose another data folder with REANGLE_DATA.",
        )
    return found


def keep_format(folder: Path) -> None:
    """Check the folder, and record FORMAT unless it has that record. Raises UserError and OSError."""
    if check_format(folder) != FORMAT:
        about = {"format": FORMAT, "version": VERSION}
        write_atomically(folder / FILE_NAME, json.dumps(about).encode())


def _read(folder: Path) -> tuple[int, str]:
    """The folder's format, and the version that recorded it; 0 without a record that can be read."""
    try:
        about = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
        return int(about["format"]), str(about.get("version", "of unknown version"))
    # Whoever may not read it is told so by what comes next.
    except (FileNotFoundError, NotADirectoryError, PermissionError, ValueError, KeyError, TypeError, AttributeError):
        return 0, ""
