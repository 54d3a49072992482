# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a file's results lie: beside the .blend once it is saved, and found again after the project was moved.

When a file is first saved, its results get a second name beside it (hard links, at once), and lose the first one after
the save has succeeded. On another disk a thread copies them, and the first place is left after the next save.
"""

from __future__ import annotations

import os
import threading
from functools import partial
from pathlib import Path

import bpy

from .. import preferences, state
from ..core import moving
from ..core.errors import UserError
from ..scene import places
from ..state import paths, starts
from . import ledger, main_thread
from .main_thread import Failure

LINK_LIMIT_S = 1.0
"""Longest time that a save waits for hard links; a thread does the rest."""

_saving: _Save | None = None
_moved: dict[Path, Path] = {}
"""All moves of this session, which undo may revert in the open file."""

_copied: dict[Path, tuple[Path, str]] = {}
"""Old folder -> the new one, and the .blend that must be saved before the old one is left."""

_copying: set[Path] = set()
_stop = threading.Event()


class _Save:
    """A save under way. linked: folders beside the new place of the file, by the old ones."""

    def __init__(self, target: Path) -> None:
        self.target, self.before = target, bpy.data.filepath
        self.linked: dict[Path, Path] = {}
        self.changes: places.Changes = []


def waiting(blend_folder: Path) -> dict[Path, Path]:
    """Folders of jobs that are at rest and wait for a place beside the .blend, with that place."""
    base = preferences.results_base(blend_folder)
    roots = [root for root in (preferences.unsaved_results(), preferences.former_unsaved_results()) if root is not None]
    if base is None:
        return {}
    return {
        folder: base / folder.name
        for folder, jobs in places.job_folders().items()
        if folder.parent in roots
        and folder.parent != base
        and folder not in _copying
        and all(job.is_final and job.name not in ledger.active for _, job in jobs)
    }


def is_copying(folder: Path) -> bool:
    """Whether a thread copies this folder to its place beside the .blend."""
    return folder in _copying


def before_save(target: Path) -> None:
    """Link what waits beside the new place of the file, and let all paths start there."""
    global _saving
    _saving = save = _Save(target)
    base, folders = target.parent, list(places.job_folders())
    for old, new in waiting(base).items():
        if moving.link_tree(old, new, limit_s=LINK_LIMIT_S):
            save.linked[old] = new

    def own(before: str) -> str:
        return paths.stored(places.moved(paths.absolute(before), save.linked), base)

    def media(before: str) -> str:
        # Blender itself turns these into relative paths, or from one folder to the other.
        place = paths.absolute(before)
        after = places.moved(place, save.linked)
        in_results = any(place.is_relative_to(folder) for folder in folders)
        if after == place and (before.startswith("//") or not in_results or not bpy.data.filepath):
            return before
        return places.stored_like(before, after)

    save.changes = places.rewrite(places.media_paths(), media) + places.rewrite(places.own_paths(), own)


def after_save(target: Path) -> None:
    """Leave the old places if this is now the open file. A saved copy has links of its own; nothing else changes."""
    global _saving
    save, _saving = _saving, None
    if save is None or save.target != target:
        return
    if Path(bpy.data.filepath) != target:
        places.restore(save.changes)
        return
    starts.saved()
    ledger.saved_as(save.before, bpy.data.filepath)
    _remember(save.linked)
    ledger.follow(save.linked)
    left = dict(save.linked)
    for old, (new, blend) in list(_copied.items()):
        if blend == bpy.data.filepath:
            left[old] = new
            del _copied[old]
            _say(new, "", "")
    if left:
        main_thread.in_thread(partial(_leave, left), done=lambda _: None, failed=_report)
    if save.before and Path(save.before).parent != target.parent:
        # The project may have been moved as a whole before, or the artist may want no path changed.
        find_all(lambda: None)
    bring_home()


def save_failed() -> None:
    """The file is where it was, and so are its paths."""
    global _saving
    save, _saving = _saving, None
    if save is not None:
        places.restore(save.changes)


def bring_home() -> None:
    """In a thread, copy what lies in the artist's data beside the saved .blend."""
    folder = paths.blend_folder()
    if folder is None:
        return
    for old, new in waiting(folder).items():
        _copying.add(old)
        last = [0]

        def progress(done: int, total: int, old: Path = old, last: list[int] = last) -> None:
            percent = 100 * done // max(1, total)
            if percent != last[0]:
                last[0] = percent
                main_thread.post(lambda: _say(old, f"Its files are copied beside the .blend: {percent} %.", ""))

        main_thread.in_thread(
            partial(moving.bring, old, new, progress=progress, cancel=_stop),
            done=partial(_brought, old, new, bpy.data.filepath),
            failed=partial(_not_brought, old),
        )


def _brought(old: Path, new: Path, blend: str, _: None) -> None:
    _copying.discard(old)
    if bpy.data.filepath != blend:  # another file has been opened; the old place is still whole
        return
    _remember({old: new})
    _copied[old] = (new, blend)
    _follow({old: new})
    _say(new, "Its files lie beside the .blend now.", "Save the file to use them from there.")


def _not_brought(old: Path, failure: Failure) -> None:
    _copying.discard(old)
    _say(old, failure.message, f"Its files stay in {old}. {failure.advice}")


def _say(folder: Path, message: str, advice: str) -> None:
    for _, job in places.job_folders().get(folder, ()):
        job.message, job.advice = message, advice
        if (entry := ledger.entries.get(job.name)) is not None:
            entry.message, entry.advice = message, advice


def _leave(left: dict[Path, Path]) -> None:
    for old, new in left.items():
        moving.leave(old, new)


def _report(failure: Failure) -> None:
    print(failure.traceback)


