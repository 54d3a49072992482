# SPDX-License-Identifier: GPL-3.0-or-later
"""F12 of the artist's scene gives the same pixels before and after results are shown."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
import tiny
from bpy.types import Scene
from conftest import wait_for_jobs
from test_results_again import own_compositing


def render(scene: Scene, file: Path) -> np.ndarray:
    """What F12 writes, H x W x 4."""
    scene.render.filepath = str(file)
    assert bpy.ops.render.render(write_still=True, scene=scene.name) == {"FINISHED"}
    return read(file)


def read(file: Path) -> np.ndarray:
    """H x W x 4."""
    image = bpy.data.images.load(str(file))
    width, height = image.size
    pixels = np.array(image.pixels).reshape(height, width, 4)
    bpy.data.images.remove(image)
    return pixels


def own_strips(desk: SimpleNamespace, scene: Scene) -> None:
    """An edit of the artist's own: red."""
    length = {"length": 50} if bpy.app.version >= (5, 0, 0) else {"frame_end": 51}
    strip = desk.reangle("compat").strips(scene).new_effect("Red", "COLOR", channel=1, frame_start=1, **length)
    strip.color = (1, 0, 0)


@pytest.mark.parametrize("has", ["neither", "strips", "compositing", "compositing that is off"])
def test_f12_keeps_its_meaning(rendered: SimpleNamespace, tmp_path: Path, has: str) -> None:
    scene = bpy.context.scene
    scene.render.image_settings.file_format = "PNG"
    scene.cycles.samples, scene.cycles.device = 1, "CPU"
    scene.world = bpy.data.worlds.new("Grey")
    scene.world.use_nodes = True
    scene.world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.5, 0.4, 0.2, 1)
    bpy.ops.mesh.primitive_cube_add(size=1, location=(0, 3, 0))
    if has == "strips":
        own_strips(rendered, scene)
    if has.startswith("compositing"):
        own_compositing(scene)
    if has.endswith("off") and bpy.app.version < (5, 0, 0):
        scene.use_nodes = False
    elif has.endswith("off"):
        scene.render.use_compositing = False
    settings = rendered.reangle("scene.shot").settings_of(scene)
    before = render(scene, tmp_path / "before.png")
    bpy.ops.reangle.results_to_sequencer(with_clip=True)
    bpy.ops.reangle.results_to_compositor()
    np.testing.assert_array_equal(render(scene, tmp_path / "after.png"), before)
    assert rendered.reangle("scene.shot").settings_of(scene) == settings
    # The edit is found where the report says, and renders the result on top.
    edit = rendered.state.of(scene).edit
    assert getattr(bpy.context.workspace, "sequencer_scene", edit) == edit
    assert (edit.render.resolution_x, edit.render.resolution_y) == (tiny.WIDTH, tiny.HEIGHT)
    assert (edit.render.fps, edit.frame_start, edit.frame_end) == (tiny.FPS, 1, tiny.FRAMES)
    edit.render.image_settings.file_format = "PNG"
    shown = render(edit, tmp_path / "edit.png")
    np.testing.assert_allclose(shown, first_frame_of_result(rendered), atol=0.01)
    assert np.abs(shown - before).max() > 0.1
    if has == "neither":
        scene.objects["In"].data.lens *= 1.5
        bpy.ops.reangle.render()
        wait_for_jobs(rendered)
        bpy.ops.reangle.results_to_sequencer()
        newer = render(edit, tmp_path / "newer.png")
        np.testing.assert_allclose(newer, first_frame_of_result(rendered), atol=0.01)
        assert np.abs(newer - shown).max() > 0.1


def first_frame_of_result(desk: SimpleNamespace) -> np.ndarray:
    """What the newest job made of the first frame for the camera on top."""
    camera = desk.state.of(bpy.context.scene).jobs[-1].cameras["In"]
    return read(Path(camera.folder) / "frames" / "000001.png")
