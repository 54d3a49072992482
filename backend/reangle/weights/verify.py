# SPDX-License-Identifier: Apache-2.0
"""Whether the weights on this machine are what they should be: every file is read again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reangle.errors import UserError
from reangle.weights.checkpoints import Checkpoint
from reangle.weights.identity import checkpoint_hash
from reangle.weights.registry import find_checkpoint, find_installed, locate, name_of
from reangle.weights.shipped import RESTORE, comes_later, problem_of, shipped_files, shipped_folder
from reangle.weights.suites import CHECKPOINTS, known_checkpoint, suite_named


@dataclass(frozen=True)
class Verdict:
    """What was found of one file, or of a whole checkpoint with file "". message: for people; advice: if not ok."""

    checkpoint: str
    file: str
    ok: bool
    message: str
    advice: str = ""


def verify(name: str | None, data: Path) -> list[Verdict]:
    """Read again and judge a suite, a checkpoint, or all weights that are on this machine. data: the data folder.

    Weights that come with the backend are compared with what was shipped, and belong here. For the others nothing is
    published to compare with: the hash of their content is told. Raises UserError for a name that is not known.
    """
    if name is None:
        return _verify_all([known for known in CHECKPOINTS if locate(known, data)], data)
    if suite := suite_named(name):
        return _verify_all(suite.checkpoints.values(), data)
    if known := known_checkpoint(name):
        return _verify_known(known, data)
    folder = find_checkpoint(name, data)
    return [_hashed(name_of(str(folder)), folder)]


def _verify_all(checkpoints: Iterable[Checkpoint], data: Path) -> list[Verdict]:
    due = (known for known in checkpoints if not comes_later(known))
    return [verdict for known in due for verdict in _verify_known(known, data)]


def _verify_known(known: Checkpoint, data: Path) -> list[Verdict]:
    try:
        if not known.shipped:
            return [_hashed(known.name, find_installed(known, data))]
        files = shipped_files(known)
    except UserError as error:
        return [Verdict(known.name, "", False, error.message, error.advice)]
    verdicts = []
    for file in files:
        problem = problem_of(file, shipped_folder(known), read_again=True)
        message = problem or f"as shipped, {file.size:,} bytes, SHA-256 {file.sha256}"
        verdicts.append(Verdict(known.name, file.path, not problem, message, RESTORE if problem else ""))
    return verdicts


def _hashed(name: str, folder: Path) -> Verdict:
    content = checkpoint_hash(folder, read_again=True)
    return Verdict(name, "", True, f"no published hash to compare with; content hash is {content}")
