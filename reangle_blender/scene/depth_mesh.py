# SPDX-License-Identifier: GPL-3.0-or-later
"""The depth of the rendered frame as a mesh that hides CG behind the scene's things and catches its shadows.

Its faces are the cells of a depth map. Cells between two surfaces are faces that only the camera sees: from there they
close the gap between the two, but for light there is nothing. `depth_frames` gives it the frames.
"""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from bpy.types import Material, Mesh, Object, Scene

from .. import compat, state
from ..core.depth_grid import BRIDGE, HOLE, SOLID, DepthGrid, topology
from ..core.errors import UserError
from . import cameras
from .vertices import set_positions

COLOR = "Color"
SURFACE_SLOT, BRIDGE_SLOT, NOTHING_SLOT = range(3)

_OWNER = "reangle_depth_material"
"""Custom property of the add-on's materials: the slot that they are for."""

_NAMES = {SURFACE_SLOT: "Depth Surface", BRIDGE_SLOT: "Depth Edges", NOTHING_SLOT: "Depth Gaps"}


def check(scene: Scene) -> None:
    """Raises UserError if the scene can have no depth mesh."""
    state.check_editable(scene)
    shot = state.of(scene)
    if state.alive(scene, shot.origin) is None or state.alive(scene, shot.cloud) is None:
        raise UserError("There is no clip with depth in this scene.", advice="Import a clip in the Clip panel first.")
    if shot.origin.library is not None:
        raise UserError(
            "The clip is linked from another file, and what is added to it here would be lost.",
            advice="Add the depth mesh there.",
        )


def add(scene: Scene) -> Object:
    """The scene's depth mesh below the clip's origin, without faces until it is filled; an existing one is kept."""
    shot = state.of(scene)
    item = state.alive(scene, shot.cg.mesh)
    if item is None:
        name = f"{shot.shot_title} Depth Mesh"
        item = bpy.data.objects.new(name, bpy.data.meshes.new(name))
        cameras.collection_of(scene, shot.origin).objects.link(item)
        item.parent = shot.origin
        item.hide_select = True
        shot.cg.mesh = item
        for slot in _NAMES:
            item.data.materials.append(_material(slot))
    place(scene)
    return item


def remove(scene: Scene) -> None:
    """Take the depth mesh out of the file."""
    shot = state.of(scene)
    item, shot.cg.mesh = shot.cg.mesh, None
    if item is None:
        return
    mesh = item.data
    bpy.data.objects.remove(item)
    if not mesh.users:
        bpy.data.meshes.remove(mesh)
    for material in [item for item in bpy.data.materials if _OWNER in item and not item.users]:
        bpy.data.materials.remove(material)


def place(scene: Scene) -> None:
    """Set what the artist chose on the object, and its size to the scene's unit."""
    shot = state.of(scene)
    item = state.alive(scene, shot.cg.mesh)
    if item is None or item.library is not None:
        return
    item.scale = (shot.unit,) * 3
    item.is_shadow_catcher = shot.cg.use == "SHADOWS"
    item.is_holdout = shot.cg.use == "HOLDOUT"
    item.hide_viewport = not shot.cg.in_viewport


def fill(item: Object, grid: DepthGrid, *, is_own: bool) -> bool:
    """Show a grid. is_own: the rendered camera is the grid's, so that cells between two surfaces close gaps; from
    elsewhere they would be a rubber sheet, and are left out. Returns whether it did: not while the artist edits it."""
    mesh = item.data
    if item.mode != "OBJECT" or item.library is not None or mesh.library is not None:
        return False
    if not _has_shape(mesh, grid):
        _build(mesh, grid)
    slots = np.empty(3, np.int32)
    slots[[SOLID, BRIDGE, HOLE]] = SURFACE_SLOT, BRIDGE_SLOT if is_own else NOTHING_SLOT, NOTHING_SLOT
    set_positions(mesh, grid.co)
    mesh.attributes[COLOR].data.foreach_set("color", grid.rgba.ravel())
    mesh.attributes["material_index"].data.foreach_set("value", slots[grid.cells])
    mesh.update()
    return True


