# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws what matters of a choice: its licence, why it cannot run, and the weights that it lacks, to download."""

from __future__ import annotations

from collections.abc import Iterable

from bpy.types import Context, UILayout

from .. import choices, weights
from ..core.contract import DownloadStatus
from ..core.contract.capabilities import PartInfo
from ..core.errors import UserError
from ..core.files import size_in_words
from ..exchange import downloads
from ..translations import tr
from ._layout import duration, paragraph, problem


def chosen(
    layout: UILayout,
    context: Context,
    kind: choices.Kind,
    name: str,
    *,
    said: Iterable[str] = (),
    named: str = "",
    offered: set[str] | None = None,
    engine: str = "",
    auto: str = "",
) -> str:
    """What matters of a chosen engine, source or suite: its licence, what "auto" would take, why it cannot run, and the
    weights that it lacks, to download.

    The menu's tooltip has the licence of every source. said: sentences that the sidebar shows elsewhere. named: the
    weights that the artist named. offered: names of weights that are offered already; new ones are added. engine: the
    one that is to run a suite. auto: what "auto" would take, where it depends on other choices. Returns why the choice
    cannot run, if that is drawn.
    """
    choice = choices.find(kind, name, engine)
    if choice is None:
        if choices.reported(kind, engine):
            paragraph(layout, context, f"{choices.NOT_OFFERED}.", "ERROR")
        return ""
    missing = weights.missing(kind, name, named, engine)
    # Each of the missing weights is drawn with its licence.
    if choice.licence and not missing and (not choice.commercial_ok or (kind == "suite" and choice.available)):
        paragraph(layout, context, f"Licence: {choice.licence}", "COPY_ID")
    if name == choices.AUTO and choice.available:
        reason = auto or choice.message.partition(". ")[0]
        if not any(line.startswith(reason.removesuffix(".")) for line in said):
            paragraph(layout, context, reason, "INFO")
    elif kind == "suite" and choice.available:
        paragraph(layout, context, choice.message, "ERROR")
    why = choice.message if not choice.available and not missing else ""
    if why:
        problem(layout, context, why, choice.advice)
    for part in missing:
        if offered is None or part.name not in offered:
            _draw_missing(layout, context, part)
    if offered is not None:
        offered |= {part.name for part in missing}
    return why


def _draw_missing(layout: UILayout, context: Context, part: PartInfo) -> None:
    """Weights to download: a button with size and licence, its progress, and why the last try failed."""
    status = downloads.statuses.get(part.name)
    if status is not None and not status.is_final:
        box = layout.box().column()
        box.label(text=part.label, icon="IMPORT")
        row = box.row(align=True)
        row.progress(factor=status.progress, text=headline(status))
        row.operator("reangle.cancel_download", text="", icon="CANCEL").weights = part.name
        return
    try:
        weights.check_download(part)
    except UserError as error:
        problem(layout, context, error.message, error.advice, "LOCKED")
        return
    box = layout.box().column()
    paragraph(box, context, f"{part.label} is not on this machine: {size_in_words(part.size)}, {part.licence}", "INFO")
    text = "Continue Download ..." if status is not None and status.here else "Download ..."
    box.operator("reangle.download_weights", text=text, icon="IMPORT").weights = part.name
    if status is not None and status.error is not None:
        problem(box, context, status.error.message, status.error.advice)


def headline(status: DownloadStatus) -> str:
    """Percent, bytes and time left in one line."""
    if status.state == "queued":
        return tr("Queued")
    text = tr("{progress} of {size}", progress=f"{status.progress:.0%}", size=size_in_words(status.size))
    return text if status.eta_s is None else tr("{text}, {eta_s} left", text=text, eta_s=duration(status.eta_s))
