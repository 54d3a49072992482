# SPDX-License-Identifier: GPL-3.0-or-later
"""Results that are shown again: newer ones take the place of older ones, and what the artist arranged stays."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import pytest
import tiny
from bpy.types import Scene
from conftest import import_clip, wait_for_jobs
from saving import settle


def strips_of(desk: SimpleNamespace, scene: Scene | None = None) -> dict[str, Any]:
    """All strips of the scene's edit, also in meta strips, by name; none has another's name."""
    edit = desk.state.of(scene or bpy.context.scene).edit
    return {strip.name: strip for strip in desk.reangle("compat").every_strip(edit)}


def folder_of(strip: Any) -> Path:
    return Path(bpy.path.abspath(strip.directory)).parent


def render_again(desk: SimpleNamespace) -> Any:
    """A newer version of every camera's result; its job."""
    assert bpy.ops.reangle.render() == {"FINISHED"}
    wait_for_jobs(desk)
    return desk.state.of(bpy.context.scene).jobs[-1]


def assert_shows(desk: SimpleNamespace, job: Any, scene: Scene | None = None, **names: str) -> None:
    """Each strip shows the job's result of the camera with this path, and there are no others. names: strip=path."""
    strips = strips_of(desk, scene)
    images = {name: folder_of(strip) for name, strip in strips.items() if strip.type == "IMAGE"}
    assert images == {name: Path(bpy.path.abspath(job.cameras[path].folder)) for name, path in names.items()}


def test_a_newer_result_takes_the_place_of_the_older(rendered: SimpleNamespace, tmp_path: Path) -> None:
    scene = bpy.context.scene
    scene.render.fps = 2 * int(tiny.FPS)
    bpy.ops.reangle.results_to_sequencer()
    edit = rendered.state.of(scene).edit
    strips = strips_of(rendered)
    # The artist moves and trims one strip, and puts the other into a meta strip.
    strips["Left"].channel, strips["Left"].frame_start = 7, 40
    strips["Left"].frame_final_duration, strips["Left"].transform.scale_x = 3, 2
    meta = rendered.reangle("compat").strips(edit).new_meta("Meta", channel=9, frame_start=1)
    strips["In"].move_to_meta(meta)
    scene.render.resolution_percentage = 50
    newer = render_again(rendered)
    for _ in range(2):
        assert bpy.ops.reangle.results_to_sequencer(timing="FRAMES") == {"FINISHED"}
        assert_shows(rendered, newer, Left="Left", In="In")
    left = strips_of(rendered)["Left"]
    assert (left.channel, left.frame_final_start, left.frame_final_duration) == (7, 40, 3)
    assert (left.transform.scale_x, left.transform.scale_y) == (2, 1)
    assert edit.render.resolution_x == tiny.WIDTH // 2
    other = strips_of(rendered)["In"]
    assert (other.parent_meta(), other.frame_final_duration) == (meta, tiny.FRAMES)
    assert other.transform.scale_x == 1

    # Blender's file keeps which strip is whose.
    name = newer.name
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    settle(rendered.reangle)
    scene = bpy.context.scene
    newer = rendered.state.of(scene).jobs[name]
    assert bpy.ops.reangle.results_to_sequencer(job=name) == {"FINISHED"}
    assert_shows(rendered, newer, Left="Left", In="In")
    assert len(bpy.data.scenes) == 2

    # What the artist deleted comes back where nothing lies.
    edit = rendered.state.of(scene).edit
    every = rendered.reangle("compat").strips(edit)
    every.remove(strips_of(rendered)["Left"])
    bpy.ops.reangle.results_to_sequencer(job=name)
    assert_shows(rendered, newer, Left="Left", In="In")
    bpy.data.scenes.remove(edit)
    bpy.ops.reangle.results_to_sequencer(job=name)
    assert_shows(rendered, newer, Left="Left", In="In")


