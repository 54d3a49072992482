# SPDX-License-Identifier: GPL-3.0-or-later
"""Results as compositing nodes: the frames, the warp, the masks of what the clip shows, and depth.

They are in a node group of their own, with what is mixed from them (`mixes`). The artist's compositing, if there is
one, gets this group as a node that is linked to nothing; a scene without compositing gets none. So the scene renders as
before, until the artist asks for a result in its render (`use`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
from bpy.types import NodeTree, Scene

from .. import compat, state
from . import cameras, images, mixes, result_marks
from .result_marks import Result

COLUMN, ROW = 220, 620
GROUP_NODE = "CompositorNodeGroup"

_OWNER = "reangle_results"
"""Custom property of the add-on's node groups."""

_SOCKET = "reangle_socket"
"""Custom property of a node: the identifier of its output of the group."""


@dataclass(frozen=True)
class Part:
    """One folder of a result. is_data: holds numbers, not colours."""

    folder: str
    title: str
    is_data: bool


PARTS = (
    Part("frames", "Frames", False),
    Part("warped", "Warp", False),
    Part("visibility", "Visibility", True),
    Part("memory", "Memory", True),
    Part("depth", "Depth", True),
)


@dataclass(frozen=True)
class Layers:
    """A camera's result. folder: holds the parts' folders. first_frame: the scene frame of the first file.
    size: width and height in pixels."""

    result: Result
    folder: Path
    first_frame: int
    size: tuple[int, int] = (0, 0)


def show(scene: Scene, every: Sequence[Layers]) -> tuple[NodeTree, bool]:
    """Show these results in the scene's group of results, which is made if there is none.

    Nodes of an earlier version of a result show the new one and keep their links. Returns the group, and whether the
    scene's compositing has it. Raises UserError, before anything is changed, if files are missing.
    """
    for layers in every:
        for part in PARTS:
            images.sequence_files(layers.folder / part.folder)
    tree = compat.compositor_tree(scene)
    tree = tree if tree is not None and tree.library is None else None
    group = _group(scene, tree, every)
    for layers in every:
        _show_in_group(scene, group, layers)
        if tree is not None and tree != group:
            _show_in_former_nodes(tree, layers)
    if tree is not None and tree != group and not _has_node(tree, group):
        _add_node(tree, group)
    return group, tree is not None


def follow_names(group: Any) -> None:
    """Name nodes, outputs and images after their cameras as these are named now."""
    for node in group.nodes:
        camera = result_marks.camera_of(node)
        if camera is not None:
            _name(group, node, camera.name)


def _group(scene: Scene, tree: Any, every: Sequence[Layers]) -> Any:
    """The scene's group of results. A copied scene has its original's in its compositing, and gets a copy of that."""
    saved = state.of(scene)
    group = saved.result_nodes
    if group is None or group.library is not None:
        other = _other_node(scene, tree) if tree is not None else None
        if other is not None:
            group = other.node_tree = other.node_tree.copy()
            result_marks.take_over(group, group.nodes, [layers.result for layers in every])
        else:
            group = bpy.data.node_groups.new(f"{scene.name} Results", "CompositorNodeTree")
            group[_OWNER] = True
        saved.result_nodes = group
    result_marks.give_name(group, f"{scene.name} Results")
    return group


def _other_node(scene: Scene, tree: Any) -> Any:
    """The node with the results of the scene that this is a copy of; None in compositing that both use."""
    if any(compat.compositor_tree(item) == tree for item in state.scenes() if item != scene):
        return None
    nodes = (node for node in tree.nodes if node.bl_idname == GROUP_NODE and node.node_tree is not None)
    return next((node for node in nodes if node.node_tree.get(_OWNER)), None)