def empty(item: Object) -> None:
    """Drop the points of a mesh that nothing shows, from memory and from the .blend."""
    if item.mode == "OBJECT" and item.library is None and item.data.library is None and len(item.data.vertices):
        item.data.clear_geometry()
        item.data.update()


def _has_shape(mesh: Mesh, grid: DepthGrid) -> bool:
    """Whether the mesh is a grid of this size. The last face ends at the last vertex, and the first row's length shows
    in the first face."""
    if len(mesh.vertices) != grid.columns * grid.rows or len(mesh.polygons) != len(grid.cells):
        return False
    has_layers = COLOR in mesh.attributes and "material_index" in mesh.attributes
    return has_layers and list(mesh.polygons[0].vertices) == [0, grid.columns, grid.columns + 1, 1]


def _build(mesh: Mesh, grid: DepthGrid) -> None:
    mesh.clear_geometry()
    links = topology(grid.columns, grid.rows)
    mesh.vertices.add(grid.columns * grid.rows)
    # Blender needs several times as long to find the edges.
    mesh.edges.add(len(links.edges) // 2)
    mesh.loops.add(len(links.corners))
    mesh.polygons.add(len(grid.cells))
    # As attributes they are copied at once; through `edges` and `loops` it takes a hundred times as long.
    for name, values in (
        (".edge_verts", links.edges),
        (".corner_vert", links.corners),
        (".corner_edge", links.after),
    ):
        mesh.attributes[name].data.foreach_set("value", values)
    mesh.polygons.foreach_set("loop_start", links.starts)
    for name, kind, domain in ((COLOR, "FLOAT_COLOR", "POINT"), ("material_index", "INT", "FACE")):
        if name not in mesh.attributes:
            mesh.attributes.new(name, kind, domain)


def _material(slot: int) -> Material:
    found = next((item for item in bpy.data.materials if item.library is None and item.get(_OWNER) == slot), None)
    if found is not None:
        return found
    material = bpy.data.materials.new(_NAMES[slot])
    material[_OWNER] = slot
    tree = compat.nodes_of(material)
    if slot == SURFACE_SLOT:
        _to_output(tree, _clip_surface(tree), "CYCLES")
        _to_output(tree, tree.nodes.new("ShaderNodeHoldout").outputs[0], "EEVEE")
    elif slot == BRIDGE_SLOT:
        _to_output(tree, _for_camera_alone(tree, _clip_surface(tree)), "CYCLES")
        _to_output(tree, _for_camera_alone(tree, tree.nodes.new("ShaderNodeHoldout").outputs[0]), "EEVEE")
    else:
        _to_output(tree, tree.nodes.new("ShaderNodeBsdfTransparent").outputs[0], "ALL")
    return material


def _clip_surface(tree: Any) -> Any:
    """A matt surface with the clip's colours, which CG mirrors and is lit by."""
    surface, colour = tree.nodes.new("ShaderNodeBsdfDiffuse"), tree.nodes.new("ShaderNodeVertexColor")
    colour.layer_name = COLOR
    tree.links.new(colour.outputs["Color"], surface.inputs["Color"])
    return surface.outputs[0]


def _for_camera_alone(tree: Any, shader: Any) -> Any:
    """The shader for rays of the camera, nothing for all others."""
    path, nothing = tree.nodes.new("ShaderNodeLightPath"), tree.nodes.new("ShaderNodeBsdfTransparent")
    mix = tree.nodes.new("ShaderNodeMixShader")
    tree.links.new(path.outputs["Is Camera Ray"], mix.inputs[0])
    tree.links.new(nothing.outputs[0], mix.inputs[1])
    tree.links.new(shader, mix.inputs[2])
    return mix.outputs[0]


def _to_output(tree: Any, shader: Any, target: str) -> None:
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    output.target = target
    tree.links.new(shader, output.inputs["Surface"])
