# SPDX-License-Identifier: GPL-3.0-or-later
"""Points of the drawn cloud that the artist picks in a 3D view, and how they are shown while that goes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import bpy
import numpy as np
from bpy.types import Area, Context, Event, Region, RegionView3D, Scene
from mathutils import Vector

from .. import state
from ..core.picking import point_under
from . import point_cloud

DOT, RING, FONT = 5.0, 11.0, 14.0
"""Radii in pixels of a picked point and of the ring around the one under the mouse; size of their numbers."""
PICKED, HOVERED = (1.0, 0.55, 0.1, 1.0), (1.0, 1.0, 1.0, 0.9)
_CIRCLE = np.linspace(0, 2 * np.pi, 25)


@dataclass
class Picks:
    """What is picked so far in an area, in Blender's world. hovered: the point under the mouse."""

    area: int
    points: list[Vector] = field(default_factory=list)
    hovered: Vector | None = None


def view_under(area: Area, event: Event) -> tuple[Region, RegionView3D] | None:
    """The view of a 3D area where the mouse is; None over a panel, a header, or outside."""
    space: Any = area.spaces.active
    views = list(space.region_quadviews) or [space.region_3d]
    windows = [region for region in area.regions if region.type == "WINDOW"]
    for region in area.regions:
        if region.type != "WINDOW" and min(region.width, region.height) > 1 and _holds(region, event):
            return None
    for region, view in zip(windows[-len(views) :], views, strict=False):
        if _holds(region, event):
            return region, view
    return None


def _holds(region: Region, event: Event) -> bool:
    x, y = event.mouse_x - region.x, event.mouse_y - region.y
    return 0 <= x < region.width and 0 <= y < region.height


def point_at(scene: Scene, region: Region, view: RegionView3D, mouse: tuple[float, float]) -> Vector | None:
    """The point of the scene's cloud that is drawn under the mouse, in Blender's world; None if there is none near.

    mouse: in the region's pixels.
    """
    shot = state.of(scene)
    item, cloud = state.alive(scene, shot.cloud), point_cloud.cloud_of(scene)
    if item is None or cloud is None:
        return None
    points = _points(scene)
    clip_from_points = np.array(view.perspective_matrix @ item.matrix_world)
    found = point_under(points, clip_from_points, (region.width, region.height), mouse, drawn=shot.point_size)
    return None if found is None else item.matrix_world @ Vector(points[found].tolist())


_latest: tuple[Any, np.ndarray] | None = None
"""The points of the frame that was asked for last, n x 3, and what they are of."""


def _points(scene: Scene) -> np.ndarray:
    global _latest
    cloud = point_cloud.cloud_of(scene)
    assert cloud is not None
    key = (cloud, cloud.nearest(point_cloud.clip_frame(scene)), point_cloud.filters_of(scene))
    if _latest is None or _latest[0] != key:
        _latest = key, cloud.frame(key[1], filters=key[2]).co
    return _latest[1]


_handlers: list[Any] = []


def show(picks: Picks) -> Any:
    """Draw picks over the views of their area until `hide` is called with what this returns."""
    handler = bpy.types.SpaceView3D.draw_handler_add(_draw, (picks,), "WINDOW", "POST_PIXEL")
    _handlers.append(handler)
    return handler


def hide(handler: Any) -> None:
    if handler in _handlers:
        _handlers.remove(handler)
        bpy.types.SpaceView3D.draw_handler_remove(handler, "WINDOW")


def hide_all() -> None:
    global _latest
    for handler in _handlers[:]:
        hide(handler)
    _latest = None


def _draw(picks: Picks) -> None:
    context = bpy.context
    if context.area is None or context.area.as_pointer() != picks.area:
        return
    import blf
    import gpu
    from gpu_extras.batch import batch_for_shader

    scale = context.preferences.system.ui_scale
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    gpu.state.blend_set("ALPHA")
    seen = [_on_screen(context, point) for point in picks.points]

    def circle(place: np.ndarray, radius: float, color: tuple[float, ...], kind: str) -> None:
        rim = place + radius * scale * np.stack([np.cos(_CIRCLE), np.sin(_CIRCLE)], axis=1)
        if kind == "TRIS":
            rim = np.stack([np.broadcast_to(place, rim[1:].shape), rim[:-1], rim[1:]], axis=1).reshape(-1, 2)
        batch = batch_for_shader(shader, kind, {"pos": rim.astype(np.float32)})
        shader.uniform_float("color", color)
        batch.draw(shader)

    gpu.state.line_width_set(2 * scale)
    lines = [place for place in seen if place is not None]
    if len(lines) > 1:
        shader.uniform_float("color", PICKED)
        batch_for_shader(shader, "LINE_STRIP", {"pos": np.array(lines, np.float32)}).draw(shader)
    if picks.hovered is not None and (place := _on_screen(context, picks.hovered)) is not None:
        circle(place, RING, HOVERED, "LINE_STRIP")
    for number, place in enumerate(seen, start=1):
        if place is not None:
            circle(place, DOT, PICKED, "TRIS")
            blf.size(0, FONT * scale)
            blf.color(0, *PICKED)
            blf.position(0, float(place[0] + RING * scale), float(place[1] + RING * scale), 0)
            blf.draw(0, str(number))
    gpu.state.line_width_set(1)
    gpu.state.blend_set("NONE")


def _on_screen(context: Context, point: Vector) -> np.ndarray | None:
    from bpy_extras.view3d_utils import location_3d_to_region_2d

    place = location_3d_to_region_2d(context.region, context.region_data, point)
    return None if place is None else np.array(place)
