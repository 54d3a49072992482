# SPDX-License-Identifier: GPL-3.0-or-later
"""The cameras of the clip as the artist sees them in a list: their order, their colours, and which one is active.

Blender's own list of the scene's objects is shown, filtered: so undo, deleting, renaming and libraries need no care.
"""

from __future__ import annotations

import zlib

import bpy
from bpy.types import Object, Scene, ViewLayer

from .. import state
from ..core import palette
from ..state.ticks import is_from_library
from . import camera_status, cameras


def color_of(scene: Scene, camera: Object) -> palette.Color:
    """The camera's colour, sRGB; grey until `give_colors` gives it one. Those of libraries have one by name."""
    if camera == state.of(scene).source:
        return palette.SOURCE
    if camera.reangle.has_color or not is_from_library(camera):
        red, green, blue = camera.reangle.color
        return red, green, blue
    return palette.COLORS[zlib.crc32(camera.name.encode()) % len(palette.COLORS)]


def give_colors(scene: Scene) -> None:
    """Give each camera that has no colour the next one of the palette.

    The artist's own cameras stay as they are until they are ticked for rendering, or added to the clip's origin.
    """
    if state.of(scene).is_newer or scene.library is not None:
        return
    every = cameras.artist_cameras(scene)
    taken = [color_of(scene, camera) for camera in every if camera.reangle.has_color]
    origin = state.of(scene).origin
    meant = (camera for camera in every if camera.reangle.render or (origin is not None and camera.parent == origin))
    for camera in meant:
        if not camera.reangle.has_color and not is_from_library(camera):
            camera.reangle.color = color = palette.next_color(taken)
            camera.reangle.has_color = True
            taken.append(color)


def active_camera(scene: Scene) -> Object | None:
    """The active object of the view, if it is a camera of this scene; the clip's own counts, too."""
    layer = _layer(scene)
    active = layer.objects.active if layer is not None else None
    return active if active is not None and active.type == "CAMERA" else None


def active_index(scene: Scene) -> int:
    """Place of the active camera among the scene's objects; -1 without one."""
    active = active_camera(scene)
    if active is None:
        return -1
    return next((index for index, item in enumerate(scene.objects) if item == active), -1)


def make_active_at(scene: Scene, index: int) -> None:
    """Select the camera at this place among the scene's objects, alone."""
    layer = _layer(scene)
    objects = list(scene.objects)
    if layer is not None and 0 <= index < len(objects):
        select_only(layer, objects[index])


def select_only(layer: ViewLayer, item: Object) -> None:
    """Select the object alone, if its collection is in the view layer."""
    try:
        item.select_set(True, view_layer=layer)
    except RuntimeError:
        return
    for other in layer.objects.selected:
        if other != item:
            other.select_set(False, view_layer=layer)
    layer.objects.active = item


def _layer(scene: Scene) -> ViewLayer | None:
    context = bpy.context
    if getattr(context, "scene", None) == scene:
        return context.view_layer
    return scene.view_layers[0] if scene.view_layers else None


def ordered(scene: Scene) -> list[Object]:
    """The clip's own camera, then the others by name."""
    source = state.alive(scene, state.of(scene).source)
    others = sorted(cameras.artist_cameras(scene), key=lambda camera: camera.name.casefold())
    return [source, *others] if source is not None else others


def tick(scene: Scene, which: str) -> None:
    """Tick the cameras for rendering: ALL, NONE, or OUTDATED: those without a result of their path."""
    every = cameras.artist_cameras(scene)
    camera_status.refresh()
    wanted = {"ALL": every, "NONE": []}.get(which)
    if wanted is None:
        wanted = camera_status.outdated(scene, every)
    for camera in every:
        if state.is_ticked(scene, camera) != (camera in wanted):
            camera.reangle.render = camera in wanted
