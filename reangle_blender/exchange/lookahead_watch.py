# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures new cameras again soon after they change, while nothing plays."""

from __future__ import annotations

import atexit
from contextlib import suppress

import bpy
from bpy.types import Action, Camera, Depsgraph, Object, Scene

from .. import state
from ..core.errors import UserError
from ..scene import camera_picture, cameras
from . import lookahead

DELAY_S = 0.3
"""How long after the last change: an artist who drags a camera changes it 60 times a second."""

_changed: set[int] = set()
"""Scenes that changed, by their number of the session."""


@bpy.app.handlers.persistent
def _note(scene: Scene, depsgraph: Depsgraph) -> None:
    """Called by Blender after each change."""
    shot = state.of(scene)
    if not (shot.shot_request and shot.lookahead.automatic) or shot.shot_is_glance or bpy.app.background:
        return
    if any(isinstance(update.id, (Object, Camera, Action, Scene)) for update in depsgraph.updates):
        later(scene)


def later(scene: Scene) -> None:
    """Measure the scene's cameras once nothing changes any more."""
    _changed.add(scene.session_uid)
    if bpy.app.timers.is_registered(_measure):
        bpy.app.timers.unregister(_measure)
    bpy.app.timers.register(_measure, first_interval=DELAY_S)


def _measure() -> float | None:
    """Called by a timer."""
    if camera_picture.is_playing():
        return DELAY_S
    for scene in [scene for scene in state.scenes() if scene.session_uid in _changed]:
        with suppress(UserError):  # the panel says why nothing can be measured
            lookahead.measure(scene, cameras.artist_cameras(scene), keyed_only=True)
    _changed.clear()
    return None


def register() -> None:
    bpy.app.handlers.depsgraph_update_post.append(_note)
    # A timer that is still registered when Blender exits crashes 4.2 and hangs 4.5.
    atexit.register(_stop)


def unregister() -> None:
    _stop()
    atexit.unregister(_stop)
    _changed.clear()
    bpy.app.handlers.depsgraph_update_post.remove(_note)


def _stop() -> None:
    if bpy.app.timers.is_registered(_measure):
        bpy.app.timers.unregister(_measure)
