# SPDX-License-Identifier: GPL-3.0-or-later
"""When the mesh of the point cloud must show the scene's frame, and when it may wait.

Viewports draw the cloud without its mesh, so the mesh may wait while Blender plays or scrubs, and while it is hidden.
It may not if something else is made of it: a modifier, an object or a node tree that refers to it. A frame that a
script or an exporter sets is neither played nor scrubbed, and so never waits while the cloud is visible.
"""

from __future__ import annotations

import bpy
from bpy.types import Object, Scene

_HOLDERS = {"SCENE", "COLLECTION", "WORKSPACE", "WINDOWMANAGER", "SCREEN"}
"""Data-blocks that only hold objects or show them."""

_used: dict[int, bool] = {}
"""Whether something else is made of an object, by the session's number of the object; searching all of the file takes
long."""


def forget() -> None:
    """Something in the file has changed."""
    _used.clear()


def may_wait(scene: Scene, item: Object | None) -> bool:
    """Whether nothing needs the mesh of this object now."""
    if bpy.app.background or item is None:
        return False
    return (is_playing() or not _is_visible(scene, item)) and not _is_used(item)


def is_playing() -> bool:
    """Whether an animation plays, or the artist drags the current frame."""
    screens = [window.screen for window in bpy.context.window_manager.windows]
    return any(screen.is_animation_playing or getattr(screen, "is_scrubbing", False) for screen in screens)


def _is_visible(scene: Scene, item: Object) -> bool:
    return any(item.visible_get(view_layer=layer) for layer in scene.view_layers)


def _is_used(item: Object) -> bool:
    known = _used.get(item.session_uid)
    if known is None:
        known = _used[item.session_uid] = _find_use(item)
    return known


def _find_use(item: Object) -> bool:
    mesh = item.data
    if item.display_type != "BOUNDS" or mesh.users - mesh.use_fake_user > 1:
        return True
    if any(modifier.show_viewport for modifier in item.modifiers):
        return True
    users = bpy.data.user_map(subset={item, *item.users_collection})
    return any(user.id_type not in _HOLDERS for found in users.values() for user in found if user != item)
