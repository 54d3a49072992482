# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws a camera's coverage as a strip of coloured frames at the bottom of the timeline."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.types import SpaceDopeSheetEditor

from .. import state
from ..core.coverage import colour_of
from . import coverage

HEIGHT = 5
BOTTOM = 22
"""Pixels, at a UI scale of 1; Blender's scroll bar is below."""

_handler: Any = None


def _draw() -> None:
    """Called by Blender for each timeline and dope sheet."""
    import gpu  # not there in background mode
    from gpu_extras.batch import batch_for_shader

    context = bpy.context
    scene, region = context.scene, context.region
    shot = state.of(scene)
    if not shot.lookahead.show_strip or not shot.shot_frames:
        return
    camera = coverage.shown_camera(scene)
    known = coverage.of(camera) if camera is not None else None
    if known is None:
        return
    scale = context.preferences.system.ui_scale
    low, high = BOTTOM * scale, (BOTTOM + HEIGHT) * scale
    positions, colours, triangles = [], [], []
    # A key of frame f is drawn at f: its colour reaches half a frame to each side.
    edges = [
        region.view2d.view_to_region(shot.first_frame + number - 0.5, 0, clip=False)[0]
        for number in range(len(known.seen) + 1)
    ]
    for left, right, unseen in zip(edges[:-1], edges[1:], known.unseen, strict=True):
        if right < 0 or left > region.width:
            continue
        first = len(positions)
        positions += [(left, low), (right, low), (right, high), (left, high)]
        colours += [colour_of(unseen)] * 4
        triangles += [(first, first + 1, first + 2), (first, first + 2, first + 3)]
    if not positions:
        return
    shader = gpu.shader.from_builtin("FLAT_COLOR")
    batch = batch_for_shader(shader, "TRIS", {"pos": positions, "color": colours}, indices=triangles)
    gpu.state.blend_set("ALPHA")
    batch.draw(shader)
    gpu.state.blend_set("NONE")


def register() -> None:
    global _handler
    if not bpy.app.background:
        _handler = SpaceDopeSheetEditor.draw_handler_add(_draw, (), "WINDOW", "POST_PIXEL")


def unregister() -> None:
    global _handler
    if _handler is not None:
        SpaceDopeSheetEditor.draw_handler_remove(_handler, "WINDOW")
        _handler = None
