# SPDX-License-Identifier: GPL-3.0-or-later
"""Which versions are in use, and where help is."""

from __future__ import annotations

from bpy.types import Context, UILayout

from .. import links
from ..panels import add_menu
from ._text import paragraph, section


def draw(layout: UILayout, context: Context) -> None:
    body = section(layout, "about", "About and Help", "QUESTION", closed=True)
    if body is None:
        return
    for line in links.versions().splitlines():
        paragraph(body, context, line)
    body.label(text="Shortcut of the Camera Menu", icon="KEYINGSET")
    add_menu.draw_keymap(body, context)
    row = body.row(align=True)
    row.alignment = "LEFT"
    page = links.website()
    if page:
        row.operator("wm.url_open", text="Website", icon="URL").url = page
    row.operator("reangle.report_bug", icon="URL")
