# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of the page, in as many labels as its width needs: labels do not wrap."""

from __future__ import annotations

import blf
from bpy.types import Context, UILayout

from ..core.wrapping import wrap
from ..translations import tr

WIDGET_POINTS = 11.0
ICON = 22.0
"""Pixels of an icon with its margins, at scale 1."""
MARGIN = 76.0
"""Pixels of the page's borders, of a box and of a label's own margins, at scale 1."""
UNKNOWN_WIDTH = 600.0


def scale_of(context: Context) -> float:
    return context.preferences.system.ui_scale


def paragraph(
    layout: UILayout, context: Context, text: str, icon: str = "NONE", *, taken: float = 0.0, share: float = 1.0
) -> None:
    """The whole text, translated, without a path or an address cut in mid-word. "" draws nothing.

    taken: pixels at scale 1 that the layout has less than the page. share: of the rest that is for the text.
    """
    scale = scale_of(context)
    width = context.region.width if context.region else UNKNOWN_WIDTH
    limit = (width - (MARGIN + taken) * scale) * share - (ICON * scale if icon != "NONE" else 0.0)
    blf.size(0, WIDGET_POINTS * scale)
    column = layout.column(align=True)
    column.scale_y = 0.8
    for number, line in enumerate(wrap(tr(text), lambda words: blf.dimensions(0, words)[0], max(80.0 * scale, limit))):
        column.label(text=line, icon=icon if number == 0 else ("BLANK1" if icon != "NONE" else "NONE"))


def problem(layout: UILayout, context: Context, message: str, advice: str, icon: str = "ERROR") -> None:
    """What is wrong, and what to do."""
    paragraph(layout, context, message, icon)
    paragraph(layout, context, advice, "LIGHT")


def section(layout: UILayout, name: str, title: str, icon: str, *, closed: bool = False) -> UILayout | None:
    """A part of the page that folds; None while it is closed."""
    header, body = layout.panel(f"REANGLE_PAGE_{name}", default_closed=closed)
    header.label(text=tr(title), icon=icon)
    return body
