# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences in panels, whose labels do not wrap by themselves."""

from __future__ import annotations

import textwrap

from bpy.types import Context, UILayout

PIXELS_PER_LETTER = 7.0


def paragraph(layout: UILayout, context: Context, text: str, icon: str = "NONE") -> None:
    """The text in as many labels as the width of the sidebar asks for."""
    scale = context.preferences.system.ui_scale
    width = context.region.width if context.region else 280
    letters = max(16, int(width / (PIXELS_PER_LETTER * scale)) - (7 if icon != "NONE" else 4))
    column = layout.column(align=True)
    column.scale_y = 0.8
    for number, line in enumerate(textwrap.wrap(text, letters)):
        column.label(text=line, icon=icon if number == 0 else ("BLANK1" if icon != "NONE" else "NONE"))


def duration(seconds: float) -> str:
    """Seconds as an artist reads them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
