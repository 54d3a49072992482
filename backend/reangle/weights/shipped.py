# SPDX-License-Identifier: Apache-2.0
"""Weights that come with the backend: where they lie, and whether they are still what was shipped.

`suite.json` beside the roles' folders lists every file with its size and SHA-256. Nothing is used that differs from it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from reangle.errors import UserError
from reangle.weights.checkpoints import Checkpoint
from reangle.weights.identity import file_hash
from reangle.weights.suites import CHECKPOINTS

PACKAGE = Path(__file__).parent
LATER = "Nothing in this version needs them; they come with a later one."
RESTORE = "Restore it from the repository, or run scripts/install_backend.py again."


class NotShippedYetError(UserError):
    """A role that this version's list does not have."""


@dataclass(frozen=True)
class ShippedFile:
    """path: relative to the checkpoint's folder, with forward slashes. size: bytes."""

    path: str
    sha256: str
    size: int


def shipped_folder(known: Checkpoint) -> Path:
    """Where a shipped checkpoint lies, whether or not it is there."""
    return PACKAGE / known.shipped


def shipped_at(folder: Path) -> Checkpoint | None:
    """The shipped checkpoint whose folder this is."""
    there = folder.resolve()
    return next((one for one in CHECKPOINTS if one.shipped and shipped_folder(one).resolve() == there), None)


def shipped_files(known: Checkpoint) -> tuple[ShippedFile, ...]:
    """What `suite.json` lists for a shipped checkpoint. Raises UserError if it cannot be read or does not list it."""
    suite, _, role = known.shipped.partition("/")
    path = PACKAGE / suite / "suite.json"
    try:
        checkpoints = json.loads(path.read_text(encoding="utf-8"))["checkpoints"]
        if role not in checkpoints:
            raise NotShippedYetError(f"The weights {known.name} are not part of this version yet.", advice=LATER)
        listed = checkpoints[role]["files"]
        files = tuple(ShippedFile(name, about["sha256"], about["size"]) for name, about in listed.items())
        if not files:
            raise KeyError(role)
    except FileNotFoundError:
        raise UserError(f"The weights {known.name} are not there: {path} is missing.", advice=RESTORE) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} does not list the weights {known.name}: {error!r}.", advice=RESTORE) from error
    return files


def comes_later(known: Checkpoint) -> bool:
    """Whether a checkpoint is to come with the backend, and is not in this version's list at all."""
    try:
        if known.shipped:
            shipped_files(known)
    except NotShippedYetError:
        return True
    except UserError:
        return False
    return False


def problem_of(file: ShippedFile, folder: Path, *, read_again: bool = False) -> str:
    """What is wrong with a shipped file, in one sentence; "" if nothing is.

    read_again: read the content even if this process has hashed a file of this size and time before.
    """
    path = folder / file.path
    try:
        size = path.stat().st_size
        if size != file.size:
            return f"{path} is not what was shipped: it has {size:,} bytes instead of {file.size:,}."
        if file_hash(path, read_again=read_again) != file.sha256:
            return f"{path} is not what was shipped: its content has changed."
    except FileNotFoundError:
        return f"{path} is missing."
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}."
    return ""


def check_shipped(known: Checkpoint) -> Path:
    """The folder of a shipped checkpoint, every file of it compared with `suite.json`.

    Content is read once in a process, until a file's size or time changes. Raises UserError naming the first file that
    is missing or has changed.
    """
    folder = shipped_folder(known)
    for file in shipped_files(known):
        if problem := problem_of(file, folder):
            raise UserError(f"The weights {known.name} that come with Reangle are broken: {problem}", advice=RESTORE)
    return folder
