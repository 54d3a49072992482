# SPDX-License-Identifier: Apache-2.0
"""Removes what no job needs from a data folder.

Kept are the files that queued and running jobs read or would find in the cache, and results that no client has fetched
yet. A stage that a running job has asked for cannot be removed under it: `Store.hold` and `Store.remove_artifact` share
a lock, and what was held since cleaning began stays.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from reangle.contract import CleanKind, JobRequest, Storage, StoragePart
from reangle.errors import UserError
from reangle.runtime.execute import Weights
from reangle.runtime.expected import known_stages
from reangle.runtime.job_reader import JobReader
from reangle.runtime.job_run import Planner
from reangle.runtime.logs import FOLDER as LOGS
from reangle.runtime.store import Store

UNFETCHED_S = 30 * 86400
"""Results that no client has fetched are kept this long."""
NEW_BLOB_S = 3600
"""A file that was uploaded or asked for just now belongs to a job that is still to be sent."""

LABELS: dict[str, str] = {
    "blobs": "Uploaded clips",
    "artifacts": "Finished stages",
    "models": "Weights",
    "unfinished": "Unfinished stages",
    "logs": "Logs",
}
OTHER = "Other"


@dataclass
class Needed:
    """What must stay. keys: of stages. blobs: hashes. jobs: those that are not over. note: "" unless a job's needs
    cannot be told, or a command works in the data folder; then no stage may be removed."""

    keys: set[str] = field(default_factory=set[str])
    blobs: set[str] = field(default_factory=set[str])
    jobs: set[str] = field(default_factory=set[str])
    note: str = ""


class Cleaner:
    """For the one process that holds the data folder's lock."""

    def __init__(self, database: JobReader, store: Store, planner: Planner, weights: Weights) -> None:
        self._database, self._store, self._planner, self._weights = database, store, planner, weights

    def needed(self) -> Needed:
        """Reads the list of files of each stage that a job needs, so it belongs into a thread."""
        needed = Needed(note=self._store.at_work())
        unread, requests = self._database.unfinished()
        needed.jobs = {*unread, *(request.id for request in requests)}
        needed.keys |= self._database.unfetched(time.time() - UNFETCHED_S)
        for request in requests:
            needed.blobs |= {ref.sha256 for ref in request.file_refs()}
            try:
                needed.keys |= self._keys(request)
            except UserError as error:
                needed.note = needed.note or f"A queued job cannot be planned, so all stages stay: {error.message}"
        return needed

    def _keys(self, request: JobRequest) -> set[str]:
        """The keys of the job's stages, made or to be made, as far as they can be told before it runs."""
        return known_stages(self._planner(request, self._store.root), self._store, self._weights)[0]

    def storage(self, days: int) -> Storage:
        """Measure all parts. days: as in CleanRequest."""
        needed = self.needed()
        removable = {name: sum(size for _, size in found) for name, found in self._found(needed, days).items()}
        root = self._store.root
        disk = shutil.disk_usage(root)
        sizes = {name: size_of(root / name) for name in LABELS}
        other = sum(size_of(path) for path in _entries(root) if path.name not in LABELS)
        parts = [StoragePart(name, LABELS[name], size, removable.get(name, 0)) for name, size in sizes.items()]
        parts.append(StoragePart("other", OTHER, other))
        return Storage(str(root), disk.free, disk.total, tuple(parts), time.time(), needed.note)

    def clean(self, what: Collection[CleanKind], days: int) -> tuple[StoragePart, ...]:
        """Remove what is not needed; returns what was removed of each kind."""
        remove: dict[CleanKind, Callable[[Path], bool]] = {
            "artifacts": lambda path: self._store.remove_artifact(path.name),
            "blobs": self._remove_blob,
            "unfinished": lambda path: self._store.remove_unfinished(path.name),
            "logs": _remove_folder,
        }
        with self._store.cleaning():
            found = self._found(self.needed(), days)
            return tuple(
                StoragePart(kind, LABELS[kind], sum(size for path, size in found[kind] if remove[kind](path)))
                for kind in dict.fromkeys(what)
            )

    def _found(self, needed: Needed, days: int) -> dict[CleanKind, list[tuple[Path, int]]]:
        """What can be removed, with its size in bytes."""
        root, now = self._store.root, time.time()
        stages = {
            name: [] if needed.note else [path for path in _entries(root / name, 2) if path.name not in needed.keys]
            for name in ("artifacts", "unfinished")
        }
        blobs = [path for path in _entries(root / "blobs", 2) if path.name not in needed.blobs and not _is_new(path)]
        logs = [
            path
            for path in _entries(root / LOGS)
            if path.is_dir() and path.name not in needed.jobs and _last_change(path) <= now - days * 86400
        ]
        return {
            "artifacts": _sized(stages["artifacts"]),
            "blobs": _sized(blobs),
            "unfinished": _sized(stages["unfinished"]),
            "logs": _sized(logs),
        }

    def _remove_blob(self, path: Path) -> bool:
        # Looked at again: it may have been asked for since.
        if _is_new(path):
            return False
        with suppress(OSError):
            path.unlink()
            return True
        return False


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder. What vanishes meanwhile counts nothing; links are not followed."""
    total, waiting = 0, [path]
    while waiting:
        one = waiting.pop()
        with suppress(OSError):
            if one.is_dir() and not one.is_symlink():
                waiting += one.iterdir()
            else:
                total += one.lstat().st_size
    return total


def _sized(paths: list[Path]) -> list[tuple[Path, int]]:
    return [(path, size_of(path)) for path in paths]


def _entries(folder: Path, depth: int = 1) -> Iterator[Path]:
    """What is in a folder, or in the folders in it. Nothing if it is not there."""
    with suppress(OSError):
        for path in sorted(folder.iterdir()):
            if depth == 1:
                yield path
            elif path.is_dir():
                yield from _entries(path, depth - 1)


def _is_new(path: Path) -> bool:
    with suppress(OSError):
        return path.stat().st_mtime > time.time() - NEW_BLOB_S
    return False


def _last_change(folder: Path) -> float:
    with suppress(OSError):
        return max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    return time.time()


def _remove_folder(path: Path) -> bool:
    shutil.rmtree(path, ignore_errors=True)
    return not path.exists()
