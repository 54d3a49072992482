# SPDX-License-Identifier: GPL-3.0-or-later
"""What the group of results mixes for each camera: the clip's own pixels over the result, and the result with CG."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import compat
from . import result_marks
from .result_marks import Result

CG, CG_DEPTH = "CG", "CG Depth"
"""The group's inputs: a rendered picture with alpha, and its Z pass."""

FAR = 1e9
"""Depth of what no frame of the clip shows: behind all CG, before the background of a render, which has 1e10."""

COLUMN, DOWN = 220, 300


@dataclass(frozen=True)
class Mix:
    """One picture that is mixed from the parts of a result. folder: marks its node, as that of a part does."""

    folder: str
    title: str


EXACT = Mix("exact", "Exact Where Seen")
WITH_CG = Mix("with CG", "With CG")
MIXES = (EXACT, WITH_CG)

_HELPERS = ("known", "unknown", "scaled", "filled")


def find(group: Any, result: Result, mix: Mix) -> tuple[Any, Any]:
    """The node of a mix, and the output with its picture."""
    node = _node(group, result, mix.folder)
    if node.bl_idname == "ShaderNodeMix":
        return node, next(socket for socket in node.outputs if socket.identifier == "Result_Color")
    return node, node.outputs[0]


def show(group: Any, frame: Any, result: Result, sources: Mapping[str, Any], scale: float) -> None:
    """Have the mixes of a result; nodes that are there keep their links, and only the scale of depth is set anew.

    frame: the frame node that they are in. sources: by folder, the node of each part. scale: Blender's units per unit
    of depth.
    """
    for name, title, kind in ((CG, CG, "NodeSocketColor"), (CG_DEPTH, CG_DEPTH, "NodeSocketFloat")):
        if not any(item.item_type == "SOCKET" and item.name == name for item in group.interface.items_tree):
            socket = group.interface.new_socket(title, in_out="INPUT", socket_type=kind)
            socket.default_value = (0.0, 0.0, 0.0, 0.0) if kind == "NodeSocketColor" else 10 * FAR
    nodes = {name: _node(group, result, name) for name in (*_HELPERS, EXACT.folder, WITH_CG.folder)}
    if all(nodes.values()):
        nodes["scaled"].inputs[1].default_value = scale
        return
    for node in filter(None, nodes.values()):
        group.nodes.remove(node)
    picture = {name: node.outputs[0] for name, node in sources.items()}
    corner = sources["depth"].location

    def placed(name: str, label: str, node: Any, column: int, row: int) -> Any:
        node.label, node.parent = label, frame
        node.location = (corner[0] + column * COLUMN, corner[1] - row * DOWN)
        result_marks.mark(node, result, name)
        return node

    known = placed("known", "Seen in Any Frame", compat.math_node(group, "MAXIMUM"), 1, 0)
    group.links.new(picture["visibility"], known.inputs[0])
    group.links.new(picture["memory"], known.inputs[1])
    node, (factor, below, above), _ = compat.mix_node(group)
    placed(EXACT.folder, EXACT.title, node, 2, 0)
    group.links.new(known.outputs[0], factor)
    group.links.new(picture["frames"], below)
    group.links.new(picture["warped"], above)

    # Depth is 0 where nothing is known.
    scaled = placed("scaled", "Depth in Blender's Units", compat.math_node(group, "MULTIPLY"), 1, 1)
    group.links.new(picture["depth"], scaled.inputs[0])
    scaled.inputs[1].default_value = scale
    unknown = placed("unknown", "Unknown", compat.math_node(group, "LESS_THAN"), 2, 1)
    group.links.new(picture["depth"], unknown.inputs[0])
    unknown.inputs[1].default_value = 1e-6
    filled = placed("filled", "Unknown Is Far", compat.math_node(group, "MULTIPLY_ADD"), 3, 1)
    group.links.new(unknown.outputs[0], filled.inputs[0])
    filled.inputs[1].default_value = FAR
    group.links.new(scaled.outputs[0], filled.inputs[2])

    given = next((node for node in group.nodes if node.bl_idname == "NodeGroupInput"), None)
    if given is None:
        given = group.nodes.new("NodeGroupInput")
        given.location = (corner[0] + 2 * COLUMN, corner[1] + DOWN)
    node, inputs, _ = compat.depth_combine_node(group)
    placed(WITH_CG.folder, WITH_CG.title, node, 4, 0)
    for source, socket in zip(
        (given.outputs[CG], given.outputs[CG_DEPTH], picture["frames"], filled.outputs[0]), inputs, strict=True
    ):
        group.links.new(source, socket)


def _node(group: Any, result: Result, name: str) -> Any:
    return next((node for node in group.nodes if result_marks.shows(node, result, name)), None)
