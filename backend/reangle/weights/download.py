# SPDX-License-Identifier: Apache-2.0
"""Download published weights from the Hugging Face hub into `models`, as a whole or not at all.

Files are collected in `models/NAME.part`, which becomes `models/NAME` when every file has the size and the hash that
the hub gives. Until then the next download goes on where this one ended, within a file, too. `models/.NAME.lock` is
held meanwhile, so that two processes never write into one folder. `HF_ENDPOINT` names a mirror, `HF_TOKEN` a token for
gated repositories.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from reangle.errors import UserError
from reangle.runtime.data_folder import DISK_FULL, NOT_WRITABLE, write_atomically
from reangle.runtime.file_hashes import FileHashes
from reangle.weights.checkpoints import Checkpoint, size_in_words
from reangle.weights.registry import SHARD_INDEX, find_installed, is_installed, models_folder

RECORD = "downloaded.txt"
"""JSON in a downloaded folder: where it came from, under which licence, and the hash of each file. It does not end in
.json, because it does not decide what the weights compute."""
UNFINISHED = ".unfinished"
"""End of the name of a file that has not come whole."""
SPARE_BYTES = 500_000_000
"""Free disk that a download leaves."""
_CHUNK = 8 << 20

Report = Callable[[int, int, str], None]
"""(bytes that are here, bytes of all files, the file at work)."""


@dataclass(frozen=True)
class HubFile:
    """A file of a repository. sha256: of its content, "" for small files, of which the hub gives `blob` alone: SHA-1
    as git computes it.
    """

    name: str
    size: int
    sha256: str
    blob: str


@dataclass(frozen=True)
class Revision:
    """One state of a repository. hub: its name there."""

    hub: str
    commit: str
    files: tuple[HubFile, ...]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


def _look_up(known: Checkpoint) -> Revision:
    """What the hub has of a checkpoint now: the files that are needed, no others. Raises UserError if it lacks one."""
    from huggingface_hub import HfApi

    info = HfApi().model_info(known.hub, files_metadata=True)
    there = {one.rfilename: one for one in info.siblings or ()}
    missing = [name for name in known.files if name not in there]
    if missing:
        raise UserError(
            f"{known.hub} has no {missing[0]} any more: it is not the repository that Reangle knows.",
            advice="Update Reangle, or copy the files from elsewhere.",
        )
    files = []
    for name in (*known.files, *_shards(known, there)):
        lfs = there[name].lfs
        files.append(HubFile(name, there[name].size or 0, lfs.sha256 if lfs else "", there[name].blob_id or ""))
    return Revision(known.hub, info.sha or "main", tuple(files))


def _shards(known: Checkpoint, there: Iterable[str]) -> list[str]:
    """The files into which weights are split whose index is needed, without those that are named anyway.

    The index says which they are, but has yet to come; their names follow from its own.
    """
    stems = [name.removesuffix(SHARD_INDEX) for name in known.files if name.endswith(SHARD_INDEX)]
    shards = [re.compile(rf"{re.escape(stem)}-\d+-of-\d+\.safetensors") for stem in stems]
    return sorted(name for name in there if name not in known.files and any(one.fullmatch(name) for one in shards))


def download(known: Checkpoint, data: Path, report: Report, *, accepted: str = "") -> Path:
    """Get what is missing of a checkpoint and check it; return its folder in `models`. data: the data folder.

    accepted: when its licence was accepted (ISO 8601), "" for now; it is recorded. Raises UserError if the repository
    cannot be had, another process downloads these weights, the disk is too full, the network fails or a file comes
    damaged; all that came before stays for the next try.
    """
    models = models_folder(data)
    target, part = models / known.name, models / f"{known.name}.part"
    with _hub_errors(known), _only_one(known, models):
        if is_installed(known, data):
            return find_installed(known, data)
        revision = _look_up(known)
        if target.is_dir() and not part.exists():
            # A copy by hand that lacks files: those it has need not come again.
            target.rename(part)
        part.mkdir(exist_ok=True)
        _check_space(revision, part)
        hashes = _get_all(revision, part, report)
        write_atomically(part / RECORD, _record(known, revision, hashes, accepted))
        part.rename(target)
    # The path is new, so that whoever uses the weights first would read them again.
    read = FileHashes(data)
    for name, sha256 in hashes.items():
        read.record(target / name, sha256)
    return target


def recorded_hashes(folder: Path) -> Mapping[str, str]:
    """Name -> SHA-256 of the files that `download` put into a folder; empty for any other folder."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return {str(name): str(sha256) for name, sha256 in record["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _get_all(revision: Revision, part: Path, report: Report) -> dict[str, str]:
    hashes: dict[str, str] = {}
    before, size = 0, revision.size
    for file in revision.files:
        path = part / file.name
        path.parent.mkdir(parents=True, exist_ok=True)

        def on_bytes(there: int, done: int = before, name: str = file.name) -> None:
            report(done + there, size, name)

        # What is there is read, which takes a while for large files: it is reported as what comes is.
        if path.is_file() and (sha256 := _sha256_if_right(file, path, on_bytes)):
            hashes[file.name] = sha256
        else:
            path.unlink(missing_ok=True)
            hashes[file.name] = _get(revision, file, path, on_bytes)
        before += file.size
        report(before, size, file.name)
    return hashes


