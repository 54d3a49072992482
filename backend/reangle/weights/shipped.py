# SPDX-License-Identifier: Apache-2.0
"""Weights that come with Reangle: where they are, and whether they have changed since.

`suite.json` beside the roles' folders lists every file with its size and SHA-256. A file that differs is never used.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from reangle.errors import UserError
from reangle.weights.checkpoints import CHECKPOINTS, Checkpoint
from reangle.weights.identity import file_hash

PACKAGE = Path(__file__).parent
RESTORE = "Restore it from the repository, or install the backend again."


@dataclass(frozen=True)
class ShippedFile:
    """path: relative to the checkpoint's folder, with forward slashes. size: bytes."""

    path: str
    sha256: str
    size: int


def shipped_folder(known: Checkpoint) -> Path:
    """Where a shipped checkpoint belongs."""
    return PACKAGE / known.shipped


def shipped_at(folder: Path) -> Checkpoint | None:
    """The shipped checkpoint whose folder this is."""
    folder = folder.resolve()
    return next((one for one in CHECKPOINTS if one.shipped and shipped_folder(one).resolve() == folder), None)


def shipped_files(known: Checkpoint) -> tuple[ShippedFile, ...]:
    """The files that `suite.json` lists for a shipped checkpoint. Raises UserError if it does not list them."""
    suite, _, role = known.shipped.partition("/")
    path = PACKAGE / suite / "suite.json"
    try:
        checkpoints = json.loads(path.read_text(encoding="utf-8"))["checkpoints"]
        listed = checkpoints[role]["files"]
        files = tuple(ShippedFile(name, file["sha256"], file["size"]) for name, file in listed.items())
        if not files:
            raise KeyError(role)
    except FileNotFoundError:
        raise UserError(f"The weights {known.name} cannot be used: {path} is missing.", advice=RESTORE) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} does not list the weights {known.name}: {error!r}.", advice=RESTORE) from error
    return files


def problem_of(file: ShippedFile, folder: Path, *, read_again: bool = False) -> str:
    """What is wrong with a shipped file, in one sentence; "" if nothing is.

    read_again: as for `file_hash`.
    """
    path = folder / file.path
    try:
        size = path.stat().st_size
        if size != file.size:
            return f"{path} has changed: {size:,} bytes instead of {file.size:,}."
        if file_hash(path, read_again=read_again) != file.sha256:
            return f"The content of {path} has changed."
    except FileNotFoundError:
        return f"{path} is missing."
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}."
    return ""


def check_shipped(known: Checkpoint) -> Path:
    """The folder of a shipped checkpoint, after comparing its files with `suite.json`.

    Raises UserError naming the first file that is missing or has changed.
    """
    folder = shipped_folder(known)
    for file in shipped_files(known):
        if problem := problem_of(file, folder):
            raise UserError(f"The weights {known.name} that come with Reangle are broken: {problem}", advice=RESTORE)
    return folder