def undone() -> None:
    """Undo may bring back the names of folders that were moved, and paths from before the file was saved elsewhere."""
    places.undone()
    if _moved:
        places.follow(_moved)


def find_all(done: main_thread.Callback) -> None:
    """Look in a thread for every folder and file that the open file names; then let its paths name where they are, and
    call `done`."""
    wanted = {
        folder: tuple(place.parent for place in _in_libraries(jobs[0][1].folder))
        for folder, jobs in places.job_folders().items()
    }
    clips = [state.of(scene).clip for scene in state.scenes()]
    depths = {
        paths.absolute(clip.geometry_folder): tuple(place.parent for place in _in_libraries(clip.geometry_folder))
        for clip in clips
        if clip.geometry_folder
    }
    files = {paths.absolute(clip.path): _in_libraries(clip.path) for clip in clips if clip.path}
    beside, blend = paths.blend_folder(), bpy.data.filepath
    unsaved, former = preferences.unsaved_results(), preferences.former_unsaved_results()

    pictures = {paths.absolute(getattr(owner, name)) for owner, name in places.media_paths()}

    def look() -> tuple[dict[Path, Path | None], dict[Path, Path | None]]:
        if former is not None:
            moving.rescue(former, unsaved)
        folders = {
            folder: moving.find_folder(folder, beside=beside, others=(unsaved, *more))
            for folder, more in wanted.items()
        }
        found_files = {
            file: moving.find_file(file, beside=beside) or next((place for place in more if place.exists()), None)
            for file, more in files.items()
        }
        found_depths = {
            folder: moving.find_folder(folder, beside=beside, others=more, least=2) for folder, more in depths.items()
        }
        return folders, found_files | found_depths | moving.find_pictures(pictures, folders, found_files.values())

    def found(places_found: tuple[dict[Path, Path | None], dict[Path, Path | None]]) -> object:
        if bpy.data.filepath != blend:
            return None
        folders, media = places_found
        moves = {old: new for old, new in (folders | media).items() if new is not None and new != old}
        for folder, jobs in places.job_folders().items():
            for scene, job in jobs:
                set_missing(scene, job, job.loaded and folder in folders and folders[folder] is None)
        _remember(moves)
        if _moved:
            _follow(_moved)
        bring_home()
        return done()

    main_thread.in_thread(look, done=found, failed=_report)


def _in_libraries(stored: str) -> list[Path]:
    """Where a stored path leads from the libraries of the open file: appended scenes keep the paths they had there."""
    if not stored.startswith("//"):
        return []
    return [paths.absolute(stored, paths.absolute(library.filepath).parent) for library in bpy.data.libraries]


def set_missing(scene: bpy.types.Scene, job: state.ReangleJob, missing: bool) -> None:
    if job.missing != missing and not state.of(scene).is_newer:
        job.missing = missing
    if (entry := ledger.entries.get(job.name)) is not None:
        entry.missing = missing


def locate(job: state.ReangleJob, chosen: Path) -> None:
    """Use the files of a job, and of others that lie beside it, from another folder.

    Raises UserError if the chosen folder is neither the job's nor holds it.
    """
    old = paths.absolute(job.folder)
    inside = [*(camera.name for camera in job.cameras), *(("geometry", "source") if job.kind == "IMPORT" else ())]
    for place in (chosen / old.name, chosen):
        if any(os.path.isdir(place / name) for name in inside):  # False also for a name that no disk allows
            break
    else:
        raise UserError(
            f"{chosen} does not hold the files of {job.title}.", advice=f"Choose the folder {old.name}, or fetch again."
        )
    moves, folders = {old: place}, places.job_folders()
    for folder, jobs in folders.items():
        if any(item.missing for _, item in jobs) and (place.parent / folder.name).is_dir():
            moves.setdefault(folder, place.parent / folder.name)
    for folder in moves:
        for scene, item in folders.get(folder, ()):
            set_missing(scene, item, False)
    _follow(moves)
    _remember(moves)


def move_missing(job: state.ReangleJob) -> None:
    """Before the files of a missing folder are fetched again: let all paths name the place of new results."""
    moves = {paths.absolute(job.folder): preferences.results_folder(job.title, job.name)}
    _follow(moves)
    _remember(moves)


def _remember(moves: dict[Path, Path]) -> None:
    """For undo, which may bring back any of the former names."""
    for old, new in list(_moved.items()):
        _moved[old] = moves.get(new, new)
    _moved.update(moves)
    for old in [old for old, new in _moved.items() if old == new]:
        del _moved[old]


def _follow(moves: dict[Path, Path]) -> None:
    """Let the open file and the session's jobs name the new folders."""
    places.follow(moves)
    ledger.follow(moves)


@bpy.app.handlers.persistent
def _save_pre(*arguments: object) -> None:
    if arguments and isinstance(arguments[0], str) and arguments[0]:
        before_save(Path(arguments[0]))


@bpy.app.handlers.persistent
def _save_post(*arguments: object) -> None:
    if arguments and isinstance(arguments[0], str) and arguments[0]:
        after_save(Path(arguments[0]))


@bpy.app.handlers.persistent
def _save_failed(*_: object) -> None:
    save_failed()


def register() -> None:
    _stop.clear()
    bpy.app.handlers.save_pre.append(_save_pre)
    bpy.app.handlers.save_post.append(_save_post)
    bpy.app.handlers.save_post_fail.append(_save_failed)


def unregister() -> None:
    _stop.set()
    bpy.app.handlers.save_pre.remove(_save_pre)
    bpy.app.handlers.save_post.remove(_save_post)
    bpy.app.handlers.save_post_fail.remove(_save_failed)
    _copying.clear()
