# SPDX-License-Identifier: GPL-3.0-or-later
"""What is shown of new cameras before they are rendered."""

from __future__ import annotations

from bpy.props import BoolProperty, EnumProperty
from bpy.types import Context, PropertyGroup


def _redraw(_group: ReangleLookahead, _context: Context) -> None:
    from ..scene import coverage

    coverage.redraw()


class ReangleLookahead(PropertyGroup):
    automatic: BoolProperty(
        name="Measure While Working",
        description="Measure what new cameras see of the clip whenever they change. Cameras with constraints, drivers "
        "or parents of their own are measured by the button alone",
        default=True,
    )
    show_strip: BoolProperty(
        name="Coverage in Timeline",
        description="Colour each frame in the timeline by what the clip shows of the camera's picture: green is all, "
        "red means that much must be invented",
        default=True,
        update=_redraw,
    )
    show_on_paths: BoolProperty(
        name="Coverage on Paths",
        description="Colour the paths of new cameras by what the clip shows of their pictures, in the colours of the "
        "timeline",
        default=True,
        update=_redraw,
    )
    show_view: EnumProperty(
        name="In Camera View",
        description="What is drawn over the view through a new camera, from the same warp as the render's",
        items=(
            ("NONE", "Nothing", "Draw nothing over the view"),
            ("HOLES", "Holes", "Tint red what no frame of the clip shows, and blue what only other frames show"),
            ("PIXELS", "Pixels", "Show the render's own pixels before holes are filled; holes are red"),
        ),
        default="NONE",
        update=_redraw,
    )
