# SPDX-License-Identifier: GPL-3.0-or-later
"""How computer graphics in the shot are hidden, shadowed and surrounded by the clip."""

from __future__ import annotations

from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty
from bpy.types import Context, Object, PropertyGroup


def _points_changed(group: ReangleCG, _context: Context) -> None:
    from ..scene import cg_points  # imports this module

    cg_points.follow_switch(group.id_data)


def _mesh_changed(group: ReangleCG, _context: Context) -> None:
    from ..scene import depth_frames, depth_mesh  # import this module

    depth_mesh.place(group.id_data)
    depth_frames.refresh(group.id_data)


class ReangleCG(PropertyGroup):
    """Settings of the renderable points and of the depth mesh."""

    points: BoolProperty(
        name="Render Points",
        description="Render the point cloud, too: as points with the clip's colours, which lights do not change, so "
        "large that they close at the clip's camera. They shine on CG and are mirrored in it",
        update=_points_changed,
        options=set(),
    )
    point_scale: FloatProperty(
        name="Point Scale",
        description="Size of the rendered points; 1 is the smallest without gaps at the clip's camera",
        default=1.0,
        min=0.05,
        soft_max=4.0,
        max=20.0,
        update=_points_changed,
        options=set(),
    )
    mesh: PointerProperty(type=Object, description="The depth mesh")
    use: EnumProperty(
        name="Use As",
        description="What the depth mesh does in a render with a transparent film",
        items=(
            (
                "SHADOWS",
                "Shadow Catcher",
                "Hide CG that is behind the clip's things, and receive its shadows. EEVEE has no shadow catcher: there "
                "it hides alone",
                "NONE",
                0,
            ),
            ("HOLDOUT", "Holdout", "Hide CG that is behind the clip's things, without shadows on them", "NONE", 1),
        ),
        update=_mesh_changed,
        options=set(),
    )
    depth_of: EnumProperty(
        name="Depth of",
        description="Whose depth the mesh has",
        items=(
            (
                "CAMERA",
                "Rendered Camera",
                "The scene's camera, also as markers switch it: the depth of its latest result; without one, that of "
                "the clip",
                "NONE",
                0,
            ),
            ("CLIP", "Clip", "The clip's camera, whatever camera renders", "NONE", 1),
        ),
        update=_mesh_changed,
        options=set(),
    )
    every: IntProperty(
        name="Pixels per Face",
        description="Length of a face's side in pixels of the depth map: 1 is exact, 2 needs a quarter of the memory",
        default=1,
        min=1,
        max=16,
        update=_mesh_changed,
        options=set(),
    )
    fill_holes: BoolProperty(
        name="Fill Holes",
        description="Where there is no depth, take that of the farther side of the hole; otherwise nothing there hides "
        "CG or receives its shadows",
        default=True,
        update=_mesh_changed,
        options=set(),
    )
    in_viewport: BoolProperty(
        name="In Viewport",
        description="Show the depth mesh in viewports, too. Otherwise it is made only while rendering",
        update=_mesh_changed,
        options=set(),
    )
