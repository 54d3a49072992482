# SPDX-License-Identifier: GPL-3.0-or-later
"""Camera motion as keyframes: a few editable keys from `core.keys`, or one key per frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from bpy.types import ID, Object

from .. import compat
from ..core.keys import CameraKeys

Channel = tuple[ID, str, int]
"""Data-block, data path and index of one animated value."""


def move_channels(camera: Object) -> list[Channel]:
    """Location, rotation and lens, in the order of the columns of `CameraKeys`."""
    return [
        *((camera, "location", axis) for axis in range(3)),
        *((camera, "rotation_euler", axis) for axis in range(3)),
        (camera.data, "lens", 0),
    ]


def write_keys(camera: Object, keys: CameraKeys, first_frame: int) -> None:
    """Write the keys as Bezier curves that reproduce them exactly; a constant lens gets none."""
    camera.rotation_mode = "XYZ"
    frames = keys.frames + first_frame
    left, right = keys.handles()
    left[..., 0] += first_frame
    right[..., 0] += first_frame
    for column, (id_block, data_path, index) in enumerate(move_channels(camera)):
        values = keys.values[:, column]
        if data_path == "lens" and np.ptp(values) < 1e-6 and not np.abs(keys.slopes[:, column]).max() > 1e-6:
            compat.remove_fcurve(id_block, data_path, index)
            camera.data.lens = values[0]
            continue
        points = compat.new_fcurve(id_block, data_path, index).keyframe_points
        points.add(len(frames))
        points.foreach_set("co", _flat(np.column_stack([frames, values])))
        for point in points:
            point.interpolation = "BEZIER"
            point.handle_left_type = point.handle_right_type = "ALIGNED"
        points.foreach_set("handle_left", _flat(left[:, column]))
        points.foreach_set("handle_right", _flat(right[:, column]))


def write_every_frame(channels: Sequence[Channel], first_frame: int, values: np.ndarray) -> None:
    """Write one linear key per row of `values` (frames x channels)."""
    frames = np.arange(len(values)) + first_frame
    for column, (id_block, data_path, index) in enumerate(channels):
        curve = compat.new_fcurve(id_block, data_path, index)
        curve.keyframe_points.add(len(values))
        curve.keyframe_points.foreach_set("co", _flat(np.column_stack([frames, values[:, column]])))
        for point in curve.keyframe_points:
            point.interpolation = "LINEAR"
        curve.update()


def _flat(rows: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rows, np.float32).ravel()
