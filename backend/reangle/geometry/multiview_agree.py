# SPDX-License-Identifier: Apache-2.0
"""Which of the depths that were found frame by frame other frames confirm, and what they agree on."""

from __future__ import annotations

import cv2
import numba
import numpy as np

from reangle.geometry.multiview_search import Search
from reangle.geometry.steady import CONTRACTED, lookup, maps_to, near_frames, project_row

TOLERANCE = 1.0
"""Most difference in 1 / depth at which two frames agree, in steps of the search."""
LEAST_FRAMES, LEAST_SHARE = 3, 0.4
"""How many other frames must agree, and which share of those that see the point."""
FINE = 16
"""Parts of a step of the search that surfaces are told apart by."""
LEAST_SPECK = 40
"""Pixels of the smallest surface that is kept."""


def agree(inverse: np.ndarray, search: Search, frame: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The 1 / depth that frames agree on for each pixel of a frame, h x w float32, where enough of them do, and where
    enough of them look, h x w bool.

    inverse: T x h x w float32, 1 / depth as found for each frame, 0 where not usable. Where they do not agree, the
    frame's own is returned.
    """
    count, height, width = inverse.shape
    others = near_frames(frame, count)
    turns, shifts = maps_to(search.K, search.world_from_camera, frame, others)
    merged, agreeing, looking = (np.empty((height, width), kind) for kind in (np.float32, np.int32, np.int32))
    tolerance = np.float32(TOLERANCE * search.step)
    _agreeing_frames(inverse, frame, np.array(others), turns, shifts, tolerance, merged, agreeing, looking)
    least = np.maximum(min(LEAST_FRAMES, len(others)), LEAST_SHARE * looking)
    sure = search.usable[frame] & (agreeing >= least)
    sure &= ~_specks(merged / search.step, sure)
    return np.where(sure, merged, inverse[frame]), sure, looking >= LEAST_FRAMES


def _specks(planes: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """Sure pixels of surfaces of less than LEAST_SPECK pixels, h x w bool. planes: 1 / depth in steps of the search."""
    labels = np.where(sure, np.clip(planes * FINE, 1, np.iinfo(np.int16).max), 0).astype(np.int16)
    kept = labels.copy()
    cv2.filterSpeckles(kept, 0, LEAST_SPECK, 2 * FINE)
    return (labels > 0) & (kept == 0)


@numba.njit(**CONTRACTED)
def _agreeing_frames(inverse, i, others, turns, shifts, tolerance, merged, agreeing, looking):
    """For each pixel of frame i: the median of 1 / depth of those that agree, itself included, how many of `others`
    agree, and how many see the point or see through it; a frame in which something nearer hides it counts half.

    inverse: T x h x w, 1 / depth, 0 where not usable. turns, shifts: see `steady.pixel_maps`.
    """
    height, width = merged.shape
    there, u, v = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    steps, found = np.empty((width, len(others) + 1), np.float32), np.empty(width, np.int64)
    hidden = np.empty(width, np.int64)
    one = np.float32(1)
    for row in range(height):
        steps[:, 0], found[:], hidden[:] = np.float32(0), 1, 0
        looking[row] = 0
        for n in range(len(others)):
            project_row(inverse[i, row], row, turns[n], shifts[n], there, u, v)
            for column in range(width):
                if not (there[column] > 0 and 0 <= u[column] < width and 0 <= v[column] < height):
                    continue
                known = lookup(inverse[others[n]], u[column], v[column])
                if not known > 0:
                    continue
                step = known - one / there[column]
                if step > tolerance:
                    hidden[column] += 1
                    continue
                looking[row, column] += 1
                if step > -tolerance:
                    # Insertion keeps the steps sorted.
                    place = found[column]
                    while place > 0 and steps[column, place - 1] > step:
                        steps[column, place] = steps[column, place - 1]
                        place -= 1
                    steps[column, place] = step
                    found[column] += 1
        for column in range(width):
            last = found[column] - 1
            agreeing[row, column] = last
            looking[row, column] += hidden[column] // 2
            middle = (steps[column, last // 2] + steps[column, (last + 1) // 2]) / 2
            merged[row, column] = inverse[i, row, column] + middle
