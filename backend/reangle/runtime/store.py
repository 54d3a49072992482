# SPDX-License-Identifier: Apache-2.0
"""Blobs and artifacts: files by their content, and stage outputs by the key that made them.

A blob is an uploaded file, named by the SHA-256 of its bytes. An artifact is the folder that a stage wrote, named by
the stage's key; it exists only once its `artifact.json`, which lists every file with its SHA-256, has been published
with it in one rename. Nothing in here is ever changed after it was published.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from reangle.contract import FileRef, ResultFile, to_data
from reangle.errors import UserError
from reangle.runtime.artifact import (
    ARTIFACT_FILE,
    GONE,
    SCHEMA,
    Artifact,
    hash_file,
    hash_or_nothing,
    list_files,
    read_artifact,
)
from reangle.runtime.data_folder import disk_errors, sync_file, sync_folder
from reangle.runtime.folder_format import check_format, keep_format
from reangle.runtime.folders import Which, make_folder, remove_folder, which
from reangle.runtime.private_folder import make_private

_HASH = re.compile(r"[0-9a-f]{64}")
_CHUNK = 1 << 20
_COMMAND = "command"
_EMPTY = hashlib.sha256().hexdigest()

UNFINISHED_S = 14 * 86400
"""Unfinished work is removed after this time without a change."""


def published_folder(root: Path, key: str) -> Path | None:
    """The folder of an artifact that seems to be there; for a look at it, without opening the store. root: the data
    folder."""
    folder = root / "artifacts" / key[:2] / key
    return folder if (folder / ARTIFACT_FILE).is_file() else None


class Store:
    """The data folder's blobs and artifacts; safe to use from several processes at once.

    Raises UserError for a folder that a newer Reangle keeps.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._blobs = root / "blobs"
        self._artifacts = root / "artifacts"
        self._scratch = root / "tmp"
        self._unfinished = root / "unfinished"
        self._holding = threading.RLock()
        self._held: defaultdict[str, set[str]] = defaultdict(set)
        self._used: set[str] | None = None
        check_format(root)
        with disk_errors(root):
            make_private(root)
            keep_format(root)
            for folder in (self._blobs, self._artifacts, self._scratch, self._unfinished):
                folder.mkdir(parents=True, exist_ok=True)

    def blob_path(self, sha256: str) -> Path:
        """Path of the blob with this hash, whether or not it exists."""
        return self._place(self._blobs, sha256)

    def has_blob(self, sha256: str) -> bool:
        """Whether there is a blob with this hash; its bytes are not read, but one that was emptied is none."""
        path = self.blob_path(sha256)
        return path.is_file() and (path.stat().st_size > 0 or sha256 == _EMPTY)

    def has_sound_blob(self, sha256: str) -> bool:
        """Like `has_blob`, but its bytes are read; a damaged blob is removed, so that it can be sent again."""
        path = self.blob_path(sha256)
        while (found := which(path)) is not None:
            if hash_or_nothing(path) == sha256:
                return True
            if self._remove(path, found):
                return False
        return False

    def touch_blob(self, sha256: str) -> bool:
        """A client is about to send a job with this blob, so it is not cleaned up. False if it is gone."""
        try:
            os.utime(self.blob_path(sha256))
        except FileNotFoundError:
            return False
        return True

    def has_file(self, ref: FileRef) -> bool:
        """Whether the file is here with its size; its bytes are read only if the size differs.

        Raises UserError for a whole file whose reference has another size.
        """
        if not self.has_blob(ref.sha256):
            return False
        path = self.blob_path(ref.sha256)
        if path.stat().st_size == ref.size:
            return True
        if not self.has_sound_blob(ref.sha256):
            return False
        size = path.stat().st_size
        if size == ref.size:  # sent again meanwhile
            return True
        raise UserError(
            f"{ref.name!r} has {size} bytes, not the {ref.size} of the job.", advice="Send the job with the right size."
        )

    def check_files(self, refs: Iterable[FileRef]) -> None:
        """Raise UserError unless every file is here and whole. A damaged one is removed, so that it can be sent again.

        Raw depth, for example, has no check sum of its own, so what is wrong in it would be taken for depth.
        """
        refs = tuple(refs)
        present = [self.has_blob(ref.sha256) for ref in refs]
        with ThreadPoolExecutor() as pool:
            sound = pool.map(self.has_sound_blob, [ref.sha256 for ref in refs])
            for ref, there, whole in zip(refs, present, sound, strict=True):
                if not whole:
                    what = "was damaged in the store, and has been removed" if there else "is no longer in the store"
                    raise UserError(
                        f"The file {ref.name} {what}.", advice="Import the clip again, which sends it again."
                    )

    def add_file(self, path: Path, name: str | None = None) -> FileRef:
        """Take a copy of a file and return its reference. Raises UserError if it cannot be read."""
        try:
            size = path.stat().st_size
            digest = hash_file(path)
        except OSError as error:
            raise UserError(
                f"{path} cannot be read: {error.strerror}.", advice="Check the file's name and rights."
            ) from error
        if not self.has_sound_blob(digest):
            with path.open("rb") as file:
                self.receive(digest, iter(lambda: file.read(_CHUNK), b""))
        return FileRef(name=name or path.name, sha256=digest, size=size)

    def receive(self, sha256: str, chunks: Iterable[bytes]) -> None:
        """Store a blob from its bytes. Raises UserError if they do not have that hash; then nothing is kept."""
        target = self.blob_path(sha256)
        with self.blob_writer(sha256) as write:
            for chunk in chunks:
                write(chunk)
        assert target.is_file()

    @contextmanager
    def blob_writer(self, sha256: str) -> Generator[Any]:
        """Gives `write(bytes)`; on leaving without an error the blob is checked, synced and published."""
        target = self.blob_path(sha256)
        temporary = self._scratch / f"{os.getpid()}-{uuid.uuid4().hex}"
        digest = hashlib.sha256()
        self._scratch.mkdir(exist_ok=True)
        try:
            with disk_errors(target), temporary.open("xb") as file:

                def write(chunk: bytes) -> None:
                    digest.update(chunk)
                    file.write(chunk)

                yield write
                if digest.hexdigest() != sha256:
                    raise UserError(
                        f"The uploaded file does not have the SHA-256 {sha256[:12]}... that it was announced with.",
                        advice="Send it again; it may have changed while it was read.",
                    )
                file.flush()
                os.fsync(file.fileno())
            with disk_errors(target):
                make_folder(target.parent)
                temporary.replace(target)
                sync_folder(target.parent)
        finally:
            temporary.unlink(missing_ok=True)

    def artifact(self, key: str) -> Artifact | None:
        """The artifact with this key, or None if there is none that is whole. File contents are not checked here.

        Raises OSError if that cannot be told now, as without a free file descriptor.
        """
        folder = self._place(self._artifacts, key)
        try:
            about = (folder / ARTIFACT_FILE).stat()
            return read_artifact(key, folder, about.st_ino, about.st_mtime_ns, about.st_size)
        except OSError as error:
            if error.errno in GONE:
                return None
            raise

    def hold(self, owner: str, key: str) -> None:
        """The job `owner` of this process uses the artifact `key`, made or to be made, until `release`."""
        with self._holding:
            self._held[owner].add(key)
            if self._used is not None:
                self._used.add(key)

    def release(self, owner: str) -> None:
        with self._holding:
            self._held.pop(owner, None)

    @contextmanager
    def cleaning(self) -> Generator[None]:
        """Within, what a job of this process holds, or has held since the beginning, is not removed."""
        with self._holding:
            self._used = set[str]().union(*self._held.values())
        try:
            yield
        finally:
            with self._holding:
                self._used = None

    def remove_artifact(self, key: str) -> bool:
        """Remove an artifact within `cleaning`. False if it stays, or is not there."""
        place = self._place(self._artifacts, key)
        with self._holding:
            found = None if self._used is None or key in self._used else which(place)
            try:
                return found is not None and self._remove(place, found) and not place.exists()
            except OSError:  # another program has a file of it open
                return False

    def remove_unfinished(self, key: str) -> bool:
        """Remove what an interrupted stage left, within `cleaning`. False if it stays."""
        with self._holding:
            if self._used is not None and key not in self._used:
                self.finished(key)
        return not self._place(self._unfinished, key).exists()

    @contextmanager
    def working(self) -> Generator[None]:
        """A command runs stages in this process: while it does, a backend removes none."""
        mark = self._scratch / f"{os.getpid()}-{_COMMAND}-{uuid.uuid4().hex}"
        with disk_errors(mark):
            mark.touch()
        try:
            yield
        finally:
            mark.unlink(missing_ok=True)

    def at_work(self) -> str:
        """Says which command runs stages here now; "" for none."""
        for mark in self._scratch.glob(f"*-{_COMMAND}-*"):
            pid = mark.name.split("-")[0]
            if pid.isdecimal() and psutil.pid_exists(int(pid)):
                return f"A reangle command (process {pid}) works in this data folder, so all stages stay."
        return ""

    def artifact_file(self, key: str, path: str) -> tuple[Path, ResultFile] | None:
        """An artifact's folder, and what it lists of one file there; None if it does not list it."""
        artifact = self.artifact(key)
        listed = artifact.by_path.get(path) if artifact else None
        return (artifact.folder, listed) if artifact and listed else None

    def sound_artifact(self, key: str) -> Artifact | None:
        """Like `artifact`, but every file is hashed; a damaged artifact is removed, so that it is made again."""
        folder = self._place(self._artifacts, key)
        while (found := which(folder)) is not None:
            artifact = self.artifact(key)
            if artifact is None or artifact.damaged_file() is None:
                return artifact
            if self._remove(folder, found):
                return None
        return None

    def _remove(self, place: Path, damaged: Which) -> bool:
        """Remove what was found damaged; False if something else was published there meanwhile, which stays."""
        if which(place) != damaged:
            return False
        aside = self._scratch / f"{os.getpid()}-{uuid.uuid4().hex}"
        self._scratch.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):
            place.rename(aside)
            if aside.lstat().st_ino != damaged[0]:  # it was published between these lines
                with suppress(OSError):  # and once more, with the same content
                    aside.rename(place)
                return False
            if aside.is_dir():
                shutil.rmtree(aside, ignore_errors=True)
            else:
                aside.unlink()
        return True

    def set_aside(self, key: str) -> Path | None:
        """Take an artifact, and what a killed stage left of it, out of the store at once. Returns where its files lie
        now, for `clear_aside`; None if there is none."""
        self.finished(key)
        folder = self._place(self._artifacts, key)
        aside = self._scratch / f"{os.getpid()}-{uuid.uuid4().hex}"
        self._scratch.mkdir(exist_ok=True)
        try:
            folder.rename(aside)
        except FileNotFoundError:
            return None
        with suppress(OSError):  # others may still be beside it
            folder.parent.rmdir()
        return aside

    def clear_aside(self, aside: Path) -> int:
        """Delete what was set aside; returns its bytes."""
        size = sum(path.stat().st_size for path in aside.rglob("*") if path.is_file())
        remove_folder(aside)
        return size

    def publish(self, key: str, folder: Path, about: Mapping[str, Any]) -> Artifact:
        """Make a finished scratch folder the artifact `key`. If another process was faster, its artifact stays."""
        target = self._place(self._artifacts, key)
        files = list_files(folder)
        with disk_errors(target):
            text = {"schema": SCHEMA, "key": key, "about": dict(about), "files": [to_data(file) for file in files]}
            (folder / ARTIFACT_FILE).write_text(json.dumps(text, indent=1), encoding="utf-8")
            with ThreadPoolExecutor() as pool:
                list(pool.map(sync_file, [folder / file.path for file in files] + [folder / ARTIFACT_FILE]))
            for inner in {path.parent for path in folder.rglob("*")}:
                sync_folder(inner)
            make_folder(target.parent)
            found = which(target)
            existing = self.artifact(key)
            if existing is None:
                if found is not None:
                    self._remove(target, found)
                try:
                    folder.rename(target)
                except OSError:
                    existing = self.artifact(key)
                    if existing is None:
                        raise
                sync_folder(target.parent)
        return existing or Artifact(key=key, folder=target, files=files, about=about)

    @contextmanager
    def scratch(self) -> Generator[Path]:
        """A new empty folder on the store's disk; removed at the end."""
        folder = self._scratch / f"{os.getpid()}-{uuid.uuid4().hex}"
        with disk_errors(folder):
            make_folder(folder)
        try:
            yield folder
        finally:
            remove_folder(folder)

    def unfinished(self, key: str) -> Path:
        """Folder in which a long stage keeps its checkpoint; `finished` removes it."""
        folder = self._place(self._unfinished, key)
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def finished(self, key: str) -> None:
        folder = self._place(self._unfinished, key)
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # others may still keep something beside it
            folder.parent.rmdir()

    def sweep(self) -> None:
        """Remove what processes that no longer run left in the scratch folder, and old unfinished work."""
        for folder in self._unfinished.glob("*/*"):
            with suppress(OSError):
                if time.time() - max(path.stat().st_mtime for path in (folder, *folder.iterdir())) > UNFINISHED_S:
                    self.finished(folder.name)
        for leftover in self._scratch.iterdir():
            pid = leftover.name.split("-")[0]
            if pid.isdecimal() and psutil.pid_exists(int(pid)):
                continue
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)

    @staticmethod
    def _place(base: Path, digest: str) -> Path:
        if not _HASH.fullmatch(digest):
            raise ValueError(f"not a SHA-256: {digest!r}")
        return base / digest[:2] / digest
