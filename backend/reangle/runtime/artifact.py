# SPDX-License-Identifier: Apache-2.0
"""What is published of a stage: a folder, and the list of its files."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from reangle.contract import ContractError, ResultFile, from_data
from reangle.runtime.stage import StageWarning

SCHEMA = 1
ARTIFACT_FILE = "artifact.json"
GONE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EIO)
"""Errors by which a file is missing or lost for good. Others, as without a free descriptor, prove nothing."""


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_or_nothing(path: Path) -> str:
    """ "" for a file that is missing or that the disk cannot read. Raises OSError if it is only out of reach now."""
    try:
        return hash_file(path)
    except OSError as error:
        if error.errno in GONE:
            return ""
        raise


def seconds_taken(folder: Path) -> float | None:
    """How long the stage that wrote this folder ran; None if the folder is no artifact."""
    try:
        return json.loads((folder / ARTIFACT_FILE).read_text(encoding="utf-8"))["about"].get("seconds")
    except FileNotFoundError:
        return None


def list_files(folder: Path) -> tuple[ResultFile, ...]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    with ThreadPoolExecutor() as pool:
        hashes = list(pool.map(hash_file, paths))
    return tuple(
        ResultFile(path=path.relative_to(folder).as_posix(), sha256=digest, size=path.stat().st_size)
        for path, digest in zip(paths, hashes, strict=True)
    )


@dataclass(frozen=True)
class Artifact:
    """A published stage output. files lists all but `artifact.json` itself; about: kind, camera, version, seconds,
    warnings."""

    key: str
    folder: Path
    files: tuple[ResultFile, ...]
    about: Mapping[str, Any]

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over the names and hashes of the files: equal for equal content."""
        lines = "\n".join(f"{file.sha256} {file.path}" for file in self.files)
        return hashlib.sha256(lines.encode()).hexdigest()

    @property
    def warnings(self) -> tuple[StageWarning, ...]:
        """What the stage warned of when it ran."""
        return tuple(StageWarning(**warning) for warning in self.about.get("warnings", ()))

    @cached_property
    def by_path(self) -> Mapping[str, ResultFile]:
        return {file.path: file for file in self.files}

    def damaged_file(self) -> str | None:
        """The first file that is missing or has changed since it was published; None if there is none."""
        paths = [self.folder / file.path for file in self.files]
        with ThreadPoolExecutor() as pool:
            hashes = pool.map(hash_or_nothing, paths)
            for file, digest in zip(self.files, hashes, strict=True):
                if digest != file.sha256:
                    return file.path
        return None


@lru_cache(maxsize=64)
def read_artifact(key: str, folder: Path, *_about_the_file: int) -> Artifact | None:
    """What the folder's `artifact.json` says; None unless all of it can be used. Raises OSError."""
    try:
        about = json.loads((folder / ARTIFACT_FILE).read_text(encoding="utf-8"))
        if (about["schema"], about["key"]) != (SCHEMA, key):
            return None
        artifact = Artifact(key, folder, from_data(tuple[ResultFile, ...], about["files"]), {**about["about"]})
    except (ValueError, KeyError, TypeError, ContractError):
        return None
    return artifact if len(artifact.by_path) == len(artifact.files) else None
