# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns 3D views to what an import shows: their place and distance change, never the direction that they look in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bpy
import numpy as np
from bpy.types import Area, Context, Region, Scene
from mathutils import Vector

from .. import state
from . import background, point_cloud

MARGIN = 1.1
KEPT = (5.0, 95.0)
"""Percentiles of the points that a view shows: far outliers would make the rest tiny."""
SAMPLES = 5000
VIEWPORT_SENSOR_MM = 72.0
"""Width that a viewport's focal length belongs to."""

Place = tuple[float, ...]


class Framing:
    """The views that an import frames. Each stays as it is from when the artist moves it on."""

    def __init__(self, context: Context) -> None:
        """The view where the import was started; without one, as for a script, all views of the scene."""
        area = context.area
        self._started = area.as_pointer() if area is not None and area.type == "VIEW_3D" else 0
        self._places = {view.as_pointer(): _place(view) for _, _, view in self._views(context.scene)}

    def show(self, scene: Scene) -> None:
        """Frame what the scene has of the clip: its cloud and its camera, or at first its plane."""
        points = _points(scene)
        if len(points):
            for area, region, view in self._views(scene):
                if self._places.get(view.as_pointer()) == _place(view):
                    _frame(area, region, view, points)
                    self._places[view.as_pointer()] = _place(view)

    def _views(self, scene: Scene) -> Iterator[tuple[Area, Region, Any]]:
        manager = bpy.context.window_manager
        shown = {window.screen: window.scene for window in manager.windows} if manager is not None else {}
        for screen in bpy.data.screens:  # the artist may have turned to another workspace since the start
            if shown.get(screen, scene if self._started else None) != scene:
                continue
            for area in screen.areas:
                if area.type == "VIEW_3D" and self._started in (0, area.as_pointer()):
                    yield from ((area, region, view) for region, view in _free_views(area))


def _free_views(area: Area) -> Iterator[tuple[Region, Any]]:
    """The views of an area that may be moved, each with its region: not those that look through a camera, follow
    something, or show a part of the scene alone."""
    space: Any = area.spaces.active
    if space.local_view is not None or space.lock_object is not None or space.lock_cursor:
        return
    views = list(space.region_quadviews) or [space.region_3d]
    regions = [region for region in area.regions if region.type == "WINDOW"]
    for region, view in zip(regions[-len(views) :], views, strict=False):
        if view is not None and view.view_perspective != "CAMERA":
            yield region, view


def _place(view: Any) -> Place:
    return (*view.view_location, *view.view_rotation, view.view_distance, *map(ord, view.view_perspective))


def _points(scene: Scene) -> np.ndarray:
    """N x 3 in Blender's world: the middle of the cloud, and the frame of the clip's camera."""
    shot = state.of(scene)
    parts = []
    cloud, source = state.alive(scene, shot.cloud), state.alive(scene, shot.source)
    shown = point_cloud.cloud_of(scene)
    if cloud is not None and shown is not None:
        co = shown.frame(shown.nearest(point_cloud.clip_frame(scene)), filters=point_cloud.filters_of(scene)).co
        co = np.asarray(co[:: max(1, len(co) // SAMPLES)], np.float64)
        if len(co):
            low, high = np.percentile(co, KEPT, axis=0)
            parts.append(_moved(np.clip(co, low, high), cloud.matrix_world))
    if source is not None:
        size = background.drawn_size(source)
        depth = -size * source.data.lens / source.data.sensor_width
        corners = [(x * size / 2, y * size / 2, depth) for x in (-1, 1) for y in (-1, 1)]
        parts.append(_moved(np.array([(0.0, 0.0, 0.0), *corners]), source.matrix_world))
    return np.concatenate(parts) if parts else np.empty((0, 3))


def _moved(points: np.ndarray, matrix: Any) -> np.ndarray:
    world = np.array(matrix, np.float64)
    return points @ world[:3, :3].T + world[:3, 3]


def _frame(area: Area, region: Region, view: Any, points: np.ndarray) -> None:
    """Show all points, N x 3, as large as the view's lens and what panels leave free of the area allow."""
    space: Any = area.spaces.active
    turned = points @ np.array(view.view_rotation.to_matrix())  # x right, y up, z towards the viewer
    low, high = turned.min(axis=0), turned.max(axis=0)
    middle = (low + high) / 2
    right, up, near = (turned - middle).T
    corner, opposite = _free_part(area, region)
    size = max(region.width, region.height, 1)
    slope = VIEWPORT_SENSOR_MM / space.lens / size  # per pixel, at a distance of 1
    half = np.maximum(opposite - corner, 1) / 2 * slope
    reach = np.maximum(np.abs(right) / half[0], np.abs(up) / half[1])
    distance = float((reach if view.view_perspective == "ORTHO" else near + reach).max()) * MARGIN
    beside = (corner + opposite) / 2 - np.array([region.width, region.height]) / 2
    middle[:2] -= beside * slope * distance
    view.view_location = view.view_rotation @ Vector(middle.tolist())
    view.view_distance = max(distance, 1e-3)
    space.clip_end = max(space.clip_end, 2 * (distance + float(np.ptp(near))))


def _free_part(area: Area, region: Region) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the part of the region, in its pixels, that sidebar, toolbar and headers do not lie over."""
    left, bottom, right, top = 0, 0, region.width, region.height
    for panel in area.regions:
        x, y = panel.x - region.x, panel.y - region.y
        is_over = -panel.width < x < region.width and -panel.height < y < region.height
        if not is_over or min(panel.width, panel.height) <= 1:
            continue
        if panel.type == "UI" and x > region.width / 2:
            right = min(right, x)
        elif panel.type in ("UI", "TOOLS") and x < region.width / 2:
            left = max(left, x + panel.width)
        elif panel.type in ("HEADER", "TOOL_HEADER") and y > region.height / 2:
            top = min(top, y)
    if right - left < region.width / 3 or top - bottom < region.height / 3:
        left, right, top = 0, region.width, region.height
    return np.array([left, bottom], np.float64), np.array([right, top], np.float64)
