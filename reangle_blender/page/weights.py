# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights on the backend's machine: of each suite, and of what finds cameras and depth, paints and judges."""

from __future__ import annotations

from collections.abc import Iterable

from bpy.types import AddonPreferences, Context, UILayout

from .. import weights
from ..core.contract import Capabilities
from ..core.contract.capabilities import PartInfo, ProviderInfo, SuiteInfo
from ..core.errors import UserError
from ..core.files import size_in_words
from ..exchange import connection, downloads, installing
from ..offers import AUTO
from ..panels._chosen import headline
from ..translations import tr
from ._text import paragraph, problem, section
from .backend import draw_online

NAME_SHARE = 0.55
"""Of a row's width: what the name of weights has beside their buttons."""


def draw(layout: UILayout, context: Context, preferences: AddonPreferences) -> None:
    body = section(layout, "weights", "Weights", "ASSET_MANAGER")
    if body is None:
        return
    row = body.row()
    row.prop(preferences, "commercial_only")
    known = connection.now.capabilities
    if connection.now.state != "on" or known is None:
        paragraph(body, context, "Start the backend to see which weights it has and can download.", "INFO")
        return
    right = row.row()
    right.alignment = "RIGHT"
    right.operator("reangle.check_weights", icon="FILE_REFRESH")
    try:
        installing.check_online()
    except UserError:
        problem(body, context, "Blender is set to stay offline, so no weights are downloaded.", "", "INFO")
        draw_online(body)
    drawn: set[str] = set()
    for suite in known.suites:
        if suite.name != AUTO:
            _draw_suite(body, context, suite)
            drawn |= {part.name for part in suite.parts}
    others = _others(known, drawn)
    if others:
        _draw_group(body, context, "others", "Camera, Depth, Painting and Judging", others)


def _others(known: Capabilities, drawn: Iterable[str]) -> list[PartInfo]:
    """The weights that no suite has, each once."""
    sources: tuple[ProviderInfo, ...] = (
        *known.camera_providers,
        *known.depth_providers,
        *known.painters,
        *known.judges,
    )
    parts = {part.name: part for source in sources for part in source.weights}
    return [part for name, part in parts.items() if name not in set(drawn)]


def _draw_suite(layout: UILayout, context: Context, suite: SuiteInfo) -> None:
    have, every = sum(part.installed for part in suite.parts), len(suite.parts)
    state = tr("installed") if have == every else tr("{have} of {every} installed", have=have, every=every)
    title = f"{suite.label}: {size_in_words(suite.size)}, {state}"
    body = section(layout, f"suite_{suite.name}", title, "CHECKMARK" if have == every else "PACKAGE", closed=True)
    if body is None:
        return
    paragraph(body, context, suite.help)
    paragraph(body, context, suite.problem, "ERROR")
    _draw_parts(body, context, suite.parts)


def _draw_group(layout: UILayout, context: Context, name: str, title: str, parts: Iterable[PartInfo]) -> None:
    body = section(layout, f"weights_{name}", title, "OUTLINER_OB_CAMERA", closed=True)
    if body is not None:
        _draw_parts(body, context, parts)


def _draw_parts(layout: UILayout, context: Context, parts: Iterable[PartInfo]) -> None:
    for part in parts:
        _draw_part(layout.box().column(), context, part)


def _draw_part(box: UILayout, context: Context, part: PartInfo) -> None:
    head = box.split(factor=NAME_SHARE)
    about = head.column()
    name = f"{part.label} ({tr(part.role)}), {size_in_words(part.size)}"
    paragraph(about, context, name, "FILE_3D", taken=20, share=NAME_SHARE)
    buttons = head.row(align=True)
    buttons.alignment = "RIGHT"
    status = downloads.statuses.get(part.name)
    if status is not None and not status.is_final:
        row = box.row(align=True)
        row.progress(factor=status.progress, text=headline(status))
        row.operator("reangle.cancel_download", text="", icon="CANCEL").weights = part.name
    elif part.installed:
        buttons.label(text="Installed", icon="CHECKMARK")
    elif part.page:
        one = buttons.row(align=True)
        one.alignment = "RIGHT"
        one.enabled = _can_download(part)
        text = "Continue" if status is not None and status.here else "Download"
        one.operator("reangle.download_weights", text=text, icon="IMPORT").weights = part.name
    if part.page:
        buttons.operator("wm.url_open", text="Open Page", icon="URL").url = part.page
    icon = "CHECKMARK" if part.commercial_ok else "ERROR"
    terms = tr("Licence: {licence}", licence=part.licence)
    terms = terms if part.commercial_ok else tr("{terms}; it restricts commercial work", terms=terms)
    paragraph(box, context, terms, icon, taken=20)
    if status is not None and status.error is not None:
        problem(box, context, status.error.message, status.error.advice)
    elif not part.installed and not part.page:
        paragraph(box, context, part.problem, "ERROR", taken=20)


def _can_download(part: PartInfo) -> bool:
    try:
        weights.check_download(part)
    except UserError:
        return False
    return True
