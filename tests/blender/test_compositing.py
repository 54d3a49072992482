# SPDX-License-Identifier: GPL-3.0-or-later
"""The node group of results, really composited: each output's pixels are those of the files it is mixed from."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import tiny
from bpy.types import Scene
from test_render_stays import read, render
from test_results_again import render_again, strips_of

FRAME = 3


def composited(desk: SimpleNamespace, scene: Scene, output: str, file: Path) -> np.ndarray:
    """What the scene renders with one output of the group linked to its picture, H x W x 4."""
    compat, group = desk.reangle("compat"), desk.state.of(scene).result_nodes
    tree = compat.make_compositor_tree(scene)
    node = next((node for node in tree.nodes if getattr(node, "node_tree", None) == group), None)
    if node is None:
        node = tree.nodes.new("CompositorNodeGroup")
        node.node_tree = group
    tree.links.new(node.outputs[output], compat.compositor_output(tree))
    return render(scene, file)


def small_scene(desk: SimpleNamespace) -> Scene:
    scene = bpy.context.scene
    scene.render.image_settings.file_format = "PNG"
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 64, 48, 100
    scene.cycles.samples, scene.cycles.device = 1, "CPU"
    scene.view_settings.view_transform = "Standard"
    scene.camera = scene.objects["Left"]
    scene.frame_set(FRAME)
    return scene


def part(job: Any, name: str) -> np.ndarray:
    """H x W x 3 of a part of the result of Left at the test's frame."""
    return read(Path(bpy.path.abspath(job.cameras["Left"].folder)) / name / f"{FRAME:06d}.png")[..., :3]


def test_outputs_hold_the_files_pixels(rendered: SimpleNamespace, tmp_path: Path) -> None:
    scene = small_scene(rendered)
    job = rendered.state.of(scene).jobs[-1]
    bpy.ops.reangle.results_to_compositor()
    shown = {
        title: composited(rendered, scene, f"Left {title}", tmp_path / f"{title}.png")[..., :3]
        for title in ("Frames", "Warp", "Exact Where Seen")
    }
    frames, warped = part(job, "frames"), part(job, "warped")
    np.testing.assert_allclose(shown["Frames"], frames, atol=0.01)
    np.testing.assert_allclose(shown["Warp"], warped, atol=0.01)
    known = np.maximum(part(job, "visibility"), part(job, "memory")) > 0.5
    assert 0 < known.mean() < 1
    np.testing.assert_allclose(shown["Exact Where Seen"], np.where(known, warped, frames), atol=0.01)

    # A result that differs from the warp, as a video model's does: seen pixels are the clip's, the others its own.
    folder = Path(bpy.path.abspath(job.cameras["Left"].folder)) / "frames"
    other = np.full((tiny.HEIGHT, tiny.WIDTH, 3), (200, 30, 90), np.uint8)
    for file in folder.iterdir():
        file.unlink()  # it may be a hard link to the backend's own
        tiny.write_png(file, other)
    for image in bpy.data.images:
        image.reload()
    mixed = composited(rendered, scene, "Left Exact Where Seen", tmp_path / "other.png")[..., :3]
    np.testing.assert_allclose(mixed, np.where(known, warped, other / 255), atol=0.01)


def test_cg_is_before_and_behind_the_result_by_depth(rendered: SimpleNamespace, tmp_path: Path) -> None:
    scene = small_scene(rendered)
    job = rendered.state.of(scene).jobs[-1]
    origin = rendered.state.of(scene).origin
    origin.scale = (2, 2, 2)
    bpy.context.view_layer.update()
    material = bpy.data.materials.new("Green")
    nodes = rendered.reangle("compat").nodes_of(material)
    light, surface = nodes.nodes.new("ShaderNodeEmission"), nodes.nodes.new("ShaderNodeOutputMaterial")
    light.inputs["Color"].default_value = (0, 1, 0, 1)
    nodes.links.new(light.outputs[0], surface.inputs[0])

    def plane(depth: float) -> Any:
        """Fills the camera's picture at this depth in the scene's units."""
        bpy.ops.mesh.primitive_plane_add(size=100)
        item = bpy.context.object
        item.data.materials.append(material)
        camera = scene.camera.matrix_world.normalized()
        item.matrix_world = camera @ item.matrix_world.Translation((0, 0, -depth))
        return item

    before = render(scene, tmp_path / "before.png")
    # Between the box and the wall of the tiny clip, whose depths are 2.5 and 4 units of half the size.
    between = plane(2 * (tiny.BOX + tiny.WALL) / 2)
    assert bpy.ops.reangle.use_in_compositing(camera="Left") == {"FINISHED"}
    mixed = render(scene, tmp_path / "mixed.png")[..., :3]
    result = part(job, "frames")
    read_depth = rendered.reangle("core.exr").read_depth
    depth = read_depth(Path(bpy.path.abspath(job.cameras["Left"].folder)) / "depth" / f"{FRAME:06d}.exr")
    box = (depth > 0) & (depth < 0.9 * tiny.WALL)
    wall = depth > 0.9 * tiny.WALL
    assert min(box.mean(), wall.mean()) > 0.03
    inner = np.zeros_like(box)
    inner[2:-2, 2:-2] = True
    for y, x in ((0, 1), (1, 0), (0, -1), (-1, 0)):  # the mix is smoothed at edges
        inner &= np.roll(box, (y, x), (0, 1)) == box
    np.testing.assert_allclose(mixed[box & inner], result[box & inner], atol=0.01)
    np.testing.assert_allclose(mixed[wall & inner], np.broadcast_to((0, 1, 0), mixed[wall & inner].shape), atol=0.02)
    bpy.data.objects.remove(between)
    plane(2 * tiny.WALL * 1.5)
    behind = render(scene, tmp_path / "behind.png")[..., :3]
    np.testing.assert_allclose(behind[depth > 0], result[depth > 0], atol=0.01)
    assert np.abs(before[..., :3] - behind).max() > 0.1


def test_exr_results_look_like_png_ones(rendered: SimpleNamespace, tmp_path: Path) -> None:
    scene = small_scene(rendered)
    shot = rendered.state.of(scene)
    plain = part(shot.jobs[-1], "frames")
    shot.preview.frame_format = "exr-half"
    job = render_again(rendered)
    folder = Path(bpy.path.abspath(job.cameras["Left"].folder))
    assert {file.suffix for file in (folder / "frames").iterdir()} == {".exr"}
    read_picture = rendered.reangle("core.pictures").read_picture
    drawn = read_picture(folder / "frames" / f"{FRAME:06d}.exr")
    np.testing.assert_allclose(drawn[..., :3], plain, atol=0.01)
    assert bpy.ops.reangle.results_to_backgrounds() == {"FINISHED"}
    bpy.ops.reangle.results_to_compositor()
    shown = composited(rendered, scene, "Left Frames", tmp_path / "nodes.png")
    np.testing.assert_allclose(shown[..., :3], plain, atol=0.01)
    bpy.ops.reangle.results_to_sequencer(with_selector=False)
    edit = shot.edit
    strips_of(rendered)["In"].mute = True
    edit.frame_set(FRAME)
    edit.render.image_settings.file_format = "PNG"
    np.testing.assert_allclose(render(edit, tmp_path / "strip.png")[..., :3], plain, atol=0.01)