def _get(revision: Revision, file: HubFile, path: Path, on_bytes: Callable[[int], None]) -> str:
    """Download what is missing of a file and return its SHA-256. The hub's own `hf_hub_download` would throw away what
    had come of a file when it stops.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    url, headers = hf_hub_url(revision.hub, file.name, revision=revision.commit), build_hf_headers()
    place = get_hf_file_metadata(url).location
    if urlsplit(place).netloc != urlsplit(url).netloc:
        # The hub's token is not for the servers that it sends us to.
        headers.pop("authorization", None)
    unfinished = path.with_name(f"{path.name}{UNFINISHED}")
    with unfinished.open("ab") as out:
        if out.tell() > file.size:
            out.truncate(0)
        there = out.tell()
        if there < file.size:
            http_get(
                place, out, resume_size=there, headers=headers, expected_size=file.size, tqdm_class=_counter(on_bytes)
            )
    sha256 = _sha256_if_right(file, unfinished)
    if sha256 is None:
        unfinished.unlink()
        raise UserError(
            f"{file.name} came damaged: its content is not what the hub announced.",
            advice="Download again: only this file is missing now.",
        )
    unfinished.rename(path)
    return sha256


def _counter(on_bytes: Callable[[int], None]) -> Any:
    """A progress bar's class for the hub's library: it draws nothing and passes on how many bytes are there."""
    from tqdm import tqdm

    class Counter(tqdm):
        def __init__(self, *_: Any, initial: int = 0, **__: Any) -> None:
            super().__init__(disable=True)
            self.there = initial
            on_bytes(self.there)

        def update(self, n: float | None = 1) -> None:
            self.there += int(n or 0)
            on_bytes(self.there)

    return Counter


def _sha256_if_right(file: HubFile, path: Path, on_bytes: Callable[[int], None] = lambda there: None) -> str | None:
    """The SHA-256 of a file's content; None if it is not what the hub announced."""
    if path.stat().st_size != file.size:
        return None
    sha256, blob = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)
    with path.open("rb") as content:
        while piece := content.read(_CHUNK):
            sha256.update(piece)
            on_bytes(content.tell())
            if not file.sha256:
                blob.update(piece)
    right = sha256.hexdigest() == file.sha256 if file.sha256 else blob.hexdigest() == file.blob
    return sha256.hexdigest() if right else None


def _check_space(revision: Revision, part: Path) -> None:
    there = sum(path.stat().st_size for path in part.rglob("*") if path.is_file())
    needed, free = max(revision.size - there, 0), shutil.disk_usage(part).free
    if free < needed + SPARE_BYTES:
        raise UserError(
            f"{part.parent} has {size_in_words(free)} free, and {size_in_words(needed)} have yet to come.",
            advice="Free some space, or set another data folder with REANGLE_DATA or --data.",
        )


def now() -> str:
    """The time in UTC, as records have it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


@contextmanager
def _only_one(known: Checkpoint, models: Path) -> Iterator[None]:
    import filelock

    models.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(models / f".{known.name}.lock", timeout=0):
            yield
    except filelock.Timeout as error:
        raise UserError(
            f"{known.name} is being downloaded by another process of Reangle.",
            advice="Wait until it has ended, or cancel it there.",
        ) from error


def _record(known: Checkpoint, revision: Revision, hashes: Mapping[str, str], accepted: str) -> bytes:
    record = {
        "hub": revision.hub,
        "commit": revision.commit,
        "licence": known.terms,
        "accepted": accepted or now(),
        "files": dict(hashes),
    }
    return (json.dumps(record, indent=1) + "\n").encode()


@contextmanager
def _hub_errors(known: Checkpoint) -> Iterator[None]:
    """Turn the errors of hub, network and disk into one sentence each."""
    from huggingface_hub.errors import GatedRepoError, OfflineModeIsEnabled, RepositoryNotFoundError

    again = "Download again: it goes on where it stopped."
    try:
        yield
    except UserError:
        raise
    except GatedRepoError as error:
        raise UserError(
            f"{known.hub} is gated: its makers give it to accounts that have accepted their terms.",
            advice=f"Accept them at {known.page}, make a token with read access there, and set it as HF_TOKEN or give "
            "it to `hf auth login`.",
        ) from error
    except RepositoryNotFoundError as error:
        raise UserError(
            f"The hub does not show {known.hub}: it is gone, or needs an account.",
            advice=f"Open {known.page}; if you can see it there, set a token of yours as HF_TOKEN.",
        ) from error
    except OfflineModeIsEnabled as error:
        raise UserError(
            f"{known.hub} cannot be downloaded, because HF_HUB_OFFLINE is set.", advice="Unset it."
        ) from error
    except OSError as error:
        if error.errno in DISK_FULL:
            raise UserError(
                "The disk is full; what has come so far is kept.", advice=f"Free some space. {again}"
            ) from error
        if error.errno in NOT_WRITABLE and error.filename:
            raise UserError(
                f"{error.filename} could not be written: {error.strerror}.",
                advice="Allow writing there, or set another data folder with REANGLE_DATA or --data.",
            ) from error
        raise _failed(known, error, again) from error
    except Exception as error:  # the network library's own errors share no class with the hub's
        raise _failed(known, error, again) from error


def _failed(known: Checkpoint, error: Exception, again: str) -> UserError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return UserError(
        f"The download of {known.name} stopped: {reason.rstrip('.')}.",
        advice=f"Check the network, and HF_ENDPOINT if you use a mirror. {again}",
    )
