# SPDX-License-Identifier: GPL-3.0-or-later
"""The folders of the backend and of results, shown in full."""

from __future__ import annotations

from bpy.types import AddonPreferences, Context, UILayout

from ..exchange import installing
from ._text import paragraph, section


def draw(layout: UILayout, context: Context, preferences: AddonPreferences) -> None:
    body = section(layout, "folders", "Folders", "FILE_FOLDER", closed=True)
    if body is None:
        return
    column = body.column()
    column.use_property_split = True
    column.use_property_decorate = False
    column.prop(preferences, "data_folder")
    data = str(installing.data_folder())
    paragraph(column, context, data, "FILE_FOLDER")
    row = column.row()
    row.alignment = "LEFT"
    row.operator("reangle.open_folder", icon="FILEBROWSER").path = data
    column.separator()
    column.prop(preferences, "results_folder")