def test_a_cut_strip_stays_cut(rendered: SimpleNamespace) -> None:
    scene = bpy.context.scene
    scene.render.fps = 2 * int(tiny.FPS)
    bpy.ops.reangle.results_to_sequencer()
    strips_of(rendered)["In"].split(frame=4, split_method="SOFT")

    def halves() -> list[tuple[int, int, int, int]]:
        strips = (strip for name, strip in strips_of(rendered).items() if name.startswith("In"))
        places = (
            (strip.frame_final_start, strip.frame_final_end, strip.channel, len(strip.elements)) for strip in strips
        )
        return sorted(places)

    assert halves() == [(1, 4, 3, 2 * tiny.FRAMES), (4, 1 + 2 * tiny.FRAMES, 3, 2 * tiny.FRAMES)]
    assert bpy.ops.reangle.results_to_sequencer(timing="FRAMES") == {"FINISHED"}
    assert halves() == [(1, 4, 3, tiny.FRAMES), (4, 1 + 2 * tiny.FRAMES, 3, tiny.FRAMES)]


def test_a_renamed_camera_renames_what_is_named_after_it(rendered: SimpleNamespace) -> None:
    scene = bpy.context.scene
    bpy.ops.reangle.results_to_sequencer()
    bpy.ops.reangle.results_to_compositor()
    group = rendered.state.of(scene).result_nodes

    def names() -> set[str]:
        nodes = [node for node in group.nodes if node.bl_idname != "NodeGroupOutput"]
        labels = [node.label for node in nodes if node.bl_idname == "NodeFrame"]
        images = [node.image.name.split(".")[0] for node in nodes if node.bl_idname == "CompositorNodeImage"]
        return {*strips_of(rendered), *labels, *images, *(item.name for item in group.interface.items_tree)}

    before = names()
    assert {"Left", "In", "Left depth", "In Frames"} <= before
    scene.objects["Left"].name = "Hero"
    bpy.context.view_layer.update()
    assert names() == {name.replace("Left", "Hero") for name in before}, "at once"
    # The artist's own names stay.
    strips_of(rendered)["Hero"].name = "Take 2"
    scene.objects["Hero"].name = "Villain"
    bpy.context.view_layer.update()
    newer = render_again(rendered)
    bpy.ops.reangle.results_to_sequencer()
    bpy.ops.reangle.results_to_compositor()
    assert_shows(rendered, newer, **{"Take 2": "Villain", "In": "In"})
    assert names() == {name.replace("Left", "Villain") for name in before if name != "Left"} | {"Take 2", "Villain"}


def test_channels_end(rendered: SimpleNamespace) -> None:
    scene = bpy.context.scene
    shot, compat, sequencer = (rendered.reangle(name) for name in ("state", "compat", "scene.sequencer"))
    bpy.ops.reangle.results_to_sequencer()
    edit = shot.of(scene).edit
    for strip in list(strips_of(rendered).values()):
        compat.strips(edit).remove(strip)

    def block(channel: int, start: int = 1) -> None:
        compat.strips(edit).new_effect(
            f"{channel}", "COLOR", channel=channel, frame_start=start, **compat_length(start)
        )

    def compat_length(start: int) -> dict[str, int]:
        return {"length": 50} if bpy.app.version >= (5, 0, 0) else {"frame_end": start + 50}

    for channel in range(1, sequencer.CHANNELS + 1):
        block(channel, 1 if channel != 77 else 1000)
    before = {strip.name: strip.channel for strip in compat.strips(edit)}
    with pytest.raises(RuntimeError, match=r"In finds no free channel.*'Scene Edit' at frames 1 to 5.*Delete or move"):
        bpy.ops.reangle.results_to_sequencer()
    assert {strip.name: strip.channel for strip in compat.strips(edit)} == before, "nothing is half-done"
    compat.strips(edit).remove(compat.strips(edit)["33"])
    assert bpy.ops.reangle.results_to_sequencer() == {"FINISHED"}
    found = strips_of(rendered)
    assert {found["Left"].channel, found["In"].channel} == {33, 77}
    assert (found["Left"].frame_final_start, found["In"].frame_final_start) == (1, 1)


