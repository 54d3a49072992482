# SPDX-License-Identifier: GPL-3.0-or-later
"""Results as compositing nodes: the frames, the mask of areas that the clip shows, and depth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bpy.types import Scene

from .. import compat
from . import images

COLUMN, ROW = 220, 460
PARTS = (
    ("frames", "Frames", ".png", False),
    ("visibility", "Visibility", ".png", True),
    ("depth", "Depth", ".exr", True),
)


def add_nodes(scene: Scene, folder: Path, name: str, first_frame: int) -> list[Any]:
    """Add a frame with three image nodes for one camera's result; return the nodes.

    Nodes of an earlier result of this camera show the new one and keep their links. The frames are linked to the
    composite only if nothing is.
    """
    tree = compat.compositor_tree(scene)
    label = f"Reangle {name}"
    group = tree.nodes.get(f"{label} Result")
    # Nodes have no height before they are drawn, so results are placed in rows by count, below the artist's nodes.
    row = 1 + sum(node.name.startswith("Reangle ") and node.name.endswith(" Result") for node in tree.nodes)
    if group is None:
        group = tree.nodes.new("NodeFrame")
        group.name, group.label = f"{label} Result", label
    shown = []
    for column, (part, title, suffix, is_data) in enumerate(PARTS):
        node = tree.nodes.get(f"{label} {title}")
        if node is None:
            node = tree.nodes.new("CompositorNodeImage")
            node.name, node.label = f"{label} {title}", title
            node.parent = group
            node.location = (column * COLUMN, -row * ROW)
        node.image = images.load_sequence(folder / part, f"{name} {part}", suffix=suffix, is_data=is_data)
        images.show_from(node, first_frame, len(images.sequence_files(folder / part, suffix)))
        shown.append(node)
    composite = compat.compositor_output(tree)
    if not composite.is_linked:
        tree.links.new(shown[0].outputs[0], composite)
    return shown
