# SPDX-License-Identifier: GPL-3.0-or-later
"""After an import the 3D views show what was imported, and the clip's camera is at hand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import pytest
from conftest import choose_clip, import_clip, wait_for_jobs
from mathutils import Quaternion
from test_panels import drawn_by


def views() -> list[bpy.types.Area]:
    """Two 3D views, one of which the artist has turned elsewhere."""
    areas = bpy.context.window.screen.areas
    other = next(area for area in areas if area.type in ("DOPESHEET_EDITOR", "VIEW_3D") and area.height > 1)
    if sum(area.type == "VIEW_3D" for area in areas) < 2:
        other.type = "VIEW_3D"
    found = [area for area in areas if area.type == "VIEW_3D"]
    for number, area in enumerate(found):
        view = area.spaces.active.region_3d
        view.view_perspective, view.view_location, view.view_distance = "PERSP", (90 + number, -70, 30), 12
        view.view_rotation = Quaternion((0.8, 0.4, 0.2, 0.4))
    assert len(found) == 2
    return found


def place(area: bpy.types.Area) -> tuple[float, ...]:
    view = area.spaces.active.region_3d
    return (*view.view_location, *view.view_rotation, view.view_distance)


def seen(area: bpy.types.Area, points: np.ndarray) -> np.ndarray:
    """N x 2: where the points, N x 3, are in the view; -1 to 1 is inside."""
    space, region = area.spaces.active, next(region for region in area.regions if region.type == "WINDOW")
    view = space.region_3d
    local = (points - np.array(view.view_location)) @ np.array(view.view_rotation.to_matrix())
    sides = np.array([region.width, region.height]) / max(region.width, region.height)
    away = view.view_distance - local[:, 2:] if view.view_perspective == "PERSP" else view.view_distance
    return local[:, :2] / away / (36 / space.lens * sides)


def assert_framed(desk: SimpleNamespace, area: bpy.types.Area) -> None:
    cloud = desk.state.of(bpy.context.scene).cloud
    points = np.array([cloud.matrix_world @ vertex.co for vertex in list(cloud.data.vertices)[::7]])
    where = np.abs(seen(area, points))
    assert (where < 1).all(axis=1).mean() > 0.85
    assert where.max() > 0.5, "as large as fits"


def test_the_view_of_the_import_frames_the_cloud(desk: SimpleNamespace, clip: Path) -> None:
    first, second = views()
    rotation, before = tuple(first.spaces.active.region_3d.view_rotation), place(second)
    choose_clip(desk, clip)
    with bpy.context.temp_override(area=first):
        assert bpy.ops.reangle.import_clip() == {"FINISHED"}
    assert place(first)[:3] != (90, -70, 30), "the clip is shown at once"
    wait_for_jobs(desk)
    assert_framed(desk, first)
    assert tuple(first.spaces.active.region_3d.view_rotation) == pytest.approx(rotation)
    assert place(second) == before
    assert bpy.context.scene.camera == desk.state.of(bpy.context.scene).source
    # Another import of the same clip leaves the view alone.
    first.spaces.active.region_3d.view_location.x += 3
    before = place(first)
    with bpy.context.temp_override(area=first):
        bpy.ops.reangle.import_clip()
    wait_for_jobs(desk)
    assert place(first) == before


def test_a_script_frames_all_views_that_are_free(desk: SimpleNamespace, clip: Path) -> None:
    first, second = views()
    second.spaces.active.region_3d.view_perspective = "ORTHO"
    import_clip(desk, clip)
    assert_framed(desk, first)
    assert_framed(desk, second)


def test_each_part_of_a_quad_view_is_framed(desk: SimpleNamespace, clip: Path) -> None:
    area, _ = views()
    region = next(region for region in area.regions if region.type == "WINDOW")
    with bpy.context.temp_override(area=area, region=region):
        bpy.ops.screen.region_quadview()
    parts = list(area.spaces.active.region_quadviews)
    assert len(parts) == 4
    parts[-1].view_perspective = "CAMERA"
    through = tuple(parts[-1].view_location)
    choose_clip(desk, clip)
    with bpy.context.temp_override(area=area):
        bpy.ops.reangle.import_clip()
    wait_for_jobs(desk)
    cloud = desk.state.of(bpy.context.scene).cloud
    middle = np.mean([cloud.matrix_world @ vertex.co for vertex in cloud.data.vertices], axis=0)
    for part in parts[:-1]:
        assert np.linalg.norm(np.array(part.view_location) - middle) < 10
    assert tuple(parts[-1].view_location) == through


def leave_camera(area: bpy.types.Area) -> None:
    area.spaces.active.region_3d.view_perspective = "CAMERA"


def lock_cursor(area: bpy.types.Area) -> None:
    area.spaces.active.lock_cursor = True


def lock_object(area: bpy.types.Area) -> None:
    empty = bpy.data.objects.new("Target", None)
    bpy.context.scene.collection.objects.link(empty)
    area.spaces.active.lock_object = empty


def other_scene(_area: bpy.types.Area) -> None:
    bpy.context.window.scene = bpy.data.scenes.new("other")


@pytest.mark.parametrize("bind", [leave_camera, lock_cursor, lock_object, other_scene])
def test_a_bound_view_is_left_alone(desk: SimpleNamespace, clip: Path, bind: Any) -> None:
    area, _ = views()
    scene = bpy.context.scene
    mine = bpy.data.objects.new("Mine", bpy.data.cameras.new("Mine"))
    scene.collection.objects.link(mine)
    scene.camera = mine
    choose_clip(desk, clip)
    bind(area)
    before = place(area)
    with bpy.context.temp_override(area=area, scene=scene):
        assert bpy.ops.reangle.import_clip() == {"FINISHED"}
    bpy.context.window.scene = scene if bind is not other_scene else bpy.context.window.scene
    desk.main_thread.pump_until(lambda: desk.state.of(scene).jobs[0].loaded, timeout_s=120)
    assert place(area) == before
    assert scene.camera == mine


def test_what_the_artist_turns_meanwhile_stays(desk: SimpleNamespace, clip: Path) -> None:
    area, _ = views()
    choose_clip(desk, clip)
    with bpy.context.temp_override(area=area):
        bpy.ops.reangle.import_clip()
    area.spaces.active.region_3d.view_distance = 77
    before = place(area)
    wait_for_jobs(desk)
    assert place(area) == before


def test_one_click_looks_through_the_clips_camera(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    source = shot.state.of(scene).source
    mine = bpy.data.objects.new("Mine", bpy.data.cameras.new("Mine"))
    scene.collection.objects.link(mine)
    scene.camera = mine
    assert "reangle.look_through" in drawn_by(shot.reangle("panels.clip").REANGLE_PT_clip)
    area, other = views()
    with bpy.context.temp_override(area=area, reangle_camera=source):
        assert bpy.ops.reangle.look_through() == {"FINISHED"}
    assert scene.camera == source
    assert area.spaces.active.region_3d.view_perspective == "CAMERA"
    assert other.spaces.active.region_3d.view_perspective == "PERSP"