def test_each_clip_and_each_scene_has_strips_of_its_own(rendered: SimpleNamespace, clip: Path, tmp_path: Path) -> None:
    first = bpy.context.scene
    bpy.ops.reangle.results_to_sequencer()
    bpy.ops.reangle.results_to_compositor()
    shown = {folder_of(strip) for strip in strips_of(rendered).values() if strip.type == "IMAGE"}
    # Another clip in the same scene, seen from the same cameras.
    shutil.copytree(clip.parents[1], tmp_path / "other")
    other = tmp_path / "other" / clip.parent.name / clip.name
    tiny.write_png(other, 255 - tiny.rgb()[0])
    import_clip(rendered, other)
    newer = render_again(rendered)
    bpy.ops.reangle.results_to_sequencer()
    both = {folder_of(strip) for strip in strips_of(rendered).values() if strip.type == "IMAGE"}
    assert both == shown | {Path(camera.folder) for camera in newer.cameras}
    assert len(both) == 4

    # A copy of the scene.
    before = sorted(strips_of(rendered))
    bpy.ops.scene.new(type="FULL_COPY")
    second = bpy.context.scene
    job = rendered.state.of(second).jobs[-1]
    bpy.ops.reangle.results_to_sequencer(job=job.name)
    bpy.ops.reangle.results_to_compositor(job=job.name)
    one, two = rendered.state.of(first), rendered.state.of(second)
    assert len({one.edit, two.edit, first, second}) == 4
    assert one.result_nodes != two.result_nodes
    assert sorted(strips_of(rendered, first)) == before
    assert len(strips_of(rendered, second)) == 3  # with the selector


def test_nodes_are_not_doubled(rendered: SimpleNamespace) -> None:
    scene = bpy.context.scene
    tree = own_compositing(scene)
    for _ in range(2):
        bpy.ops.reangle.results_to_compositor()
    group = rendered.state.of(scene).result_nodes
    node = next(node for node in tree.nodes if node.bl_idname == "CompositorNodeGroup")
    assert node.node_tree == group
    blur = tree.nodes.new("CompositorNodeBlur")
    tree.links.new(node.outputs["In Visibility"], blur.inputs[0])
    counts = len(tree.nodes), len(group.nodes), len(group.interface.items_tree)
    newer = render_again(rendered)
    bpy.ops.reangle.results_to_compositor()
    assert (len(tree.nodes), len(group.nodes), len(group.interface.items_tree)) == counts
    if hasattr(scene, "compositing_node_group"):  # the artist may choose the group itself
        scene.compositing_node_group = group
        bpy.ops.reangle.results_to_compositor()
        scene.compositing_node_group = tree
        assert (len(tree.nodes), len(group.nodes), len(group.interface.items_tree)) == counts
    assert blur.inputs[0].links[0].from_socket.name == "In Visibility"
    images = {node.image for node in group.nodes if node.bl_idname == "CompositorNodeImage"}
    shown = {Path(bpy.path.abspath(image.filepath)).parent for image in images}
    assert shown == {
        Path(camera.folder) / part
        for camera in newer.cameras
        for part in ("frames", "warped", "visibility", "memory", "depth")
    }

    # A copied scene's node shows that scene's own group. Since 5.0 both may have the same compositing.
    bpy.ops.scene.new(type="FULL_COPY")
    second = bpy.context.scene
    bpy.ops.reangle.results_to_compositor(job=rendered.state.of(second).jobs[-1].name)
    own = rendered.state.of(second).result_nodes
    assert own != group
    assert (len(own.nodes), len(own.interface.items_tree), own.name) == (*counts[1:], "Scene.001 Results")
    copy = rendered.reangle("compat").compositor_tree(second)
    for place, expected in (
        (tree, {group, own} if copy == tree else {group}),
        (copy, {group, own} if copy == tree else {own}),
    ):
        assert {node.node_tree for node in place.nodes if node.bl_idname == "CompositorNodeGroup"} == expected


@pytest.mark.parametrize("lost", ["nodes", "output"])
def test_outputs_in_use_stay_when_nodes_are_deleted(rendered: SimpleNamespace, lost: str) -> None:
    scene = bpy.context.scene
    tree = own_compositing(scene)
    bpy.ops.reangle.results_to_compositor()
    group = rendered.state.of(scene).result_nodes
    node = next(node for node in tree.nodes if node.bl_idname == "CompositorNodeGroup")
    blur = tree.nodes.new("CompositorNodeBlur")
    tree.links.new(node.outputs["Left Frames"], blur.inputs[0])
    before = [item.name for item in group.interface.items_tree if item.in_out == "OUTPUT"]
    for item in [item for item in group.nodes if lost == "nodes" or item.bl_idname == "NodeGroupOutput"]:
        group.nodes.remove(item)
    bpy.ops.reangle.results_to_compositor()
    assert [item.name for item in group.interface.items_tree if item.in_out == "OUTPUT"] == before
    output = next(item for item in group.nodes if item.bl_idname == "NodeGroupOutput")
    for name in before:
        source = output.inputs[name].links[0].from_node
        title = name.removeprefix("Left ").removeprefix("In ")
        assert source.label == title
        if title in ("Frames", "Visibility", "Memory", "Depth"):
            assert source.image.name.rpartition(" ")[0] == name.removesuffix(f" {title}")
            assert Path(source.image.filepath).parent.name == title.lower()
    assert blur.inputs[0].links[0].from_socket.name == "Left Frames"


