# SPDX-License-Identifier: GPL-3.0-or-later
"""The Render and Results panels: a render by the real backend, and its results in the scene."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import bpy
import tiny


def test_results_are_placed_in_the_scene(rendered: SimpleNamespace, tmp_path: Path) -> None:
    scene = bpy.context.scene
    job = rendered.state.of(scene).jobs[-1]
    assert [camera.name for camera in job.cameras] == ["Left", "In"]
    for camera in job.cameras:
        folder = Path(camera.folder)
        assert folder.is_relative_to(tmp_path / "results")
        for part in ("frames", "visibility", "depth"):
            assert len(list((folder / part).iterdir())) == tiny.FRAMES

    assert bpy.ops.reangle.results_to_sequencer(with_clip=True) == {"FINISHED"}
    edit = rendered.state.of(scene).edit
    strips = {strip.name: strip for strip in rendered.reangle("compat").strips_of(edit)}
    assert sorted(strips) == ["Cameras", "Clip", "In", "Left"]
    assert len({strip.channel for strip in strips.values()}) == 4
    for name in ("Left", "In"):
        strip = strips[name]
        assert (strip.frame_final_start, strip.frame_final_duration) == (1, tiny.FRAMES)
        assert [element.filename for element in strip.elements] == [f"{n:06d}.png" for n in range(1, tiny.FRAMES + 1)]
        assert (Path(bpy.path.abspath(strip.directory)) / "000001.png").is_file()

    assert bpy.ops.reangle.results_to_backgrounds() == {"FINISHED"}
    background = scene.objects["Left"].data.background_images[0]
    assert (
        Path(bpy.path.abspath(background.image.filepath)) == Path(job.cameras["Left"].folder) / "frames" / "000001.png"
    )
    assert (background.image_user.frame_start, background.image_user.frame_duration) == (1, tiny.FRAMES)

    assert bpy.ops.reangle.results_to_compositor() == {"FINISHED"}
    group = rendered.state.of(scene).result_nodes
    outputs = {item.name: item.identifier for item in group.interface.items_tree if item.in_out == "OUTPUT"}
    assert len(outputs) == 2 * 7
    for part in ("frames", "warped", "visibility", "memory", "depth"):
        title = "Warp" if part == "warped" else part.title()
        output = next(node for node in group.nodes if node.bl_idname == "NodeGroupOutput")
        link = next(item for item in output.inputs if item.identifier == outputs[f"Left {title}"]).links[0]
        node = link.from_node
        assert Path(bpy.path.abspath(node.image.filepath)).parent == Path(job.cameras["Left"].folder) / part
        assert (node.frame_start, node.frame_duration) == (1, tiny.FRAMES)
        is_colour = part in ("frames", "warped")
        assert node.image.colorspace_settings.name == ("sRGB" if is_colour else "Non-Color")


def test_another_frame_rate_keeps_the_speed(rendered: SimpleNamespace) -> None:
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = 24, 1
    strips = rendered.reangle("compat").strips_of
    bpy.ops.reangle.results_to_sequencer()
    edit = rendered.state.of(scene).edit
    assert [strip.frame_final_duration for strip in strips(edit)] == [2 * tiny.FRAMES] * 3
    shown = [element.filename for element in strips(edit)[0].elements]
    assert shown == [f"{n:06d}.png" for n in range(1, tiny.FRAMES + 1) for _ in range(2)]
    bpy.ops.reangle.results_to_sequencer(timing="FRAMES")
    assert [strip.frame_final_duration for strip in strips(edit)] == [tiny.FRAMES] * 3
    assert (edit.frame_start, edit.frame_end) == (1, tiny.FRAMES)


def test_frames_at_rate(reangle: Callable[[str], ModuleType]) -> None:
    frames_at_rate = reangle("scene.sequencer").frames_at_rate
    assert frames_at_rate(3, 24, 24.000001) == [0, 1, 2]
    assert frames_at_rate(6, 50, 25) == [1, 3, 5]
    for count, clip, scene in ((49, 24, 30), (49, 30, 23.976), (1, 24, 60), (7, 60, 12)):
        shown = frames_at_rate(count, clip, scene)
        assert shown == sorted(shown)
        assert shown[0] >= 0
        assert shown[-1] < count
        assert abs(len(shown) / scene - count / clip) <= 0.5 / scene + 1e-9


def test_a_deleted_camera_is_left_out(rendered: SimpleNamespace) -> None:
    scene = bpy.context.scene
    bpy.data.objects.remove(scene.objects["Left"])
    assert bpy.ops.reangle.results_to_backgrounds() == {"FINISHED"}
    assert scene.objects["In"].data.background_images
