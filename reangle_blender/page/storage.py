# SPDX-License-Identifier: GPL-3.0-or-later
"""Preferences: the machine of the connected backend, the room that its data folder takes, and cleaning up."""

from __future__ import annotations

from bpy.types import AddonPreferences, Context, UILayout

from ..core.contract import Device, Storage
from ..core.files import size_in_words
from ..exchange import connection, storage
from ..translations import tr
from ._text import paragraph, problem


def draw(layout: UILayout, context: Context, _preferences: AddonPreferences | None = None) -> None:
    header, body = layout.panel("REANGLE_PAGE_storage")
    header.label(text="Device and Disk", icon="DISK_DRIVE")
    if body is None:
        return
    backend, now = connection.now.backend, storage.now
    if backend is None:
        body.label(text="Shown while the backend is connected", icon="INFO")
        return
    if backend.device is not None:
        body.label(text=device_words(backend.device), icon="MEMORY")
    known = now.storage or backend.storage
    if known is not None:
        _draw_parts(body, context, known)
    elif now.state == "asking":
        body.label(text="Measuring", icon="TIME")
    if now.failure is not None:
        problem(body, context, now.failure.message, now.failure.advice)
    row = body.row()
    row.operator("reangle.clean_storage", text="Clean Up ...", icon="BRUSH_DATA")
    row.operator("reangle.measure_storage", icon="FILE_REFRESH")
    if now.state == "asking" and known is not None:
        body.label(text="At work", icon="TIME")
    elif now.removed is not None:
        removed = size_in_words(now.removed) if now.removed else tr("Nothing")
        body.label(text=tr("{removed} removed", removed=removed), icon="CHECKMARK")


def device_words(device: Device) -> str:
    """Its name, and its memory."""
    kind = tr("graphics memory" if device.is_gpu else "memory")
    if not device.memory_total:
        return device.name
    if not device.memory_free:
        return tr(
            "{name}, {memory_total} of {kind}",
            name=device.name,
            memory_total=size_in_words(device.memory_total),
            kind=kind,
        )
    free, total = size_in_words(device.memory_free), size_in_words(device.memory_total)
    return tr("{name}, {free} of {total} {kind} free", name=device.name, free=free, total=total, kind=kind)


def _draw_parts(body: UILayout, context: Context, known: Storage) -> None:
    paragraph(body, context, known.folder, "FILE_FOLDER")
    box = body.box().column(align=True)
    for part in known.parts:
        if part.size:
            _draw_row(box, part.label, part.size, part.removable)
    box.separator()
    _draw_row(box, tr("All"), known.used, sum(part.removable for part in known.parts))
    _draw_row(box, tr("Free on the disk"), known.free, 0)
    if known.note:
        paragraph(body, context, known.note, "INFO")


def _draw_row(box: UILayout, label: str, size: int, removable: int) -> None:
    row = box.row()
    row.label(text=tr(label))
    for text in (
        size_in_words(size),
        tr("{removable} can be removed", removable=size_in_words(removable)) if removable else "",
    ):
        cell = row.row()
        cell.alignment = "RIGHT"
        cell.label(text=text)
