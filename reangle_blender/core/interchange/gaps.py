# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames that a file leaves out: the camera is placed between its neighbours."""

from __future__ import annotations

import numpy as np

from ..contract import MAX_FRAMES
from .rotations import from_quaternions, quaternions_of

LEAST_SHARE = 1 / 3
"""Of the frames from the first to the last that must be there for the numbers to count frames."""


def filled(
    numbers: np.ndarray, world_from_camera: np.ndarray, K: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]:
    """Poses and lenses for every number from the first to the last, and notes. numbers: N whole ones, rising.

    Numbers that do not count frames, because they repeat or most are missing, stand for their order alone.
    """
    first, last = int(numbers[0]), int(numbers[-1])
    span = last - first + 1
    if span == len(numbers) or (np.diff(numbers) < 1).any() or span > MAX_FRAMES or len(numbers) < LEAST_SHARE * span:
        return world_from_camera, K, ()
    wanted = np.arange(first, last + 1)
    before = np.clip(np.searchsorted(numbers, wanted, side="right") - 1, 0, len(numbers) - 2)
    part = (wanted - numbers[before]) / (numbers[before + 1] - numbers[before])
    turns = quaternions_of(world_from_camera[:, :3, :3])
    start, end = turns[before], turns[before + 1]
    cosine = (start * end).sum(axis=1)
    end = np.where(cosine[:, None] < 0, -end, end)
    angle = np.arccos(np.clip(np.abs(cosine), 0, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        weights = np.stack([np.sin((1 - part) * angle), np.sin(part * angle)]) / np.sin(angle)
    weights = np.where(angle < 1e-6, np.stack([1 - part, part]), weights)
    places = (
        world_from_camera[before, :3, 3] * (1 - part)[:, None] + world_from_camera[before + 1, :3, 3] * part[:, None]
    )
    poses = from_quaternions(weights[0][:, None] * start + weights[1][:, None] * end, places)
    lenses = None if K is None else K[before] * (1 - part)[:, None, None] + K[before + 1] * part[:, None, None]
    note = f"The file lacks {span - len(numbers)} of {span} frames: the camera is placed between its neighbours there."
    return poses, lenses, (note,)
