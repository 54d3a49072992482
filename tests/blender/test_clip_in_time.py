# SPDX-License-Identifier: GPL-3.0-or-later
"""The clip, and all that hangs on it, lies at one place in the scene's time."""

from __future__ import annotations

from types import SimpleNamespace

import bpy
import numpy as np
import pytest
import tiny
from bpy.types import ID, Object, Scene


def key(block: ID, path: str, values: tuple[float, float], index: int = -1) -> None:
    """Key a property from the clip's first frame to its last."""
    for frame, value in zip((1, tiny.FRAMES), values, strict=True):
        if index < 0:
            setattr(block, path, value)
        else:
            getattr(block, path)[index] = value
        block.keyframe_insert(path, index=index, frame=frame)


def add(name: str, parent: Object, data: ID | None = None) -> Object:
    item = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(item)
    item.parent = parent
    return item


def add_camera(name: str, parent: Object) -> Object:
    return add(name, parent, bpy.data.cameras.new(name))


def hung(origin: Object) -> list[Object]:
    """Cameras that hang on the origin in the ways in which artists animate them."""
    view = add_camera("View", origin)
    key(view, "location", (0, 0.5), 0)
    key(view.data, "lens", (40, 80))
    duplicate = add("Linked Duplicate", origin, view.data)
    strips = add_camera("Strips", origin)
    key(strips, "location", (0, 1), 2)
    tracks, action = strips.animation_data.nla_tracks, strips.animation_data.action
    for start in (1, 3):
        tracks.new().strips.new("Strip", start, action).action_frame_end = 3
    strips.animation_data.action = None
    shaking = add_camera("Shaking", origin)
    key(shaking, "rotation_euler", (0, 0.1), 1)
    for curve in curves(shaking):
        noise = curve.modifiers.new("NOISE")
        noise.scale, noise.use_restricted_range, noise.frame_start, noise.frame_end = 2, True, 2, 4
    crane = add("Crane", origin)
    key(crane, "location", (0, 1), 0)
    aim = add("Aim", origin)
    key(aim, "location", (-1, 1), 0)
    aim.location.y = 4
    tracking = add_camera("Tracking", origin)
    constraint = tracking.constraints.new("TRACK_TO")
    constraint.target, constraint.track_axis, constraint.up_axis = aim, "TRACK_NEGATIVE_Z", "UP_Y"
    return [view, duplicate, strips, shaking, add_camera("On the Crane", crane), tracking]


def curves(block: ID) -> list[bpy.types.FCurve]:
    animation = block.animation_data
    if bpy.app.version < (4, 4, 0):
        return list(animation.action.fcurves)
    return list(animation.action.layers[0].strips[0].channelbag(animation.action_slot).fcurves)


def sent(desk: SimpleNamespace, scene: Scene, cameras: list[Object]) -> list[np.ndarray]:
    """Pose and lens of each camera over the clip, as they are rendered."""
    paths = desk.reangle("scene.cameras").export_paths(scene, cameras)
    return [np.concatenate([np.asarray(path.world_from_camera)[:, :3, :], path.K], axis=2) for path in paths]


def check_same(after: list[np.ndarray], before: list[np.ndarray], cameras: list[Object]) -> None:
    for one, two, camera in zip(after, before, cameras, strict=True):
        assert one == pytest.approx(two, abs=2e-4), camera.name


@pytest.mark.parametrize("has_source", [True, False])
def test_all_that_hangs_on_the_clip_moves_with_it(shot: SimpleNamespace, has_source: bool) -> None:
    scene = bpy.context.scene
    known = shot.state.of(scene)
    cameras = hung(known.origin)
    if not has_source:
        bpy.data.objects.remove(known.source)
    for frame, camera in ((2, cameras[0]), (4, add_camera("Elsewhere", None))):
        scene.timeline_markers.new(camera.name, frame=frame).camera = camera
    before = sent(shot, scene, cameras)
    assert all(np.ptp(path, axis=0).max() > 0.01 for path in before), "each moves, or zooms"
    for first in (103, 101, 60, 101):
        known.first_frame = first
        check_same(sent(shot, scene, cameras), before, cameras)
    assert {marker.name: marker.frame for marker in scene.timeline_markers} == {"View": 102, "Elsewhere": 4}
    known.at_scene_start = True
    assert (known.first_frame, known.keyed_from) == (101, 101), "it is there already"


def test_scenes_that_share_a_clip_move_together(shot: SimpleNamespace) -> None:
    first = bpy.context.scene
    known = shot.state.of(first)
    cameras = hung(known.origin)
    bpy.ops.scene.new(type="LINK_COPY")
    second = bpy.context.scene
    shot.state.separate_copies()
    other = shot.state.of(second)
    before = sent(shot, first, cameras)
    for scene, frame in ((first, 101), (second, 51)):
        shot.state.of(scene).first_frame = frame
        for item in (first, second):
            assert (item.frame_start, shot.state.of(item).first_frame) == (frame, frame)
            check_same(sent(shot, item, cameras), before, cameras)
    # What was borrowed is the copy's own once the original is gone.
    origin, source = other.origin, other.source
    assert other.is_borrowed
    bpy.data.scenes.remove(first)
    shot.state.separate_copies()
    assert bpy.ops.reangle.import_clip() == {"FINISHED"}
    job = other.jobs[-1].name
    shot.main_thread.pump_until(lambda: other.jobs[job].loaded, timeout_s=120)
    assert (other.origin, other.source) == (origin, source)


def test_undo_of_another_scene_frame_takes_later_results_back(shot: SimpleNamespace) -> None:
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.reangle.apply_move(move="truck-left", amount=5, name="Side")
    bpy.ops.ed.undo_push(message="Side")
    shot.state.of(bpy.context.scene).first_frame = 101
    bpy.ops.ed.undo_push(message="Scene Frame")
    bpy.ops.reangle.render()
    for undo, first in ((bpy.ops.ed.undo, 1), (bpy.ops.ed.redo, 101)):
        undo()
        known = shot.state.of(bpy.context.scene)
        assert (known.first_frame, known.jobs[-1].cameras["Side"].first_frame) == (first, first)


def test_nodes_of_results_move_with_the_clip(rendered: SimpleNamespace) -> None:
    known = rendered.state.of(bpy.context.scene)
    bpy.ops.reangle.results_to_compositor()
    known.first_frame = 101
    nodes = [node for node in known.result_nodes.nodes if node.bl_idname == "CompositorNodeImage"]
    assert nodes
    assert {node.frame_start for node in nodes} == {101}


def test_keys_beyond_a_shorter_clip_are_named(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    hung(shot.state.of(scene).origin)
    standing = add_camera("Standing", None)
    key(standing, "location", (0, 1), 0)
    standing.reangle.render = True
    notes = shot.reangle("scene.timing").keys_beyond(scene, tiny.FRAMES - 1)
    for name in ("View", "Strips", "Crane", "Aim", "Standing"):
        assert repr(name) in notes[0]
    assert shot.reangle("scene.timing").keys_beyond(scene, tiny.FRAMES) == []
