# SPDX-License-Identifier: GPL-3.0-or-later
"""The running job in the status bar, with a button that cancels it, and for some time what has just ended."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
from bpy.types import Context, Header

from ..exchange import all_jobs, ledger, telling
from ..translations import tr
from ._job import state_word
from ._layout import duration

BAR_UNITS = 14.0
LETTERS = 90
"""Of a message; the Info editor has the whole."""


@dataclass(frozen=True)
class Line:
    """What the status bar says of the jobs. job: the one that is shown. more: how many others run or wait."""

    job: str
    title: str
    words: str
    progress: float
    more: int


def line() -> Line | None:
    """The job that runs or moves files, those of this session first; None if nothing is to be done."""
    moving = [entry for entry in ledger.entries.values() if entry.state in ("sending", "fetching")]
    active = all_jobs.active()
    more = len(moving) + len(active) - 1
    if moving:
        entry = moving[0]
        return Line(entry.id, entry.title, state_word(entry.state), entry.progress, more)
    if not active:
        return None
    job = min(active, key=lambda one: (one.state != "running", one.id not in ledger.entries))
    if job.state == "queued":
        return Line(job.id, job.title, state_word("queued"), 0.0, more)
    words = f"{job.progress:.0%}"
    words = tr("{words}, {eta_s} left", words=words, eta_s=duration(job.eta_s)) if job.eta_s is not None else words
    return Line(job.id, job.title, words, job.progress, more)


def _draw(self: Header, _context: Context) -> None:
    shown, message = line(), telling.latest()
    if shown is None and message is None:
        return
    row = self.layout.row(align=True)
    if message is not None:
        text = tr(message.text)
        text = text if len(text) <= LETTERS else f"{text[:LETTERS].rsplit(' ', 1)[0]} ..."
        row.label(text=text, icon="ERROR" if message.is_problem else "CHECKMARK")
        row.operator("reangle.dismiss_message", text="", icon="X", emboss=False)
    if shown is not None:
        bar = row.row(align=True)
        bar.ui_units_x = BAR_UNITS
        bar.progress(factor=shown.progress, text=f"{shown.title}: {shown.words}")
        row.operator("reangle.cancel_listed_job", text="", icon="X").job = shown.job
        if shown.more:
            row.label(text=f"+{shown.more}")


def register() -> None:
    bpy.types.STATUSBAR_HT_header.append(_draw)


def unregister() -> None:
    bpy.types.STATUSBAR_HT_header.remove(_draw)
