# SPDX-License-Identifier: GPL-3.0-or-later
"""What a camera's path follows from, as a digest: keys, lens, parents, constraints and what they point to.

The path itself is known only after every frame was evaluated, which shows the artist other frames and drops what they
moved and did not key. What the path follows from can be read at any time.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from bpy.types import ID, FCurve, Object, Scene

from .. import compat, state
from ..state import engines
from . import cameras

_PLACE = (
    *("location", "rotation_mode", "rotation_euler", "rotation_quaternion", "rotation_axis_angle", "scale"),
    *("delta_location", "delta_rotation_euler", "delta_rotation_quaternion", "delta_scale"),
    *("parent_type", "parent_bone", "matrix_parent_inverse"),
)
_LENS = ("type", "lens", "sensor_fit", "sensor_width", "sensor_height", "shift_x", "shift_y")
_PLAIN = {"BOOLEAN", "INT", "FLOAT", "STRING", "ENUM"}
_NOT_READ = {"show_expanded", "name", "is_valid", "error_location", "error_rotation", "active", "select", "show_info"}
_KEY_VALUES = ("co", "handle_left", "handle_right")


@dataclass(frozen=True)
class Inputs:
    """digest: the same as long as the camera's path over the clip stays the same. blocks: the session's numbers of the
    data-blocks that it was read from."""

    digest: str
    blocks: frozenset[int]


def read(scene: Scene, camera: Object) -> Inputs:
    """What the camera's path over the scene's clip follows from."""
    reader = _Reader(scene)
    reader.camera(camera)
    return Inputs(reader.hash.hexdigest(), frozenset(reader.blocks))


def digest_of_settings(scene: Scene) -> str:
    """Of what all cameras of a render share: the clip with its geometry, the size, the engine and its settings."""
    shot = state.of(scene)
    size = cameras.render_size(scene)
    parts: list[Any] = [shot.shot_request, shot.shot_frames, size, shot.engine_name]
    groups = engines.groups(shot.engine_name)
    if "preview" in groups:
        parts.append(engines.preview_settings(shot.preview))
    if "reangle" in groups:
        parts.append(engines.reangle_settings(shot.learning, shot.engine_name))
    if "starting" in groups:
        parts.append(engines.start_settings(shot.starting))
    return hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()


class _Reader:
    def __init__(self, scene: Scene) -> None:
        self.scene, self.shot = scene, state.of(scene)
        self.origin = state.alive(scene, self.shot.origin)
        self.hash = hashlib.blake2b(digest_size=12)
        self.blocks: set[int] = set()

    def camera(self, camera: Object) -> None:
        frozen = camera.reangle.freeze_frame - self.shot.first_frame if camera.reangle.is_frozen else None
        self._add(frozen, self.shot.unit)
        self._object(camera)
        animated = self._animation(camera.data)
        self.blocks.add(camera.data.session_uid)
        self._values(camera.data, _LENS, animated)

    def _add(self, *values: object) -> None:
        self.hash.update(repr(values).encode())

    def _object(self, item: Object | None) -> None:
        """The object's place. The origin's own does not count below it: a path is relative to it."""
        if item is None or item.session_uid in self.blocks:
            self._add(None if item is None else "again")
            return
        self.blocks.add(item.session_uid)
        animated = self._animation(item)
        self._values(item, _PLACE, animated)
        for constraint in item.constraints:
            self._constraint(constraint, animated)
        if item.type == "CURVE":
            self._curve_object(item.data)
        if item.type == "ARMATURE" and item.pose is not None:
            for bone in item.pose.bones:
                self._add(bone.name, [tuple(row) for row in bone.matrix_basis] if not animated else None)
        if item.parent is not None and item.parent == self.origin:
            self._add("origin")
        elif item.parent is not None:
            self._object(item.parent)
        elif self.origin is not None and item != self.origin:
            # It stands in Blender's world, so where the origin stands matters.
            self._object(self.origin)

    def _curve_object(self, curve: Any) -> None:
        """What a camera that follows a path goes along."""
        self.blocks.add(curve.session_uid)
        self._values(curve, ("eval_time", "path_duration", "use_path", "resolution_u"), self._animation(curve))
        for spline in curve.splines:
            self._add(spline.type, spline.use_cyclic_u)
            for point in spline.bezier_points:
                self._add(*(tuple(getattr(point, name)) for name in ("co", "handle_left", "handle_right")))
            for point in spline.points:
                self._add(tuple(point.co))

    def _constraint(self, constraint: Any, animated: set[str]) -> None:
        path = f'constraints["{constraint.name}"].'
        self._struct(constraint, path, animated)
        for target in getattr(constraint, "targets", None) or ():
            self._struct(target, "", set())

    def _struct(self, item: Any, path: str, animated: set[str]) -> None:
        self._add(item.bl_rna.identifier)
        for prop in item.bl_rna.properties:
            name = prop.identifier
            if prop.type == "POINTER" and name in ("target", "pole_target", "camera", "object"):
                target = getattr(item, name)
                if isinstance(target, Object):
                    self._object(target)
            elif prop.type in _PLAIN and not prop.is_readonly and name not in _NOT_READ and path + name not in animated:
                self._add(name, _plain(getattr(item, name)))

    def _values(self, item: Any, names: tuple[str, ...], animated: set[str]) -> None:
        for name in names:
            value = _plain(getattr(item, name))
            if name in animated and isinstance(value, tuple):
                value = tuple(None if f"{name}[{index}]" in animated else one for index, one in enumerate(value))
            self._add(name, None if name in animated and not isinstance(value, tuple) else value)

    def _animation(self, block: ID) -> set[str]:
        """Adds the block's animation. Returns what is animated: data paths, and those of single axes."""
        animated: set[str] = set()
        animation = block.animation_data
        if animation is None:
            return animated
        if animation.action is not None:
            self.blocks.add(animation.action.session_uid)
            self._add(animation.action_influence, animation.action_blend_type, animation.action_extrapolation)
        for curve in compat.curves_of(block) or ():
            if not curve.mute:
                animated |= {curve.data_path, f"{curve.data_path}[{curve.array_index}]"}
                self._curve(curve)
        for curve in animation.drivers:
            animated |= {curve.data_path, f"{curve.data_path}[{curve.array_index}]"}
            self._add(curve.data_path, curve.array_index, curve.driver.type, curve.driver.expression)
            for variable in curve.driver.variables:
                self._add(variable.type, variable.name)
                for target in variable.targets:
                    self._add(target.data_path, target.transform_type, target.transform_space)
                    if isinstance(target.id, Object):
                        self._object(target.id)
        for track in animation.nla_tracks:
            self._add(track.mute)
            for strip in track.strips:
                self._add(strip.frame_start - self.shot.first_frame, strip.frame_end - strip.frame_start, strip.scale)
                self._add(
                    strip.mute, strip.blend_type, strip.influence, strip.repeat, strip.action and strip.action.name
                )
                if strip.action is not None:
                    self.blocks.add(strip.action.session_uid)
        return animated

    def _curve(self, curve: FCurve) -> None:
        points = curve.keyframe_points
        self._add(curve.data_path, curve.array_index, curve.extrapolation, len(points))
        values = {name: np.empty(2 * len(points), np.float32) for name in _KEY_VALUES}
        for name, into in values.items():
            points.foreach_get(name, into)
        places, left, right = (into.reshape(-1, 2) for into in values.values())
        # A clip that is moved in time takes its keys along. Blender then computes handles anew, with other rounding.
        for offset in (left - places, right - places):
            offset[:, 0], offset[:, 1] = np.round(offset[:, 0], 1), np.round(offset[:, 1], 3)
            self.hash.update((offset + np.float32(0)).tobytes())  # -0 becomes 0
        places[:, 0] = np.round(places[:, 0] - self.shot.first_frame, 2)
        self.hash.update((places + np.float32(0)).tobytes())
        kinds = np.empty(len(points), np.int32)
        points.foreach_get("interpolation", kinds)
        self.hash.update(kinds.tobytes())
        for modifier in curve.modifiers:
            self._struct(modifier, "", set())


def _plain(value: Any) -> Any:
    """Numbers, texts and tuples of them, which `repr` writes alike each time."""
    if isinstance(value, str | int | float):
        return value
    return tuple(_plain(one) for one in value) if hasattr(value, "__len__") else str(value)
