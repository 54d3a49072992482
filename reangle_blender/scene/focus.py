# SPDX-License-Identifier: GPL-3.0-or-later
"""The point that a move keeps in view: in the middle of the cloud, at an object, at the 3D cursor, or picked."""

from __future__ import annotations

from typing import Literal

import bpy
import numpy as np
from bpy.types import Object, Scene
from mathutils import Vector

from .. import state
from ..core.camera import BLENDER_FROM_CV
from ..core.errors import UserError
from . import cameras

Kind = Literal["SCENE", "CLOUD", "CURSOR", "ACTIVE"]

KINDS: tuple[tuple[Kind, str, str, str, int], ...] = (
    ("SCENE", "As in the Panel", "The focus object or the focus distance that the panel shows", "PREFERENCES", 0),
    ("CLOUD", "Middle of the Cloud", "The depth in the middle of the clip's first frame", "POINTCLOUD_DATA", 1),
    ("CURSOR", "3D Cursor", "The place of the 3D cursor", "PIVOT_CURSOR", 2),
    ("ACTIVE", "Active Object", "The origin of the active object", "OBJECT_ORIGIN", 3),
)
"""Items of an enum property."""

TRACK_NAME = "Reangle Focus"


def object_of(scene: Scene, kind: Kind, active: Object | None) -> Object | None:
    """The object that the focus is on; None if it is on none. Raises UserError if there is no active object."""
    if kind == "ACTIVE":
        if active is None or active.type == "CAMERA":
            raise UserError("No object is active that the focus could be on.", advice="Select one that is no camera.")
        return active
    return state.alive(scene, state.of(scene).focus_object) if kind == "SCENE" else None


def point_of(scene: Scene, kind: Kind, active: Object | None = None) -> np.ndarray | None:
    """The focus point in the geometry's world (3, OpenCV axes, its unit); None where only a distance is known.

    Raises UserError if there is no active object.
    """
    target = object_of(scene, kind, active)
    if target is not None:
        return from_blender(scene, target.matrix_world.translation)
    return from_blender(scene, scene.cursor.location) if kind == "CURSOR" else None


def from_blender(scene: Scene, place: Vector) -> np.ndarray:
    """A point of Blender's world in the geometry's (3, OpenCV axes, its unit)."""
    origin = state.of(scene).origin
    inside = np.array(origin.matrix_world.inverted_safe() @ place, np.float64) / state.of(scene).unit
    return BLENDER_FROM_CV[:3, :3].T @ inside


def in_origin(scene: Scene, point: np.ndarray) -> Vector:
    """A point of the geometry's world in the space of the clip's origin."""
    return Vector((state.of(scene).unit * (BLENDER_FROM_CV[:3, :3] @ point)).tolist())


def add_empty(scene: Scene, place: Vector, name: str = TRACK_NAME) -> Object:
    """An empty below the clip's origin. place: in the space of the origin."""
    shot = state.of(scene)
    empty = bpy.data.objects.new(name, None)
    empty.empty_display_type = "PLAIN_AXES"
    source = state.alive(scene, shot.source)
    empty.empty_display_size = source.data.display_size / 3 if source is not None else 0.1
    empty.parent = shot.origin
    empty.location = place
    cameras.collection_of(scene, shot.origin).objects.link(empty)
    return empty


def put_at(scene: Scene, place: Vector) -> Object:
    """Put the focus at a place of Blender's world: on an empty, which is moved if there is one already."""
    shot = state.of(scene)
    inside = shot.origin.matrix_world.inverted_safe() @ place
    empty = state.alive(scene, shot.focus_object)
    if empty is not None and empty.type == "EMPTY" and empty.parent == shot.origin and empty.library is None:
        empty.location = inside
    else:
        empty = shot.focus_object = add_empty(scene, inside)
    return empty


def track(camera: Object, target: Object) -> None:
    """Let the camera look at the target all the time, by the Track To constraint that it has or a new one."""
    found = next((one for one in camera.constraints if one.type == "TRACK_TO"), None)
    constraint = found or camera.constraints.new("TRACK_TO")
    constraint.target = target
    constraint.track_axis, constraint.up_axis = "TRACK_NEGATIVE_Z", "UP_Y"
