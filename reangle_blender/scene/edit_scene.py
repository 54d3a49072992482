# SPDX-License-Identifier: GPL-3.0-or-later
"""The edit of a scene: a scene of its own that holds the strips.

A scene with strips renders them instead of its cameras. The artist's scene therefore gets none.
"""

from __future__ import annotations

import json

import bpy
from bpy.types import Scene

from .. import compat, state
from . import result_marks, shot

_FITTED = "reangle_fitted"
"""Custom property with the settings that the add-on gave last."""


def find(scene: Scene) -> Scene | None:
    """The scene's edit if there is one in this file."""
    edit = state.of(scene).edit
    return edit if edit is not None and edit.library is None and edit != scene else None


def is_fitted(edit: Scene) -> bool:
    """Whether the artist has left the edit's settings as the add-on set them."""
    return edit.get(_FITTED) == _settings(edit)


def rate_source(scene: Scene) -> Scene:
    """The scene whose frame rate the strips get: the edit once it has strips, until then the scene itself."""
    edit = find(scene)
    return edit if edit is not None and compat.strips_of(edit) else scene


def prepare(scene: Scene) -> Scene:
    """The scene's edit, made if there is none."""
    edit = find(scene)
    if edit is None:
        edit = state.of(scene).edit = bpy.data.scenes.new(f"{scene.name} Edit")
        use_standard(edit)
        edit[_FITTED] = _settings(edit)
        edit.frame_current = scene.frame_current
    result_marks.give_name(edit, f"{scene.name} Edit")
    return edit


def use_standard(edit: Scene) -> None:
    """Show video with its own colours: with the view transform and look that leave them alone."""
    was_fitted = is_fitted(edit)
    edit.view_settings.view_transform = compat.VIDEO_VIEW_TRANSFORM
    edit.view_settings.look = "None"
    if was_fitted:
        edit[_FITTED] = _settings(edit)


def fit(edit: Scene, scene: Scene, size: tuple[int, int]) -> None:
    """Let the edit have the results' size and the scene's pixel aspect and, before it has strips, the scene's rate.

    Nothing changes once the artist has changed the settings or has strips of their own, which lie by them.
    size: width and height of the results.
    """
    strips = compat.every_strip(edit)
    if not is_fitted(edit) or any(strip.type != "META" and not result_marks.part_of(strip) for strip in strips):
        return
    mine, theirs = edit.render, scene.render
    if not strips:
        mine.fps, mine.fps_base = theirs.fps, theirs.fps_base
    mine.resolution_x, mine.resolution_y, mine.resolution_percentage = *size, 100
    mine.pixel_aspect_x, mine.pixel_aspect_y = theirs.pixel_aspect_x, theirs.pixel_aspect_y
    edit[_FITTED] = _settings(edit)


def fit_range(edit: Scene) -> None:
    """Let the edit's range hold all its strips, unless the artist has changed its settings."""
    strips = compat.strips_of(edit)
    if not is_fitted(edit) or not strips:
        return
    first = max(0, min(strip.frame_final_start for strip in strips))
    last = max(first, max(strip.frame_final_end for strip in strips) - 1)
    edit.frame_start, edit.frame_end = first, last  # each moves the other if it must
    edit.frame_start = first
    edit[_FITTED] = _settings(edit)


def _settings(edit: Scene) -> str:
    return json.dumps(shot.settings_of(edit))
