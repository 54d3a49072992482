# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras read from their own keys, without setting the scene to every frame: that takes long in a heavy scene."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from bpy.types import ID, Camera, Depsgraph, FCurve, Object, Scene
from mathutils import Euler, Matrix, Quaternion, Vector

from .. import compat
from ..core.camera import CameraSample, Lens

_PLACE = {
    "location": 3,
    "delta_location": 3,
    "rotation_euler": 3,
    "delta_rotation_euler": 3,
    "rotation_quaternion": 4,
    "delta_rotation_quaternion": 4,
    "rotation_axis_angle": 4,
    "scale": 3,
    "delta_scale": 3,
}
_LENS = ("lens", "sensor_width", "sensor_height", "shift_x", "shift_y")
_HARMLESS = ("hide_", "display_", "show_", "color", "clip_", "passepartout_", "dof.", "background_images", '["')
"""How the paths of properties begin that move no camera."""

TOLERANCE = 1e-5
"""How far the place at the current frame may be from what Blender has evaluated, by its size."""

Value = Callable[[int], float]


def read(
    camera: Object, frames: Sequence[int], origin: Object, world_from_geometry: np.ndarray, depsgraph: Depsgraph
) -> list[CameraSample] | None:
    """The camera at these scene frames, as `cameras.sample` gives it at each; None if more than its own keys decide.

    It needs a camera without constraints, drivers and strips, and with no parent but an origin that stands still.
    world_from_geometry: of the samples. depsgraph: of the scene's current frame.
    """
    parent = camera.parent
    blocks = (camera, camera.data)
    if parent not in (None, origin) or camera.parent_type != "OBJECT" or not _stands_still(origin):
        return None
    if camera.constraints or camera.rigid_body or not _in_plain_time(depsgraph.scene):
        return None
    curves = [_own_curves(block) for block in blocks]
    if curves[0] is None or curves[1] is None:
        return None
    place = _values(camera, curves[0], _PLACE)
    lens = _values(camera.data, curves[1], dict.fromkeys(_LENS, 1))
    if place is None or lens is None:
        return None
    evaluated, still = camera.evaluated_get(depsgraph), origin.evaluated_get(depsgraph)
    if not (evaluated.is_evaluated and still.is_evaluated):
        return None
    parent_matrix = still.matrix_world @ camera.matrix_parent_inverse if parent is not None else Matrix()

    def at(frame: int) -> CameraSample:
        matrix = parent_matrix @ _basis(camera.rotation_mode, place, frame)
        focal, *rest = (lens[name][0](frame) for name in _LENS)
        sensors = Lens(focal, camera.data.sensor_fit, *rest)
        return CameraSample(frame, np.array(matrix, np.float64), world_from_geometry, sensors, camera.data.type)

    # Other add-ons may move cameras when the frame changes, and the artist may have moved it without a key.
    if depsgraph.scene.frame_subframe or not _is_as_evaluated(at(depsgraph.scene.frame_current), evaluated):
        return None
    return [at(frame) for frame in frames]


def _is_as_evaluated(sample: CameraSample, evaluated: Object) -> bool:
    now = np.array(evaluated.matrix_world, np.float64)
    lens = [getattr(sample.lens, name) - getattr(evaluated.data, name) for name in _LENS]
    limit = TOLERANCE * max(1.0, np.abs(now).max())
    return bool(np.abs(sample.matrix_world - now).max() <= limit and np.abs(lens).max() <= TOLERANCE)


def _in_plain_time(scene: Scene) -> bool:
    """Whether the scene's frames are those of the keys."""
    return scene.render.frame_map_old == scene.render.frame_map_new


def _stands_still(item: Object) -> bool:
    """Whether an object and all its parents have neither animation nor constraints."""
    link: Object | None = item
    while link is not None:
        animation = link.animation_data
        is_animated = animation is not None and (animation.action or animation.drivers or animation.nla_tracks)
        is_linked = link.parent is not None and link.parent_type != "OBJECT"
        if is_animated or is_linked or link.constraints or link.rigid_body:
            return False
        link = link.parent
    return True


