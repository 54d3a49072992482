# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders of results brought to another place. Nothing is removed before all of it is at the new one."""

from __future__ import annotations

import filecmp
import json
import os
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from .errors import UserError
from .files import CHUNK, Progress, check_cancel, disk_errors

FORWARD = "moved.json"
"""In a folder whose files were moved: where they are now, for files that still name the old place."""

_SEARCHED_PARTS = 6


def link_tree(source: Path, target: Path, *, limit_s: float) -> bool:
    """Give every file of `source` a second name below `target`, which costs no space. False, with nothing left behind,
    if the disk has no hard links, `target` is on another one or holds something else, or it takes longer than limit_s.
    """
    deadline = time.monotonic() + limit_s
    made: list[Path] = []
    try:
        for file in _files(source):
            place = target / file.relative_to(source)
            if place.exists() and place.samefile(file):
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            os.link(file, place)
            made.append(place)
            if time.monotonic() > deadline:
                raise TimeoutError
    except OSError:
        for place in made:
            place.unlink(missing_ok=True)
        _remove_empty(target)
        return False
    return True


def copy_tree(source: Path, target: Path, *, progress: Progress | None, cancel: threading.Event | None) -> None:
    """Copy what `target` lacks; `source` stays. Another file of the same name there is not overwritten, but kept beside
    the copy. Raises UserError, CanceledError."""
    with disk_errors(source):
        files = [(file, file.stat().st_size) for file in _files(source)]
    total, done = sum(size for _, size in files), 0
    for file, size in files:
        place = target / file.relative_to(source)
        with disk_errors(place):
            if not (place.is_file() and filecmp.cmp(file, place, shallow=False)):
                place.parent.mkdir(parents=True, exist_ok=True)
                temporary = place.with_name(f".{uuid.uuid4().hex}.part")
                try:
                    with file.open("rb") as source_file, temporary.open("wb") as target_file:
                        while chunk := source_file.read(CHUNK):
                            check_cancel(cancel)
                            target_file.write(chunk)
                    if place.exists():
                        place.replace(place.with_name(f"{place.stem} before {uuid.uuid4().hex[:6]}{place.suffix}"))
                    temporary.replace(place)
                finally:
                    temporary.unlink(missing_ok=True)
        done += size
        if progress is not None:
            progress(done, total)


def bring(source: Path, target: Path, *, progress: Progress | None, cancel: threading.Event | None) -> None:
    """Link or else copy the folder; `source` stays, see `leave`. Raises UserError, CanceledError."""
    if not link_tree(source, target, limit_s=60):
        copy_tree(source, target, progress=progress, cancel=cancel)


def leave(source: Path, target: Path) -> None:
    """Remove those files of `source` that `target` has, and note there where they are now."""
    for file in _files(source):
        place = target / file.relative_to(source)
        if place.is_file() and (place.samefile(file) or filecmp.cmp(file, place, shallow=False)):
            file.unlink()
    _remove_empty(source)
    source.mkdir(parents=True, exist_ok=True)
    (source / FORWARD).write_text(json.dumps({"folder": str(target)}), encoding="utf-8")


def rescue(source: Path, target: Path) -> None:
    """Move every folder in `source`, which is to be deleted, into `target`; what fails stays."""
    for folder in sorted(source.iterdir()) if source.is_dir() else ():
        place = target / folder.name
        try:
            target.mkdir(parents=True, exist_ok=True)
            if place.exists():
                raise FileExistsError
            folder.rename(place)  # at once on the same disk
        except OSError:
            try:
                bring(folder, place, progress=None, cancel=None)
            except UserError:
                continue
            leave(folder, place)


def find_folder(folder: Path, *, beside: Path | None, others: tuple[Path, ...] = (), least: int = 1) -> Path | None:
    """Where the files of this folder are now: there, where they were moved, or, if the whole project was, at the same
    place seen from the .blend. None if nowhere. beside: the .blend's folder. others: folders that may hold it.
    least: how many names at the end of the path must agree: more where another folder may have the same name."""
    place = _forwarded(folder)
    if place is not None:
        return place
    candidates = [other / folder.name for other in others]
    parts = folder.parts[1:]
    for near in (beside, beside.parent) if beside is not None else ():
        candidates += [
            near.joinpath(*parts[-count:]) for count in range(min(_SEARCHED_PARTS, len(parts)), least - 1, -1)
        ]
    for candidate in candidates:
        if (place := _forwarded(candidate)) is not None:
            return place
    return None


def find_file(path: Path, *, beside: Path | None) -> Path | None:
    """As `find_folder`, for a file of the artist's: its folder's name must agree, too."""
    if path.exists():
        return path
    folder = find_folder(path.parent, beside=beside)
    return folder / path.name if folder is not None and (folder / path.name).exists() else None


def find_pictures(
    pictures: Iterable[Path], folders: Mapping[Path, Path | None], clips: Iterable[Path | None]
) -> dict[Path, Path]:
    """Old folder -> the present one, for pictures that are not where a file says. It may be saved without changing the
    paths that Blender keeps, or with absolute ones, and then lie elsewhere.

    folders: of results, each with where it is now; their names are unique. clips: the artist's clips, where they are.
    """
    by_name = {old.name: new for old, new in folders.items() if new is not None}
    beside = {clip.parent.name: clip.parent for clip in clips if clip is not None}
    moves: dict[Path, Path] = {}
    for picture in pictures:
        if picture.exists():
            continue
        for folder in picture.parents:
            place = by_name.get(folder.name) or (beside.get(folder.name) if folder == picture.parent else None)
            if place is not None and place != folder and (place / picture.relative_to(folder)).exists():
                moves[folder] = place
                break
    return moves


def _forwarded(folder: Path) -> Path | None:
    for _ in range(8):  # moved more than once
        try:
            folder = Path(json.loads((folder / FORWARD).read_text(encoding="utf-8"))["folder"])
        except (OSError, ValueError, KeyError, TypeError):
            return folder if folder.is_dir() else None
    return None


def _files(folder: Path) -> Iterator[Path]:
    return (Path(root) / name for root, _, names in os.walk(folder) for name in sorted(names) if name != FORWARD)


def _remove_empty(folder: Path) -> None:
    """Remove the folders in it, and itself, that hold nothing."""
    for root, _, _ in os.walk(folder, topdown=False):
        try:
            os.rmdir(root)
        except OSError:
            continue
