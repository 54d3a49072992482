# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells the artist that a job has ended, wherever the mouse is and whatever is open: for some time in the status bar,
and as a report in the Info editor. Main thread only.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import bpy

from . import all_jobs, ledger
from .ledger import Entry

SHOWN_S = 20.0
"""How long the status bar shows a message."""


@dataclass(frozen=True)
class Message:
    """text: one or two sentences. is_problem: something went wrong. at: `time.monotonic` of when it came."""

    text: str
    is_problem: bool
    at: float


messages: list[Message] = []
"""What was told in this session, the latest last."""

_open: set[str] = set()
"""Jobs of this session that had not ended when they were looked at last."""
_others: set[str] = set()
"""Jobs of other files whose end is told, too, because they were sent again from here."""
_was_shown = False


def follow(job: str) -> None:
    """Tell the end of a job that no scene of this file lists."""
    _others.add(job)


def warn(text: str) -> None:
    """Tell what went wrong."""
    _tell(text, is_problem=True)


def latest() -> Message | None:
    """What the status bar shows now."""
    last = messages[-1] if messages else None
    return last if last is not None and time.monotonic() - last.at < SHOWN_S else None


def dismiss() -> None:
    """Take the latest message out of the status bar."""
    if messages:
        messages[-1] = replace(messages[-1], at=-SHOWN_S)


def look() -> None:
    """Tell which jobs have ended since the last look."""
    global _was_shown
    for entry in list(ledger.entries.values()):
        if entry.forgotten:
            _open.discard(entry.id)
        elif not _has_settled(entry):
            _open.add(entry.id)
        elif entry.id in _open:
            _open.discard(entry.id)
            _tell_entry(entry)
    _open.intersection_update(ledger.entries)
    for job in all_jobs.jobs:
        if job.id in _others and job.is_final:
            _others.discard(job.id)
            if job.state == "done":
                _tell(f"{job.title} is done.")
            elif job.error is not None:
                warn(f"{job.title} failed: {job.error.message} {job.error.advice}")
    is_shown = latest() is not None
    changed, _was_shown = is_shown != _was_shown, is_shown
    if changed:
        all_jobs.redraw()


def _has_settled(entry: Entry) -> bool:
    """Whether nothing more happens to it now: also its results are here, or why they are not."""
    if not entry.is_final or entry.state != "done":
        return entry.is_final
    return entry.loaded or bool(entry.message) or ledger.scene_of(entry) is None


def _tell_entry(entry: Entry) -> None:
    if entry.state == "failed":
        warn(f"{entry.title} failed: {entry.message} {entry.advice}")
    elif entry.state == "done" and ledger.scene_of(entry) is None and not entry.loaded:
        file = bpy.path.basename(entry.blend)
        _tell(f"{entry.title} is done. Open {file or 'its file'} to see its results.")
    elif entry.state == "done" and not entry.loaded:
        warn(f"{entry.title} is done, but its results are not here: {entry.message} {entry.advice}")
    elif entry.state == "done":
        if entry.kind == "IMPORT":
            _tell(f"{entry.title} is done: its camera and depth are in the scene.")
        elif entry.until == "starts":
            _tell(f"{entry.title} is done: its starting images wait for you.")
        else:
            _tell(f"{entry.title} is done: its results are loaded.")


def _tell(text: str, *, is_problem: bool = False) -> None:
    messages.append(Message(text.strip(), is_problem, time.monotonic()))
    del messages[:-50]
    windows = bpy.context.window_manager.windows
    if bpy.app.background or not windows:
        return
    with bpy.context.temp_override(window=windows[0]):
        bpy.ops.reangle.tell("INVOKE_DEFAULT", text=text.strip(), is_problem=is_problem)


def register() -> None:
    all_jobs.on_tick.append(look)


def unregister() -> None:
    all_jobs.on_tick.remove(look)
    messages.clear()
    _open.clear()
    _others.clear()
