# SPDX-License-Identifier: Apache-2.0
"""Check the weights on this machine: read every file again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from reangle.errors import UserError
from reangle.runtime.file_hashes import FileHashes
from reangle.weights.checkpoints import CHECKPOINTS, Checkpoint
from reangle.weights.download import recorded_hashes
from reangle.weights.identity import checkpoint_hash
from reangle.weights.registry import find_checkpoint, find_installed, locate, name_of
from reangle.weights.shipped import RESTORE, problem_of, shipped_files, shipped_folder
from reangle.weights.suites import known_checkpoint, suite_named


@dataclass(frozen=True)
class Verdict:
    """The result for one file, or for a whole checkpoint with file "". message: for people; advice: if not ok."""

    checkpoint: str
    file: str
    ok: bool
    message: str
    advice: str = ""


def verify(name: str | None, data: Path) -> list[Verdict]:
    """Check a suite, a checkpoint, or, for None, all weights on this machine. data: the data folder.

    Weights that come with Reangle are compared with `suite.json`, downloaded ones with the hashes of their download.
    For others, the verdict gives the hash of their content. Raises UserError for an unknown name.
    """
    if name is None:
        return _verify_all([known for known in CHECKPOINTS if locate(known, data)], data)
    if suite := suite_named(name):
        return _verify_all(suite.parts, data)
    if known := known_checkpoint(name):
        return _verify_known(known, data)
    folder = find_checkpoint(name, data)
    return [_hashed(name_of(str(folder)), folder, data)]


def _verify_all(checkpoints: Iterable[Checkpoint], data: Path) -> list[Verdict]:
    return [verdict for known in checkpoints for verdict in _verify_known(known, data)]


def _verify_known(known: Checkpoint, data: Path) -> list[Verdict]:
    try:
        if not known.shipped:
            folder = find_installed(known, data)
            recorded = recorded_hashes(folder)
            return _compared(known.name, folder, recorded, data) if recorded else [_hashed(known.name, folder, data)]
        files = shipped_files(known)
    except UserError as error:
        return [Verdict(known.name, "", False, error.message, error.advice)]
    verdicts = []
    for file in files:
        problem = problem_of(file, shipped_folder(known), read_again=True)
        message = problem or f"unchanged, {file.size:,} bytes, SHA-256 {file.sha256}"
        verdicts.append(Verdict(known.name, file.path, not problem, message, RESTORE if problem else ""))
    return verdicts


def _compared(name: str, folder: Path, recorded: Mapping[str, str], data: Path) -> list[Verdict]:
    verdicts, hashes = [], FileHashes(data)
    for file, sha256 in recorded.items():
        now = hashes.read(folder / file)
        ok = now == sha256
        message = f"as downloaded, SHA-256 {now}" if ok else f"{folder / file} has changed since it was downloaded"
        advice = "" if ok else f"Delete {folder}, then run `reangle models download {name}`."
        verdicts.append(Verdict(name, file, ok, message, advice))
    return verdicts


def _hashed(name: str, folder: Path, data: Path) -> Verdict:
    content = checkpoint_hash(folder, data, read_again=True)
    return Verdict(name, "", True, f"no published hash to compare with; content hash is {content}")