def _own_curves(block: ID) -> list[FCurve] | None:
    """The curves that alone animate a data-block; None if there is more."""
    animation = block.animation_data
    if animation is None:
        return []
    if animation.drivers or any(track.strips for track in animation.nla_tracks) or animation.use_tweak_mode:
        return None
    if animation.action is None:
        return []
    if animation.action_influence != 1 or animation.action_blend_type != "REPLACE":
        return None
    return compat.curves_of(block)


def _values(block: ID, curves: Iterable[FCurve], wanted: dict[str, int]) -> dict[str, list[Value]] | None:
    """Each wanted property by the frame; None if a curve animates something that may matter, too."""
    found: dict[tuple[str, int], Value] = {}
    for curve in curves:
        path = curve.data_path
        if path in wanted and not curve.mute and not (curve.group and curve.group.mute) and curve.is_valid:
            limits = block.bl_rna.properties[path]
            found[path, curve.array_index] = _limited(curve, limits.hard_min, limits.hard_max)
        elif path in wanted or not path.startswith(_HARMLESS):
            return None
    values: dict[str, list[Value]] = {}
    for name, count in wanted.items():
        kept = getattr(block, name)
        still = [kept] if count == 1 else list(kept)
        values[name] = [found.get((name, index), _still(still[index])) for index in range(count)]
    return values


def _limited(curve: FCurve, least: float, most: float) -> Value:
    """A curve within the range that Blender allows the property."""
    return lambda frame: min(max(curve.evaluate(frame), least), most)


def _still(value: float) -> Value:
    return lambda _: value


def _basis(mode: str, place: dict[str, list[Value]], frame: int) -> Matrix:
    """The object's own transform as Blender makes it: the delta turns after the rotation, and adds to the location."""

    def at(name: str) -> list[float]:
        return [value(frame) for value in place[name]]

    if mode == "QUATERNION":
        turn = _turned(at("delta_rotation_quaternion")) @ _turned(at("rotation_quaternion"))
    elif mode == "AXIS_ANGLE":
        angle, *axis = at("rotation_axis_angle")
        turn = Matrix.Rotation(angle, 3, Vector(axis)) if any(axis) else Matrix.Identity(3)
    else:
        turn = Euler(at("delta_rotation_euler"), mode).to_matrix() @ Euler(at("rotation_euler"), mode).to_matrix()
    scale = [one * two for one, two in zip(at("scale"), at("delta_scale"), strict=True)]
    location = [one + two for one, two in zip(at("location"), at("delta_location"), strict=True)]
    return Matrix.Translation(location) @ (turn @ Matrix.Diagonal(scale)).to_4x4()


def _turned(quaternion: Sequence[float]) -> Matrix:
    return Quaternion(quaternion).normalized().to_matrix()


def place_of(item: Object, frames: Sequence[int]) -> np.ndarray | None:
    """N x 4 x 4: an object's own transform at these scene frames, without parents and constraints; None if more than
    its own keys decide."""
    curves = _own_curves(item)
    place = _values(item, curves, _PLACE) if curves is not None else None
    if place is None:
        return None
    return np.array([np.array(_basis(item.rotation_mode, place, frame), np.float64) for frame in frames])


def lenses_of(data: Camera, frames: Sequence[int]) -> list[Lens] | None:
    """The lens at these scene frames; None if more than its own keys decide."""
    curves = _own_curves(data)
    lens = _values(data, curves, dict.fromkeys(_LENS, 1)) if curves is not None else None
    if lens is None:
        return None
    rows = [[lens[name][0](frame) for name in _LENS] for frame in frames]
    return [Lens(row[0], data.sensor_fit, *row[1:]) for row in rows]
