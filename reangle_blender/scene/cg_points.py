# SPDX-License-Identifier: GPL-3.0-or-later
"""The cloud as points that Cycles and EEVEE render: a Geometry Nodes modifier that is there while switched on."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.types import Material, NodeTree, Object, Scene

from .. import compat, state
from . import point_cloud

MODIFIER = "Render Points"

_OWNER = "reangle_points"
"""Custom property of the add-on's node group and material."""


def follow_switch(scene: Scene) -> None:
    """Add the modifier to the scene's cloud, or take it away, as the artist chose. Viewports draw the cloud anyway,
    so there it is off."""
    shot = state.of(scene)
    item = state.alive(scene, shot.cloud)
    if item is None or item.library is not None or item.data.library is not None:
        return
    modifier = _modifier(item)
    if shot.cg.points and modifier is None:
        modifier = item.modifiers.new(MODIFIER, "NODES")
        modifier.node_group = _own(bpy.data.node_groups) or _make_group()
        modifier.show_viewport = False
    elif not shot.cg.points and modifier is not None:
        item.modifiers.remove(modifier)
        _remove_unused()
    point_cloud.set_rendered(scene, item, shot.cg.points)


def _modifier(item: Object) -> Any:
    """The add-on's modifier of the cloud, known by its node group."""
    return next(
        (one for one in item.modifiers if one.type == "NODES" and one.node_group and _OWNER in one.node_group), None
    )


def _own(blocks: Any) -> Any:
    return next((item for item in blocks if item.library is None and _OWNER in item), None)


def _remove_unused() -> None:
    for blocks in (bpy.data.node_groups, bpy.data.materials):
        for item in [item for item in blocks if item.library is None and _OWNER in item and not item.users]:
            blocks.remove(item)


def _make_group() -> NodeTree:
    """Vertices with a radius become points with the material; Mesh to Points keeps all attributes."""
    tree: Any = bpy.data.node_groups.new("Reangle Points", "GeometryNodeTree")
    tree[_OWNER] = True
    tree.is_modifier = True
    for direction in ("INPUT", "OUTPUT"):
        tree.interface.new_socket("Geometry", in_out=direction, socket_type="NodeSocketGeometry")
    start, end = tree.nodes.new("NodeGroupInput"), tree.nodes.new("NodeGroupOutput")
    radius = tree.nodes.new("GeometryNodeInputNamedAttribute")
    radius.data_type = "FLOAT"
    radius.inputs["Name"].default_value = point_cloud.RADIUS
    is_used = tree.nodes.new("FunctionNodeCompare")
    is_used.data_type, is_used.operation = "FLOAT", "GREATER_THAN"
    points = tree.nodes.new("GeometryNodeMeshToPoints")
    shaded = tree.nodes.new("GeometryNodeSetMaterial")
    shaded.inputs["Material"].default_value = _own(bpy.data.materials) or _make_material()
    for column, node in enumerate((start, radius, is_used, points, shaded, end)):
        node.location = (200 * column, 0)
    for output, target in (
        (start.outputs[0], points.inputs["Mesh"]),
        (radius.outputs["Attribute"], is_used.inputs[0]),
        (is_used.outputs[0], points.inputs["Selection"]),
        (radius.outputs["Attribute"], points.inputs["Radius"]),
        (points.outputs[0], shaded.inputs["Geometry"]),
        (shaded.outputs[0], end.inputs[0]),
    ):
        tree.links.new(output, target)
    return tree


def _make_material() -> Material:
    """The clip's colours as light, which no lamp changes."""
    material = bpy.data.materials.new("Reangle Points")
    material[_OWNER] = True
    tree = compat.nodes_of(material)
    colour, light = tree.nodes.new("ShaderNodeAttribute"), tree.nodes.new("ShaderNodeEmission")
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    colour.attribute_name = point_cloud.COLOR
    for column, node in enumerate((colour, light, output)):
        node.location = (200 * column, 0)
    tree.links.new(colour.outputs["Color"], light.inputs["Color"])
    tree.links.new(light.outputs[0], output.inputs["Surface"])
    return material
