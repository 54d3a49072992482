# SPDX-License-Identifier: GPL-3.0-or-later
"""The properties that a scene saves in the .blend. Objects of a session are in `exchange` and `scene`."""

from __future__ import annotations

import bpy
from bpy.props import PointerProperty
from bpy.types import Object, Scene

from ..core.errors import UserError
from . import all_jobs, starts
from .all_jobs import ReangleListedJob
from .cg import ReangleCG
from .clip import ReangleClip
from .engines import ReangleLearning, ReanglePreview, ReangleStarting
from .identity import alive, find_object, find_scene, new_uid, scenes, separate_copies
from .jobs import ReangleCamera, ReangleJob, ReangleWarning
from .lookahead import ReangleLookahead
from .migrations import migrate, migrate_all
from .scene import SCHEMA, ReangleObject, ReangleScene, ReangleTick
from .starting import ReangleAnchor, ReangleStart, ReangleStartImage
from .ticks import is_ticked

_CLASSES = (
    ReangleTick,
    ReangleStartImage,
    ReangleAnchor,
    ReangleStart,
    ReangleClip,
    ReangleCamera,
    ReangleWarning,
    ReangleJob,
    ReanglePreview,
    ReangleLearning,
    ReangleStarting,
    ReangleCG,
    ReangleLookahead,
    ReangleScene,
    ReangleObject,
)


def of(scene: Scene) -> ReangleScene:
    return scene.reangle


def check_local(scene: Scene) -> None:
    """Raises UserError for a scene of a library."""
    if scene.library is not None:
        raise UserError(
            f"The scene {scene.name!r} is linked from {bpy.path.basename(scene.library.filepath)}, and what is made in "
            "it here would be lost.",
            advice="Make the scene local, or open that file.",
        )


def check_editable(scene: Scene) -> None:
    """Raises UserError for a scene that is shown, never changed: of a library, or saved by a newer Reangle."""
    check_local(scene)
    if of(scene).is_newer:
        raise UserError("This file was saved by a newer Reangle.", advice="Update the add-on to use it.")


def prepare(scene: Scene) -> ReangleScene:
    """The scene's state, given an identity if it has none yet. Raises UserError for a scene of a library."""
    check_local(scene)
    state = of(scene)
    separate_copies()
    migrate(scene)
    if not state.uid:
        state.uid = new_uid(scene)
        state.schema = SCHEMA
        starts.mark(scene)
    return state


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)
    Scene.reangle = PointerProperty(type=ReangleScene)
    Object.reangle = PointerProperty(type=ReangleObject)
    all_jobs.register()


def unregister() -> None:
    all_jobs.unregister()
    del Object.reangle
    del Scene.reangle
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)


__all__ = [
    "SCHEMA",
    "ReangleCG",
    "ReangleCamera",
    "ReangleClip",
    "ReangleJob",
    "ReangleLearning",
    "ReangleListedJob",
    "ReangleObject",
    "ReanglePreview",
    "ReangleScene",
    "ReangleStart",
    "ReangleStartImage",
    "ReangleWarning",
    "alive",
    "check_editable",
    "check_local",
    "find_object",
    "find_scene",
    "is_ticked",
    "migrate",
    "migrate_all",
    "of",
    "prepare",
    "register",
    "scenes",
    "separate_copies",
    "unregister",
]
