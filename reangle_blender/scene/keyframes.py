# SPDX-License-Identifier: GPL-3.0-or-later
"""Sampled motion as keyframes: as few as hold it within a tolerance where the artist will edit, else one per frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from bpy.types import ID

from .. import compat

Channel = tuple[ID, str, int]
"""Data-block, data path and index of one animated number."""


def choose_keys(values: np.ndarray, tolerance: np.ndarray) -> list[int]:
    """Rows of `values` (F x C) between which cubic curves stay within `tolerance` (C) of every row."""
    count = len(values)
    if count < 3:
        return list(range(count))
    slopes = np.gradient(values, axis=0, edge_order=2)
    keys = [0, count - 1]
    while True:
        error = (np.abs(_between(values, slopes, keys) - values) / tolerance).max(axis=1)
        added = []
        for first, last in zip(keys, keys[1:], strict=False):
            worst = first + int(np.argmax(error[first : last + 1]))
            if error[worst] > 1:
                added.append(worst)
        if not added:
            return keys
        keys = sorted({*keys, *added})


def _between(values: np.ndarray, slopes: np.ndarray, keys: Sequence[int]) -> np.ndarray:
    """The cubic Hermite curve through the key rows, at every row."""
    result = values.copy()
    for first, last in zip(keys, keys[1:], strict=False):
        span = last - first
        t = np.arange(span + 1)[:, None] / span
        result[first : last + 1] = (
            (2 * t**3 - 3 * t**2 + 1) * values[first]
            + (t**3 - 2 * t**2 + t) * span * slopes[first]
            + (3 * t**2 - 2 * t**3) * values[last]
            + (t**3 - t**2) * span * slopes[last]
        )
    return result


def write_smooth(
    channels: Sequence[Channel], first_frame: int, values: np.ndarray, tolerance: Sequence[float]
) -> list[int]:
    """Few Bezier keys that hold `values` (F x C, one row per scene frame) within `tolerance` (C). All channels share
    their frames, so that a key of the timeline is a whole camera. Returns the rows that became keys."""
    keys = choose_keys(values, np.asarray(tolerance, np.float64))
    slopes = np.gradient(values, axis=0, edge_order=min(2, len(values) - 1)) if len(values) > 1 else values * 0
    frames = np.asarray(keys, np.float64) + first_frame
    # Handles a third of the way to the neighbour make a Bezier curve the cubic through both values and slopes.
    before = np.diff(frames, prepend=frames[0] - 3) / 3
    after = np.diff(frames, append=frames[-1] + 3) / 3
    for column, (id_block, data_path, index) in enumerate(channels):
        y, slope = values[keys, column], slopes[keys, column]
        points = compat.new_fcurve(id_block, data_path, index).keyframe_points
        points.add(len(keys))
        points.foreach_set("co", np.column_stack([frames, y]).astype(np.float32).ravel())
        for point in points:
            point.interpolation = "BEZIER"
            point.handle_left_type = point.handle_right_type = "ALIGNED"
        points.foreach_set("handle_left", np.column_stack([frames - before, y - slope * before]).astype(np.float32).ravel())
        points.foreach_set("handle_right", np.column_stack([frames + after, y + slope * after]).astype(np.float32).ravel())
    return keys


def write_every_frame(channels: Sequence[Channel], first_frame: int, values: np.ndarray) -> None:
    """One linear key per row of `values` (F x C)."""
    frames = np.arange(len(values)) + first_frame
    for column, (id_block, data_path, index) in enumerate(channels):
        curve = compat.new_fcurve(id_block, data_path, index)
        curve.keyframe_points.add(len(values))
        curve.keyframe_points.foreach_set("co", np.column_stack([frames, values[:, column]]).astype(np.float32).ravel())
        curve.keyframe_points.foreach_set("interpolation", np.ones(len(values), np.int32))  # LINEAR
        curve.update()