def _show_in_group(scene: Scene, group: Any, layers: Layers) -> None:
    frame = next((node for node in group.nodes if result_marks.shows(node, layers.result, "all")), None)
    sources = {}
    row = None
    if frame is None:
        # Nodes have no height before they are drawn, so results are placed in rows by count.
        row = sum(result_marks.part_of(node) == "all" for node in group.nodes)
        frame = group.nodes.new("NodeFrame")
    result_marks.mark(frame, layers.result, "all")
    _name(group, frame, layers.result.name)
    for column, part in enumerate(PARTS):
        node = next((node for node in group.nodes if result_marks.shows(node, layers.result, part.folder)), None)
        if node is None:
            node = group.nodes.new("CompositorNodeImage")
            node.label, node.parent = part.title, frame
            if row is not None:
                node.location = (column * COLUMN, -row * ROW)
            elif "frames" in sources:  # a part that the artist deleted, or that an older version did not show
                node.location = (column * COLUMN, sources["frames"].location.y - ROW / 2)
        result_marks.mark(node, layers.result, part.folder)
        _show_files(node, layers, part)
        sources[part.folder] = node
        if not any(link.to_node.bl_idname == "NodeGroupOutput" for link in node.outputs[0].links):
            socket = _free_socket(group, node, f"{layers.result.name} {part.title}")
            group.links.new(node.outputs[0], socket)
        _name(group, node, layers.result.name)
    mixes.show(group, frame, layers.result, sources, depth_scale(scene))
    for mix in mixes.MIXES:
        node, picture = mixes.find(group, layers.result, mix)
        if not any(link.to_node.bl_idname == "NodeGroupOutput" for link in picture.links):
            group.links.new(picture, _free_socket(group, node, f"{layers.result.name} {mix.title}"))
        _name(group, node, layers.result.name)


def depth_scale(scene: Scene) -> float:
    """Blender's units per unit of a result's depth."""
    saved = state.of(scene)
    origin = state.alive(scene, saved.origin)
    return saved.unit * (origin.matrix_world.median_scale if origin is not None else 1.0)


def use(scene: Scene, layers: Layers) -> list[str]:
    """Let the scene render this camera's result with the CG before and behind it, by depth. Returns notes.

    The scene's camera becomes the result's. Its compositing is made if there is none; of the artist's, only what is
    linked to the output is replaced. `show` first.
    """
    notes = []
    group = state.of(scene).result_nodes
    tree = compat.make_compositor_tree(scene)
    render = next((node for node in tree.nodes if node.bl_idname == "CompositorNodeRLayers"), None)
    if render is None:
        render = tree.nodes.new("CompositorNodeRLayers")
        render.location = (-2 * COLUMN, 0)
    render.scene = scene
    layer = scene.view_layers.get(render.layer) or scene.view_layers[0]
    layer.use_pass_z = True
    node = next((node for node in tree.nodes if node.bl_idname == GROUP_NODE and node.node_tree == group), None)
    if node is None:
        node = _add_node(tree, group)
    tree.links.new(render.outputs["Image"], node.inputs[mixes.CG])
    tree.links.new(render.outputs["Depth"], node.inputs[mixes.CG_DEPTH])
    output = compat.compositor_output(tree)
    if output.is_linked and output.links[0].from_node not in (node, render):
        notes.append(f"What {output.links[0].from_node.name!r} gave to the output is no longer linked there.")
    _, mixed = mixes.find(group, layers.result, mixes.WITH_CG)
    key = next(link.to_socket.identifier for link in mixed.links if link.to_node.bl_idname == "NodeGroupOutput")
    tree.links.new(next(item for item in node.outputs if item.identifier == key), output)
    if len(tree.nodes) == 3:  # none of the artist's
        node.location, node.width = (0, 0), COLUMN
        render.location, output.node.location = (-2 * COLUMN, 0), (2 * COLUMN, 0)
    if layers.result.camera is not None and scene.camera != layers.result.camera:
        scene.camera = layers.result.camera
        notes.append(f"The scene's camera is {scene.camera.name} now.")
    scene.render.film_transparent = True
    size = cameras.render_size(scene)
    if layers.size != (0, 0) and (size.width, size.height) != layers.size:
        notes.append(
            f"The result has {layers.size[0]} x {layers.size[1]} pixels and the scene renders {size.width} x "
            f"{size.height}, so they do not match; set the scene's resolution to the result's."
        )
    transform = scene.view_settings.view_transform
    if transform != compat.VIDEO_VIEW_TRANSFORM:
        notes.append(
            f"The view transform {transform} changes the result's colours; Standard, in Render > Color Management, "
            "does not."
        )
    return notes


