# SPDX-License-Identifier: Apache-2.0
"""Point maps of a two-view network, and the pairs of frames that it runs on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SAMPLES = 1200


@dataclass(frozen=True, eq=False)
class PairMaps:
    """The point maps of one ordered pair of frames, both in the first frame's camera and in the pair's own unit.

    depth: h x w float32, z of the first frame's pixels; confidence: h x w float32, >= 0.
    first_points, second_points: n x 3, the points at the sample pixels of the first and of the second frame.
    first_confidence, second_confidence: n.
    """

    first: int
    second: int
    depth: np.ndarray
    confidence: np.ndarray
    first_points: np.ndarray
    first_confidence: np.ndarray
    second_points: np.ndarray
    second_confidence: np.ndarray

    @classmethod
    def from_maps(
        cls,
        first: int,
        second: int,
        first_map: np.ndarray,
        first_confidence: np.ndarray,
        second_map: np.ndarray,
        second_confidence: np.ndarray,
    ) -> PairMaps:
        """From full maps: h x w x 3 points and h x w confidences."""
        pick = sample_index(*first_confidence.shape)
        return cls(
            first=first,
            second=second,
            depth=np.ascontiguousarray(first_map[..., 2], np.float32),
            confidence=np.asarray(first_confidence, np.float32),
            first_points=first_map[pick].reshape(-1, 3).astype(np.float64),
            first_confidence=first_confidence[pick].ravel().astype(np.float64),
            second_points=second_map[pick].reshape(-1, 3).astype(np.float64),
            second_confidence=second_confidence[pick].ravel().astype(np.float64),
        )


def sample_index(height: int, width: int) -> tuple[np.ndarray, ...]:
    """Index of a regular grid of about SAMPLES pixels of an h x w array, for use as `array[sample_index(h, w)]`."""
    stride = max(1, round((height * width / SAMPLES) ** 0.5))
    return np.ix_(np.arange(stride // 2, height, stride), np.arange(stride // 2, width, stride))


def sample_pixels(height: int, width: int) -> np.ndarray:
    """n x 2 (x, y) of the sample pixels' centres, at +0.5."""
    rows, columns = np.broadcast_arrays(*sample_index(height, width))
    return np.stack([columns.ravel(), rows.ravel()], axis=1) + 0.5


def pair_graph(count: int) -> list[tuple[int, int]]:
    """Ordered pairs of frames at growing distances, each in both orders.

    Offsets 1 and 2 start at every frame, an offset d = 4, 8, 16, ... at every d / 2 frames: about 5.5 pairs per frame
    for long clips. A single frame is paired with itself.
    """
    if count == 1:
        return [(0, 0)]
    pairs = []
    offset = 1
    while offset < count:
        step = max(1, offset // 2)
        pairs += [(first, first + offset) for first in range(0, count - offset, step)]
        offset *= 2
    return [pair for first, second in pairs for pair in ((first, second), (second, first))]


def neighbour_pairs(count: int) -> list[tuple[int, int]]:
    """Ordered pairs of each frame and the next one, in both orders; a single frame is paired with itself."""
    pairs = [(first, first + 1) for first in range(count - 1)] or [(0, 0)]
    return [pair for first, second in pairs for pair in dict.fromkeys(((first, second), (second, first)))]


def batches(pairs: Sequence[tuple[int, int]], size: int) -> list[Sequence[tuple[int, int]]]:
    """The pairs in groups of at most `size`."""
    return [pairs[start : start + size] for start in range(0, len(pairs), size)]
