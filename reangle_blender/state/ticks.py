# SPDX-License-Identifier: GPL-3.0-or-later
"""Which cameras are to be rendered. Those of libraries cannot keep it, overridden or not, so the scene does."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.types import Object, Scene

from .identity import scenes


def is_from_library(camera: Object) -> bool:
    return camera.library is not None or camera.override_library is not None


def is_ticked(scene: Scene, camera: Object) -> bool:
    state: Any = scene.reangle
    if is_from_library(camera):
        return any(tick.camera == camera for tick in state.library_cameras)
    return camera.reangle.render


def tick(scene: Scene, camera: Object, on: bool) -> None:
    """Tick a camera of a library in this scene, or remove its tick."""
    ticks = scene.reangle.library_cameras
    for index in reversed(range(len(ticks))):
        if ticks[index].camera in (None, camera):
            ticks.remove(index)
    if on:
        ticks.add().camera = camera


def store(camera: Object) -> None:
    """A script has ticked a camera: keep that in the scenes if it is from a library."""
    if is_from_library(camera):
        for scene in scenes():
            if any(item == camera for item in scene.objects) and is_ticked(scene, camera) != camera.reangle.render:
                tick(scene, camera, camera.reangle.render)


def show() -> None:
    """Let cameras of libraries say what the scenes of an opened file keep."""
    ticked = [tick.camera for scene in scenes() for tick in scene.reangle.library_cameras if tick.camera is not None]
    for camera in bpy.data.objects:
        if camera.type == "CAMERA" and is_from_library(camera) and camera.reangle.render != (camera in ticked):
            camera.reangle.render = camera in ticked
