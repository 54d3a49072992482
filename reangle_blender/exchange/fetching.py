# SPDX-License-Identifier: GPL-3.0-or-later
"""Results from the backend into files and the scene. Main thread; downloads run in threads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import bpy
from bpy.types import Scene

from .. import state
from ..core.client import Client
from ..core.errors import UserError
from ..scene import shot as shots
from . import connection, fetched_shot, homes, ledger, start_files, transfer
from .ledger import Entry
from .main_thread import Failure

T = TypeVar("T")


def fetch_again(scene: Scene, job: str) -> None:
    """Fetch the results of a job of this scene. Raises UserError if it has none, or the backend is not running."""
    item = state.of(scene).jobs.get(job)
    if item is None:
        raise UserError("This job is not in the scene.", advice="Choose one in the list.")
    if item.state in ("failed", "canceled"):
        ended = "failed" if item.state == "failed" else "was canceled"
        raise UserError(f"{item.title} {ended}, so it has no results.", advice="Choose a job that is done.")
    if not item.is_final:
        raise UserError(f"{item.title} has not ended yet.", advice="Its results are fetched when it is done.")
    client = connection.client()
    if item.missing:
        homes.move_missing(item)
    fetch(client, ledger.entry_of(scene, item))


def fetch(client: Client, entry: Entry) -> None:
    """Download the results of a finished job, and build an import into its scene."""
    if entry.id in ledger.active:
        return
    ledger.active.add(entry.id)
    entry.stop.clear()
    entry.state, entry.progress, entry.message, entry.advice = "fetching", 0.0, "", ""
    ledger.write(entry)
    progress = ledger.byte_progress(entry)
    before = {sent.name: Path(sent.start) for sent in entry.cameras if sent.start}

    def failed(failure: Failure) -> None:
        # The results are still in the backend, so the job itself is done.
        ledger.active.discard(entry.id)
        entry.state, entry.message, entry.advice = "done", failure.message, failure.advice
        entry.traceback = "" if isinstance(failure.error, UserError) else failure.traceback
        ledger.write(entry)

    if entry.kind == "IMPORT":
        connection.call(
            client,
            lambda: _kept(
                client,
                entry,
                fetched_shot.fetch_shot(client, entry.id, entry.title, entry.folder, progress, entry.stop),
            ),
            done=lambda shot: _build(entry, shot),
            failed=failed,
        )
    else:
        connection.call(
            client,
            lambda: _kept(
                client,
                entry,
                (
                    _with_coverage(transfer.fetch_cameras(client, entry.id, entry.folder, progress, entry.stop)),
                    start_files.fetch_starts(client, entry.id, entry.folder, before, progress, entry.stop),
                ),
            ),
            done=lambda fetched: _fetched(entry, *fetched),
            failed=failed,
        )


def _kept(client: Client, entry: Entry, fetched: T) -> T:
    """The files are on this disk: the backend need no longer keep them. In a thread."""
    with suppress(UserError):  # it keeps them for a while then
        client.set_fetched(entry.id)
    return fetched


def show_glance(entry: Entry, shot: fetched_shot.Shot) -> Iterator[None]:
    """Build the first guess of a running import into its scene, unless that has a whole geometry already."""
    scene = ledger.scene_of(entry)
    if scene is not None and not state.of(scene).shot_request:
        yield from _build_steps(entry, scene, shot)
        yield
        push_undo(f"First Depth of {entry.title}")


def _build(entry: Entry, shot: fetched_shot.Shot) -> Iterator[None]:
    ledger.active.discard(entry.id)
    scene = ledger.scene_of(entry)
    entry.state = "done"
    if scene is None:  # another file has been opened
        return
    yield from _build_steps(entry, scene, shot)
    if ledger.scene_of(entry) is None:
        return
    entry.loaded, entry.missing, entry.progress = True, False, 1.0
    ledger.write(entry)
    homes.bring_home()
    yield
    push_undo(f"Import {entry.title}")


def _build_steps(entry: Entry, scene: Scene, shot: fetched_shot.Shot) -> Iterator[None]:
    """Ends early if another file is opened."""
    given = transfer.read_material(entry.request).geometry.given if entry.request else None
    notes: list[str] = []
    # What the artist changed since the scene was matched stays.
    match = entry.match and entry.matched in (None, shots.settings_of(scene))
    for _ in shots.build(scene, shot, entry.request, given, notes, match=match):
        yield
        if ledger.scene_of(entry) is None:
            return
    if match:
        entry.matched = shots.settings_of(scene)
    entry.scene_notes += notes
    if entry.framing is not None:
        yield
        if (shown := ledger.scene_of(entry)) is not None:
            entry.framing.show(shown)


def _with_coverage(folders: dict[str, Path]) -> dict[str, tuple[Path, float]]:
    """Each result's folder with the share of its pictures that the clip shows, below 0 if the manifest lacks it."""

    def coverage(folder: Path) -> float:
        try:
            about = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["coverage"]
            return float(about["visible"]) + float(about["remembered"])
        except (OSError, ValueError, KeyError, TypeError):
            return -1.0

    return {name: (folder, coverage(folder)) for name, folder in folders.items()}


def _fetched(entry: Entry, folders: dict[str, tuple[Path, float]], starts: dict[str, start_files.Start]) -> None:
    # Imported late: approval sends jobs, whose results are fetched here.
    from . import approval

    ledger.active.discard(entry.id)
    for sent in entry.cameras:
        if sent.name in folders:
            folder, sent.coverage = folders[sent.name]
            sent.folder = str(folder)
        start = starts.get(sent.name)
        sent.start, sent.about_start = (str(start.folder), start.about) if start is not None else ("", "")
        sent.accepted = sent.accepted and start is not None and start.is_same
    entry.state, entry.loaded, entry.missing, entry.progress = "done", True, False, 1.0
    ledger.write(entry)
    if entry.until == "starts":
        approval.review(entry)
    else:
        homes.bring_home()


def push_undo(message: str) -> None:
    """Otherwise the artist's next undo would remove what was added together with their own last step."""
    windows = bpy.context.window_manager.windows
    if not bpy.app.background and windows:
        with bpy.context.temp_override(window=windows[0]):
            bpy.ops.ed.undo_push(message=message)
