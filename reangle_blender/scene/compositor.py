# SPDX-License-Identifier: GPL-3.0-or-later
"""Results among the compositing nodes: the frames, what was truly seen, and depth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bpy.types import Scene

from .. import compat
from . import images

PARTS = (("frames", "", ".png", False), ("visibility", "Visibility", ".png", True), ("depth", "Depth", ".exr", True))


def add_nodes(scene: Scene, folder: Path, name: str, first_frame: int) -> list[Any]:
    """Add a frame with three image nodes for one camera's result; return the nodes.

    They take the place of nodes of the same name. The composite is linked only where nothing is linked to it yet.
    """
    tree = compat.compositor_tree(scene)
    label = f"Reangle {name}"
    for node in [node for node in tree.nodes if node.name == label or node.name.startswith(f"{label} ")]:
        tree.nodes.remove(node)
    below = min((node.location.y - node.height for node in tree.nodes), default=0.0)
    group = tree.nodes.new("NodeFrame")
    group.name, group.label = f"{label} Result", label
    made = []
    for row, (part, title, suffix, is_data) in enumerate(PARTS):
        node = tree.nodes.new("CompositorNodeImage")
        node.name = f"{label} {title or 'Frames'}"
        node.label = title or name
        node.image = images.load_sequence(folder / part, f"{name} {part}", suffix=suffix, is_data=is_data)
        images.show_from(node, first_frame, len(images.sequence_files(folder / part, suffix)))
        node.parent = group
        node.location = (row * 260, below - 80)
        made.append(node)
    composite = compat.compositor_output(tree)
    if not composite.is_linked:
        tree.links.new(made[0].outputs[0], composite)
    return made
