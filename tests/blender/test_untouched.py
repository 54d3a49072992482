# SPDX-License-Identifier: GPL-3.0-or-later
"""What the artist made before the import: objects, world, render settings, compositing and other scenes stay."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import pytest
from conftest import choose_clip, wait_for_jobs
from file_contents import contents, differences

# What is added to the scene: our collections and objects, and the selection of a new camera.
ADDED = re.compile(
    r"scenes/Scene/(reangle/.*|objects.*|collection/(children|all_objects|collection_children).*"
    r"|view_layers/0/(objects|layer_collection|active_layer_collection).*)"
)
# What "Match Scene to Clip" says that it changes.
MATCHED = re.compile(
    r"scenes/Scene/(frame_(start|end|current)|view_settings/view_transform"
    r"|render/(resolution_(x|y|percentage)|pixel_aspect_[xy]|fps|fps_base|use_lock_interface))"
)


def own_things() -> None:
    """A small production: animated objects, lights, a world, nodes, strips, markers, a second scene."""
    scene = bpy.context.scene
    mesh = bpy.data.meshes.new("Own Mesh")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    item = bpy.data.objects.new("Own Thing", mesh)
    item.modifiers.new("Own Array", "ARRAY").count = 3
    item.keyframe_insert("location", frame=3)
    material = bpy.data.materials.new("Own Material")
    item.data.materials.append(material)
    camera = bpy.data.objects.new("Own Camera", bpy.data.cameras.new("Own Camera"))
    camera.data.lens, camera.rotation_euler[0] = 35, 0.3
    light = bpy.data.objects.new("Own Light", bpy.data.lights.new("Own Light", "SPOT"))
    collection = bpy.data.collections.new("Own Collection")
    scene.collection.children.link(collection)
    for one in (item, camera, light):
        collection.objects.link(one)
    item.select_set(True)
    bpy.context.view_layer.objects.active = item
    scene.camera = camera
    scene.world = bpy.data.worlds.new("Own World")
    scene.world.color = (0.1, 0.2, 0.3)
    scene.timeline_markers.new("Own Marker", frame=4)
    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage, render.fps = 1000, 500, 50, 25
    render.filepath, render.film_transparent, render.use_compositing = "//own_", True, True
    scene.frame_start, scene.frame_end = 3, 40
    scene.view_settings.exposure = 0.5
    scene.sequence_editor_create()
    other = bpy.data.scenes.new("Own Scene")
    other.render.fps = 30
    tree = bpy.data.node_groups.new("Own Nodes", "CompositorNodeTree")
    tree.nodes.new("CompositorNodeBlur")
    if hasattr(scene, "compositing_node_group"):
        scene.compositing_node_group = tree
    else:
        scene.use_nodes = True
        scene.node_tree.nodes.new("CompositorNodeBlur")
    bpy.data.texts.new("Own Text").write("own")
    bpy.context.view_layer.update()


def changed_outside(before: dict[str, Any], *, matches: bool) -> dict[str, Any]:
    """What differs of the things that were there before."""
    known = {tuple(name.split("/")[:2]) for name in before}
    found = differences(before, contents())
    return {
        name: values
        for name, values in found.items()
        if tuple(name.split("/")[:2]) in known
        and not ADDED.fullmatch(name)
        and not (matches and MATCHED.fullmatch(name))
    }


@pytest.mark.parametrize("matches", [False, True])
def test_what_the_artist_made_stays_as_it_was(desk: SimpleNamespace, clip: Path, matches: bool) -> None:
    own_things()
    before = contents()
    choose_clip(desk, clip)
    bpy.context.scene.reangle.clip.match_scene = matches
    assert bpy.ops.reangle.import_clip() == {"FINISHED"}
    wait_for_jobs(desk)
    assert changed_outside(before, matches=matches) == {}
    bpy.ops.reangle.add_camera()
    bpy.ops.reangle.apply_move(move="orbit-left", amount=5, name="Left")
    assert changed_outside(before, matches=matches) == {}
    bpy.ops.reangle.render()
    wait_for_jobs(desk)
    assert changed_outside(before, matches=matches) == {}
