# SPDX-License-Identifier: Apache-2.0
"""Which masked pixels belong to the same thing: connected ones, but for things that have run together."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

LEAST_AREA = 0.0005
"""Smallest mover, as a share of the picture."""
LEAST_PART = 0.003
"""Smallest part that a mask is split into, as a share of the picture."""
LEAST_AGE = 4
"""Frames for which a thing must have been apart from others to be told from them afterwards."""
STILL_THERE = 0.4
"""Share of a thing's pixels that a mask must cover in the next frame to hold it."""
ALIKE = 2.0
"""Most ratio of the areas of one thing in two frames."""


def label_movers(moving: np.ndarray) -> list[np.ndarray]:
    """Labels (h x w int32, 0 where nothing moves) of each frame of `moving`, T x h x w bool.

    Connected pixels have one label, unless things meet in them that were apart for LEAST_AGE frames before or are
    afterwards: then each pixel belongs to the thing whose mask in the frame beside is nearest. Labels of different
    frames have nothing to do with each other.
    """
    labels = []
    for mask in moving:
        _, label, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
        large = stats[:, cv2.CC_STAT_AREA] >= LEAST_AREA * mask.size
        large[0] = False
        labels.append(np.where(large[np.asarray(label, np.intp)], label, 0).astype(np.int32))
    for order in (range(len(labels)), reversed(range(len(labels)))):
        _split(labels, order)
    return labels


def _split(labels: list[np.ndarray], order: Iterable[int]) -> None:
    """Split masks, in place, that hold several things of the frame before in `order`."""
    before = np.zeros_like(labels[0])
    ages: dict[int, int] = {}
    for frame in order:
        label, now = labels[frame], {}
        least, areas = LEAST_PART * label.size, np.bincount(before.ravel())
        for number in (int(one) for one in np.unique(label) if one):
            inside = label == number
            area = int(inside.sum())
            if area < least:
                continue
            shared = np.bincount(before[inside], minlength=len(areas))
            shared[0] = 0
            held = (shared > STILL_THERE * areas) & (areas >= least)
            parts = [int(one) for one in np.flatnonzero(held) if ages.get(int(one), 1) >= LEAST_AGE]
            if len(parts) > 1:
                away = [cv2.distanceTransform((before != part).astype(np.uint8), cv2.DIST_L2, 3) for part in parts]
                nearest = np.argmin(away, axis=0)
                names = [number, *range(int(label.max()) + 1, int(label.max()) + len(parts))]
                for index, (name, part) in enumerate(zip(names, parts, strict=True)):
                    label[inside & (nearest == index)] = name
                    now[name] = ages[part] + 1
                continue
            largest = int(shared.argmax())
            if shared[largest] and 1 / ALIKE < area / areas[largest] < ALIKE:
                now[number] = ages.get(largest, 1) + 1
        before, ages = label, now
