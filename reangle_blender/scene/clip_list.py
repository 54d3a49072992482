# SPDX-License-Identifier: GPL-3.0-or-later
"""The clips of a file: each has a scene of its own, so that frame rate, range and resolution are its own, too."""

from __future__ import annotations

import bpy
from bpy.types import Scene, Window

from .. import state


def scenes_with_clips() -> list[Scene]:
    """The scenes that have a clip, by their names."""
    return sorted((scene for scene in state.scenes() if state.of(scene).shot_frames), key=lambda scene: scene.name)


def new_scene(window: Window | None, like: Scene) -> Scene:
    """An empty scene with the settings of another, shown in the window, for one more clip."""
    scene = bpy.data.scenes.new("Clip")
    render, wanted = scene.render, like.render
    render.engine, render.fps, render.fps_base = wanted.engine, wanted.fps, wanted.fps_base
    render.resolution_x, render.resolution_y = wanted.resolution_x, wanted.resolution_y
    render.resolution_percentage = wanted.resolution_percentage
    if window is not None:
        window.scene = scene
    return scene
