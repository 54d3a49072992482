# SPDX-License-Identifier: GPL-3.0-or-later
"""Positions of a mesh's vertices, written at once."""

from __future__ import annotations

import numpy as np
from bpy.types import Mesh


def set_positions(mesh: Mesh, co: np.ndarray) -> None:
    """Place all vertices of the mesh, at least one. co: n x 3 float32. `mesh.update` afterwards shows it.

    Through `vertices` it takes a hundred times as long. As an attribute, though, Blender does not see that the mesh has
    other bounds now, by which it is framed, selected and left out of pictures; moving one vertex tells it.
    """
    mesh.attributes["position"].data.foreach_set("vector", co.ravel())
    mesh.vertices[0].co = mesh.vertices[0].co
