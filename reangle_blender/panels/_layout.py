# SPDX-License-Identifier: GPL-3.0-or-later
"""What all panels are drawn with."""

from __future__ import annotations

from bpy.types import Context, UILayout

from .. import readiness
from ..core.wrapping import wrap
from ..translations import tr

PIXELS_PER_LETTER = 7.0


class SidebarPanel:
    """Base of the panels in the sidebar's tab."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Reangle"


def settings_column(layout: UILayout) -> UILayout:
    """A column for properties, with their names on the left and without keyframe buttons."""
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    return column


def paragraph(layout: UILayout, context: Context, text: str, icon: str = "NONE") -> None:
    """The text, translated, in as many labels as the sidebar's width needs: labels do not wrap. "" draws nothing."""
    scale = context.preferences.system.ui_scale
    width = context.region.width if context.region else 280
    letters = max(16, int(width / (PIXELS_PER_LETTER * scale)) - (7 if icon != "NONE" else 4))
    column = layout.column(align=True)
    column.scale_y = 0.8
    for number, line in enumerate(wrap(tr(text), len, letters)):
        column.label(text=line, icon=icon if number == 0 else ("BLANK1" if icon != "NONE" else "NONE"))


def problem(layout: UILayout, context: Context, message: str, advice: str, icon: str = "ERROR") -> None:
    """What is wrong, and what to do."""
    if message:
        paragraph(layout, context, message, icon)
    if advice:
        paragraph(layout, context, advice, "LIGHT")


def reason(layout: UILayout, context: Context, check: readiness.Check, said: str = "") -> None:
    """Why the button above is grey; nothing while it is not. said: a message that the panel shows elsewhere."""
    error = readiness.missing(check, context.scene)
    if error is not None and not (said and error.message == said):
        problem(layout, context, error.message, error.advice, "INFO")


def duration(seconds: float) -> str:
    """Seconds as people read them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
