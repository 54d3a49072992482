# SPDX-License-Identifier: GPL-3.0-or-later
"""The properties that a scene saves in the .blend. Objects of a session are in `exchange` and `scene`."""

from __future__ import annotations

import uuid

import bpy
from bpy.props import PointerProperty
from bpy.types import Object, Scene

from .clip import ReangleClip
from .engines import ReangleLearning, ReanglePreview
from .jobs import ReangleCamera, ReangleJob
from .migrations import migrate
from .scene import SCHEMA, ReangleObject, ReangleScene

_CLASSES = (ReangleClip, ReangleCamera, ReangleJob, ReanglePreview, ReangleLearning, ReangleScene, ReangleObject)


def of(scene: Scene) -> ReangleScene:
    return scene.reangle


def prepare(scene: Scene) -> ReangleScene:
    """The scene's state, given an identity if it has none yet."""
    state = of(scene)
    if not state.uid:
        state.uid = uuid.uuid4().hex
        state.schema = SCHEMA
    return state


def scenes() -> list[Scene]:
    """The file's own scenes: those of libraries cannot be changed."""
    return [scene for scene in bpy.data.scenes if scene.library is None]


def find_scene(uid: str) -> Scene | None:
    return next((scene for scene in scenes() if of(scene).uid == uid), None)


def alive(scene: Scene, item: Object | None) -> Object | None:
    """The object if it is still in the scene; pointers keep deleted objects."""
    return item if item is not None and scene.objects.get(item.name) == item else None


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)
    Scene.reangle = PointerProperty(type=ReangleScene)
    Object.reangle = PointerProperty(type=ReangleObject)


def unregister() -> None:
    del Object.reangle
    del Scene.reangle
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)


__all__ = [
    "SCHEMA",
    "ReangleCamera",
    "ReangleClip",
    "ReangleJob",
    "ReangleLearning",
    "ReangleObject",
    "ReanglePreview",
    "ReangleScene",
    "alive",
    "find_scene",
    "migrate",
    "of",
    "prepare",
    "register",
    "scenes",
    "unregister",
]
