# SPDX-License-Identifier: GPL-3.0-or-later
"""Three points of the cloud become the world's floor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import bpy
import numpy as np
import pytest
import tiny
from mathutils import Vector

Reangle = Callable[[str], ModuleType]


@pytest.fixture
def built(reangle: Reangle, clip: Path, tmp_path: Path) -> Reangle:
    """The tiny clip with its cloud, and a camera of the artist on its origin."""
    scene = bpy.context.scene
    shot = reangle("state").prepare(scene)
    shot.clip.path = str(clip)
    footage, choice = reangle("state.footage").measure(clip), reangle("readiness").choice_of(scene)
    sending = reangle("exchange.sending")
    reangle("scene.shot").show_clip(scene, "Clip", footage, sending.first_path(choice, footage, tiny.FRAMES), 0, None)
    cloud = reangle("core.cloud").Cloud(
        depth=tiny.depth(),
        rgb=tiny.rgb(),
        K=np.tile(tiny.K(), (tiny.FRAMES, 1, 1)),
        world_from_camera=tiny.world_from_camera(),
        dynamic=np.zeros(tiny.depth().shape, bool),
    )
    path = sending.first_path(choice, footage, tiny.FRAMES)
    made = reangle("exchange.fetched_shot").Shot("1" * 32, "Clip", tmp_path, None, tiny.FRAMES, path, cloud)
    for _ in reangle("scene.shot").build(scene, made, "request", None, [], match=False):
        pass
    bpy.ops.reangle.add_camera(name="Side")
    bpy.context.view_layer.update()
    return reangle


def test_three_points_become_origin_axis_and_floor(built: Reangle) -> None:
    scene = bpy.context.scene
    shot = built("state").of(scene)
    cloud, source = shot.cloud, shot.source
    local = [vertex.co.copy() for vertex in cloud.data.vertices]
    chosen = [local[at] for at in (40 * 64 + 5, 40 * 64 + 50, 47 * 64 + 20)]
    chosen[2].z -= 0.5  # all of the wall is one plane through no floor
    points = [cloud.matrix_world @ point for point in chosen]
    size, ends = source.data.display_size, source.data.clip_end
    before = np.array(built("scene.cameras").export_paths(scene, [scene.objects["Side"]])[0].world_from_camera)
    width = (points[1] - points[0]).length
    arguments = dict(zip(("first", "second", "third"), points, strict=True))
    assert bpy.ops.reangle.set_floor(**arguments, along="Y", length=3 * width) == {"FINISHED"}
    now = [cloud.matrix_world @ point for point in chosen]
    assert np.array(now[0]) == pytest.approx(np.zeros(3), abs=1e-5)
    assert np.array(now[1]) == pytest.approx(np.array([0, 3 * width, 0]), abs=1e-4)
    assert now[2].z == pytest.approx(0, abs=1e-5)
    assert source.matrix_world.translation.z > 0, "the camera is above the floor"
    assert (source.data.display_size / size, source.data.clip_end / ends) == pytest.approx((3, 3))
    after = np.array(built("scene.cameras").export_paths(scene, [scene.objects["Side"]])[0].world_from_camera)
    assert after == pytest.approx(before, abs=1e-4), "what hangs on the origin sees the same"
    frame = source.data.view_frame(scene=scene)
    drawn = shot.plane.empty_display_size * shot.plane.matrix_world.median_scale
    assert (frame[0] - frame[3]).length * source.data.display_size == pytest.approx(drawn, rel=1e-3)
    depth = (source.matrix_world.inverted() @ shot.plane.matrix_world.translation).z * source.matrix_world.median_scale
    assert depth == pytest.approx(frame[0].z * source.data.display_size, rel=1e-3), "the plane is in the drawn frame"


def test_bad_points_change_nothing(built: Reangle) -> None:
    origin = built("state").of(bpy.context.scene).origin
    before = origin.matrix_world.copy()
    with pytest.raises(RuntimeError, match="on one line"):
        bpy.ops.reangle.set_floor(first=(0, 0, 0), second=(1, 0, 0), third=(2, 0, 0))
    origin.constraints.new("COPY_LOCATION")
    with pytest.raises(RuntimeError, match="animated, constrained or linked"):
        bpy.ops.reangle.set_floor(first=(0, 0, 0), second=(1, 0, 0), third=(0, 1, 0))
    assert origin.matrix_world == before


def test_a_camera_that_stays_behind_is_named(built: Reangle) -> None:
    scene = bpy.context.scene
    side = scene.objects["Side"]
    side.parent, side.reangle.render = None, True
    notes = built("scene.floor").set_floor(scene, np.array([[0, 0, 0], [0, 2, 0], [1, 0, 0.1]]), "X", 0)
    assert notes == ["'Side' stayed: what does not hang on the clip's origin is not moved."]


def test_the_point_under_the_mouse_is_found_in_blenders_view(built: Reangle) -> None:
    """Through the projection of a view that looks along the clip's camera."""
    from types import SimpleNamespace

    scene = bpy.context.scene
    shot = built("state").of(scene)
    camera = shot.source
    depsgraph = bpy.context.evaluated_depsgraph_get()
    window = camera.calc_matrix_camera(depsgraph, x=640, y=480, scale_x=1, scale_y=1)
    view = SimpleNamespace(perspective_matrix=window @ camera.matrix_world.inverted())
    region = SimpleNamespace(width=640, height=480)
    vertex = shot.cloud.matrix_world @ Vector(built("scene.picking")._points(scene)[20 * 64 + 30])
    clip_space = view.perspective_matrix @ vertex.to_4d()
    mouse = ((clip_space.x / clip_space.w + 1) * 320, (clip_space.y / clip_space.w + 1) * 240)
    found = built("scene.picking").point_at(scene, region, view, mouse)
    assert np.array(found) == pytest.approx(np.array(vertex), abs=1e-5)