def own_compositing(scene: Scene) -> Any:
    """Compositing of the artist's own: the render, half as bright."""
    if hasattr(scene, "compositing_node_group"):
        tree = scene.compositing_node_group = bpy.data.node_groups.new("Own", "CompositorNodeTree")
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        output = tree.nodes.new("NodeGroupOutput")
    else:
        scene.use_nodes = True
        tree = scene.node_tree
        tree.nodes.clear()
        output = tree.nodes.new("CompositorNodeComposite")
    layers, exposure = tree.nodes.new("CompositorNodeRLayers"), tree.nodes.new("CompositorNodeExposure")
    exposure.inputs["Exposure"].default_value = -1
    tree.links.new(layers.outputs["Image"], exposure.inputs["Image"])
    tree.links.new(exposure.outputs["Image"], output.inputs[0])
    return tree


def test_a_newer_background_takes_the_place_of_the_older(rendered: SimpleNamespace) -> None:
    scene = bpy.context.scene
    lens = scene.objects["Left"].data
    lens.background_images.new().show_background_image = True  # the artist's own
    lens.show_background_images = False
    bpy.ops.reangle.results_to_backgrounds()
    lens.background_images[1].source, lens.background_images[1].alpha = "MOVIE_CLIP", 0.0
    newer = render_again(rendered)
    bpy.ops.reangle.results_to_backgrounds()
    assert lens.show_background_images
    own, item = lens.background_images
    assert (own.show_background_image, item.show_background_image) == (False, True)
    assert (item.source, item.alpha, item.image_user.frame_offset) == ("IMAGE", 1.0, 0)
    shown = Path(bpy.path.abspath(item.image.filepath))
    assert shown == Path(newer.cameras["Left"].folder) / "frames" / "000001.png"
    # Neither the clip's plane nor the cloud covers it.
    assert rendered.state.of(scene).plane.hide_get()
    drawing, shot = rendered.reangle("scene.cloud_drawing"), rendered.state.of(scene)
    space, view = SimpleNamespace(use_local_camera=False), SimpleNamespace(view_perspective="CAMERA")
    shot.cloud_over_result = 0.25
    for camera, opacity in ((scene.objects["Left"], 0.25), (shot.source, 1.0), (None, 1.0)):
        scene.camera = camera
        assert drawing._opacity(scene, view, space) == opacity
    scene.camera = scene.objects["Left"]
    assert drawing._opacity(scene, SimpleNamespace(view_perspective="PERSP"), space) == 1.0
    lens.show_background_images = False
    assert drawing._opacity(scene, view, space) == 1.0


def test_undo_and_libraries(rendered: SimpleNamespace, tmp_path: Path) -> None:
    path = str(tmp_path / "shot.blend")
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.reangle.results_to_sequencer()
    bpy.ops.reangle.results_to_compositor()
    bpy.ops.ed.undo_push(message="after")
    bpy.ops.ed.undo()
    scene = bpy.context.scene
    assert rendered.state.of(scene).edit is None
    assert [item.name for item in bpy.data.scenes] == ["Scene"]
    bpy.ops.ed.redo()
    scene = bpy.context.scene
    bpy.ops.reangle.results_to_sequencer()
    assert_shows(rendered, rendered.state.of(scene).jobs[-1], Left="Left", In="In")
    bpy.ops.wm.save_as_mainfile(filepath=path)

    # A scene of a library, and its edit, are left alone.
    bpy.ops.wm.read_homefile(use_empty=True)
    with bpy.data.libraries.load(path, link=True) as (source, target):
        target.scenes = list(source.scenes)
    linked = next(scene for scene in target.scenes if rendered.state.of(scene).edit is not None)
    with bpy.context.temp_override(scene=linked):
        assert not bpy.ops.reangle.results_to_sequencer.poll()
        assert not bpy.ops.reangle.results_to_backgrounds.poll()
        assert not bpy.ops.reangle.results_to_compositor.poll()
    assert rendered.reangle("scene.edit_scene").find(linked) is None
