# SPDX-License-Identifier: Apache-2.0
# pyright: reportMissingImports=false
"""Primitives in metres, without operators. Their size is in the mesh, so textures are in metres, too."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import bmesh
import bpy
from mathutils import Euler, Matrix, Vector

Point = tuple[float, float, float]


class Builder:
    """Puts objects into a scene, under `parent` if one is given."""

    def __init__(self, scene: bpy.types.Scene, parent: bpy.types.Object | None = None) -> None:
        self.scene = scene
        self.parent = parent

    def group(self, at: Point = (0, 0, 0), turn: Point = (0, 0, 0)) -> Builder:
        """A builder whose objects are children of a new empty."""
        return Builder(self.scene, self._link(None, at, turn, None))

    @property
    def handle(self) -> bpy.types.Object:
        """The empty of a group; moving it moves all of the group."""
        if self.parent is None:
            raise ValueError("not a group")
        return self.parent

    def box(self, size: Point, at: Point, material: bpy.types.Material, turn: Point = (0, 0, 0), bevel: float = 0.0):
        def make(mesh: bmesh.types.BMesh) -> None:
            bmesh.ops.create_cube(mesh, size=1.0, matrix=Matrix.Diagonal((*size, 1.0)))
            if bevel:
                bmesh.ops.bevel(mesh, geom=mesh.edges[:], offset=bevel, segments=4, profile=0.5, affect="EDGES")

        return self._add(make, at, turn, material, smooth=False)

    def ball(self, radius: float, at: Point, material: bpy.types.Material, squash: Point = (1, 1, 1), turn=(0, 0, 0)):
        def make(mesh: bmesh.types.BMesh) -> None:
            bmesh.ops.create_uvsphere(
                mesh, u_segments=48, v_segments=24, radius=radius, matrix=Matrix.Diagonal((*squash, 1.0))
            )

        return self._add(make, at, turn, material)

    def cone(
        self, low: float, high: float, height: float, at: Point, material: bpy.types.Material, turn: Point = (0, 0, 0)
    ):
        """A cylinder, cone or frustum along z with these radii; `at` is its middle."""

        def make(mesh: bmesh.types.BMesh) -> None:
            bmesh.ops.create_cone(
                mesh, cap_ends=True, segments=48, radius1=max(low, 1e-4), radius2=max(high, 1e-4), depth=height
            )

        return self._add(make, at, turn, material)

    def sheet(
        self, points: Sequence[Point], faces: Sequence[Sequence[int]], material: bpy.types.Material,
        at: Point = (0, 0, 0), turn: Point = (0, 0, 0), smooth: bool = False,
    ):  # fmt: skip
        mesh = bpy.data.meshes.new("sheet")
        mesh.from_pydata(points, [], faces)
        if smooth:
            mesh.polygons.foreach_set("use_smooth", [True] * len(mesh.polygons))
        return self._link(mesh, at, turn, material)

    def grid(
        self, place: Callable[[float, float], Point], columns: int, rows: int, material: bpy.types.Material,
        at: Point = (0, 0, 0), turn: Point = (0, 0, 0),
    ):  # fmt: skip
        """A smooth surface: place(u, v) for u and v from 0 to 1."""
        points = [place(i / columns, j / rows) for j in range(rows + 1) for i in range(columns + 1)]
        step = columns + 1
        faces = [
            (j * step + i, j * step + i + 1, (j + 1) * step + i + 1, (j + 1) * step + i)
            for j in range(rows)
            for i in range(columns)
        ]
        return self.sheet(points, faces, material, at, turn, smooth=True)

    def tube(self, points: Sequence[Point], radius: float, material: bpy.types.Material, closed: bool = False):
        curve = bpy.data.curves.new("tube", "CURVE")
        curve.dimensions, curve.bevel_depth, curve.bevel_resolution = "3D", radius, 3
        spline = curve.splines.new("POLY")
        spline.points.add(len(points) - 1)
        for target, point in zip(spline.points, points, strict=True):
            target.co = (*point, 1.0)
        spline.use_cyclic_u = closed
        return self._link(curve, (0, 0, 0), (0, 0, 0), material)

    def _add(self, make: Callable[[bmesh.types.BMesh], None], at: Point, turn: Point, material, smooth: bool = True):
        work = bmesh.new()
        make(work)
        mesh = bpy.data.meshes.new("shape")
        if smooth:
            for face in work.faces:
                face.smooth = len(face.verts) <= 4
        work.to_mesh(mesh)
        work.free()
        return self._link(mesh, at, turn, material)

    def _link(self, data: bpy.types.ID | None, at: Point, turn: Point, material) -> bpy.types.Object:
        item = bpy.data.objects.new("item", data)
        item.location, item.rotation_euler = at, turn
        item.parent = self.parent
        if material is not None:
            data.materials.append(material)  # type: ignore[union-attr]
        self.scene.collection.objects.link(item)
        return item


def look_at(position: Vector, target: Vector) -> Matrix:
    """A Blender camera (or area light) at position, looking at target, upright."""
    return Matrix.Translation(position) @ (target - position).to_track_quat("-Z", "Y").to_matrix().to_4x4()


def keep_every_frame(item: bpy.types.Object, motion: Callable[[int], tuple[Point, Point]], frames: int) -> None:
    """Key location and XYZ rotation on scene frames 1 to `frames`; motion gets the frame counted from 0."""
    for index in range(frames):
        location, turn = motion(index)
        item.location, item.rotation_euler = location, Euler(turn, "XYZ")
        item.keyframe_insert("location", frame=index + 1)
        item.keyframe_insert("rotation_euler", frame=index + 1)
    for layer in item.animation_data.action.layers:
        for strip in layer.strips:
            for bag in strip.channelbags:
                for curve in bag.fcurves:
                    for key in curve.keyframe_points:
                        key.interpolation = "LINEAR"


def circle(radius: float, count: int, z: float = 0.0) -> list[Point]:
    return [
        (radius * math.cos(2 * math.pi * i / count), radius * math.sin(2 * math.pi * i / count), z)
        for i in range(count)
    ]