def _free_socket(group: Any, node: Any, name: str) -> Any:
    """The output's socket for a node that has lost its link, or is new in the place of a deleted one: that which the
    artist's nodes use already, else a new one."""
    output = _output(group)
    free = {item.identifier: item for item in output.inputs if item.identifier and not item.is_linked}
    known = node.get(_SOCKET), next((key for key, item in free.items() if item.name == name), None)
    identifier = next((key for key in known if key in free), None)
    if identifier is None:
        identifier = group.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor").identifier
    node[_SOCKET] = identifier
    return next(item for item in output.inputs if item.identifier == identifier)


def _show_files(node: Any, layers: Layers, part: Part) -> None:
    folder = layers.folder / part.folder
    name = f"{layers.result.name} {part.folder}"
    node.image = images.load_sequence(folder, name, is_data=part.is_data)
    images.show_from(node, layers.first_frame, len(images.sequence_files(folder)))


def _output(group: Any) -> Any:
    output = next((node for node in group.nodes if node.bl_idname == "NodeGroupOutput"), None)
    if output is None:
        output = group.nodes.new("NodeGroupOutput")
        output.location = ((len(PARTS) + 4) * COLUMN, 0)
    return output


def _name(group: Any, node: Any, name: str) -> None:
    """Name what belongs to a node of the group: a frame's label, or a node's image and outputs."""
    if node.bl_idname == "NodeFrame":
        result_marks.give_name(node, name, attribute="label")
        return
    part = result_marks.part_of(node)
    title = next((item.title for item in (*PARTS, *mixes.MIXES) if item.folder == part), None)
    if title is None:
        return
    image = getattr(node, "image", None)
    if image is not None and result_marks.has_given_name(image):
        result_marks.give_name(image, f"{name} {part}")
    for link in (link for output in node.outputs for link in output.links):
        for item in group.interface.items_tree if link.to_node.bl_idname == "NodeGroupOutput" else ():
            if item.item_type == "SOCKET" and item.identifier == link.to_socket.identifier:
                # Outputs of a group have no custom properties.
                result_marks.give_name(item, f"{name} {title}", store=node)


def _group_nodes(tree: Any) -> Iterator[Any]:
    """All group nodes in a tree, also in its groups."""
    for node in tree.nodes:
        if node.bl_idname == GROUP_NODE and node.node_tree is not None:
            yield node
            yield from _group_nodes(node.node_tree)


def _has_node(tree: Any, group: Any) -> bool:
    return any(node.node_tree == group for node in _group_nodes(tree))


def _add_node(tree: Any, group: Any) -> Any:
    """Show the group below the artist's nodes. Returns its node."""
    lowest = min((node.location.y for node in tree.nodes), default=0)
    left = min((node.location.x for node in tree.nodes), default=0)
    node = tree.nodes.new(GROUP_NODE)
    node.node_tree = group
    node.location = (left, lowest - ROW)
    return node


def _show_in_former_nodes(tree: Any, layers: Layers) -> None:
    """Nodes of 0.1 were among the artist's, and are known by their names: they show the new files, too."""
    for part in PARTS:
        node = tree.nodes.get(f"Reangle {layers.result.path} {part.title}")
        if node is not None and node.bl_idname == "CompositorNodeImage":
            _show_files(node, layers, part)
