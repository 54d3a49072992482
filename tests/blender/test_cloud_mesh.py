# SPDX-License-Identifier: GPL-3.0-or-later
"""The mesh of the point cloud shows the scene's frame wherever something is made of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import bpy
import numpy as np
import pytest
import tiny

Reangle = Callable[[str], ModuleType]


@pytest.fixture
def shown(reangle: Reangle, tmp_path: Path) -> SimpleNamespace:
    """The tiny clip in the scene, at frame 1, without a backend. mesh_frame: of the clip, that the mesh shows."""
    main_thread = reangle("exchange.main_thread")
    main_thread.pump_until(lambda: not main_thread.is_busy(), timeout_s=60)
    poses, depth = (
        tiny.world_from_camera(),
        tiny.depth() * (1 + 0.1 * np.arange(tiny.FRAMES, dtype=np.float32))[:, None, None],
    )
    K = np.tile(tiny.K(), (tiny.FRAMES, 1, 1))
    cloud = reangle("core.cloud").Cloud(depth, tiny.rgb(), K, poses, np.zeros(depth.shape, bool))
    path = reangle("core.contract").CameraPath(
        name="source", fps=tiny.FPS, width=tiny.WIDTH, height=tiny.HEIGHT, frames=tuple(range(tiny.FRAMES)),
        world_from_camera=poses.tolist(), K=K.tolist(),
    )  # fmt: skip
    fetched = reangle("exchange.fetched_shot")
    about = fetched.About("files", "moving", "files", (50.0, 50.0), "files", "metric", ())
    shot = fetched.Shot("tiny", "Tiny", tmp_path, None, tiny.FRAMES, path, cloud, about)
    scene = bpy.context.scene
    for _ in reangle("scene.shot").build(scene, shot, "{}", None, [], match=True):
        pass
    item = scene.reangle.cloud

    def mesh_frame() -> int:
        co = np.empty((len(item.data.vertices), 3), np.float32)
        item.data.vertices.foreach_get("co", co.ravel())
        return next(index for index in range(tiny.FRAMES) if np.allclose(cloud.frame(index).co, co, atol=1e-5))

    return SimpleNamespace(item=item, cloud=cloud, mesh_frame=mesh_frame)


def test_mesh_and_bounds_follow_the_frame(shown: SimpleNamespace) -> None:
    scene = bpy.context.scene
    for frame in (1, 4, 2):
        scene.frame_set(frame)
        assert shown.mesh_frame() == frame - 1
        evaluated = shown.item.evaluated_get(bpy.context.evaluated_depsgraph_get())
        co = shown.cloud.frame(frame - 1).co
        assert np.array(evaluated.bound_box).max(axis=0) == pytest.approx(co.max(axis=0), abs=1e-5)


def test_a_mesh_that_waited_is_right_in_a_render(
    shown: SimpleNamespace, reangle: Reangle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scene = bpy.context.scene
    monkeypatch.setattr(reangle("scene.mesh_use"), "may_wait", lambda *_: True)
    scene.cycles.samples, scene.cycles.device = 1, "CPU"
    scene.render.resolution_percentage = 10
    scene.render.filepath = str(tmp_path / "still.png")
    scene.frame_set(3)
    assert shown.mesh_frame() == 0
    bpy.ops.render.render(write_still=True)
    assert shown.mesh_frame() == 2
    frames: list[int] = []

    def note(*_: object) -> None:
        frames.append(shown.mesh_frame())

    bpy.app.handlers.render_post.append(note)
    scene.frame_start, scene.frame_end = 2, 5
    bpy.ops.render.render(animation=True)
    bpy.app.handlers.render_post.remove(note)
    assert frames == [1, 2, 3, 4]
    scene.frame_set(2)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "saved.blend"))
    assert shown.mesh_frame() == 1


def modifier_of_another(item: bpy.types.Object, other: bpy.types.Object) -> None:
    other.modifiers.new("Wrap", "SHRINKWRAP").target = item


def nodes_of_another(item: bpy.types.Object, other: bpy.types.Object) -> None:
    tree = bpy.data.node_groups.new("Nodes", "GeometryNodeTree")
    tree.nodes.new("GeometryNodeCollectionInfo").inputs["Collection"].default_value = item.users_collection[0]
    other.modifiers.new("Nodes", "NODES").node_group = tree


def own_modifier(item: bpy.types.Object, _other: bpy.types.Object) -> None:
    item.modifiers.new("Wave", "WAVE")


def linked_duplicate(item: bpy.types.Object, _other: bpy.types.Object) -> None:
    bpy.context.scene.collection.objects.link(item.copy())


def drawn_as_it_is(item: bpy.types.Object, _other: bpy.types.Object) -> None:
    item.display_type = "TEXTURED"


@pytest.mark.parametrize("use", [modifier_of_another, nodes_of_another, own_modifier, linked_duplicate, drawn_as_it_is])
def test_what_is_made_of_the_mesh_is_found(
    shown: SimpleNamespace,
    reangle: Reangle,
    use: Callable[[bpy.types.Object, bpy.types.Object], None],
) -> None:
    is_used = reangle("scene.mesh_use")._find_use
    other = bpy.data.objects.new("Other", bpy.data.meshes.new("Other"))
    bpy.context.scene.collection.objects.link(other)
    bpy.context.scene.reangle.cg.points = True  # for renders alone
    assert not is_used(shown.item)
    use(shown.item, other)
    assert is_used(shown.item)


def test_long_steps_are_recorded_by_name(reangle: Reangle) -> None:
    main_thread = reangle("exchange.main_thread")
    main_thread.longest.clear()

    def work() -> int:
        return 1

    def done(_: int) -> None:
        sum(range(300_000))

    main_thread.in_thread(work, done=done, failed=lambda _: None)
    main_thread.pump_until(lambda: not main_thread.is_busy(), timeout_s=60)
    kind = next(
        kind for kind in main_thread.longest if kind.endswith("test_long_steps_are_recorded_by_name.<locals>.done")
    )
    seconds, busy = main_thread.longest[kind]
    assert 0.001 < busy <= seconds * 1.5
