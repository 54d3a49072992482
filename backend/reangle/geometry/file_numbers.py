# SPDX-License-Identifier: Apache-2.0
"""Frames that are missing among numbered depth maps or COLMAP's images, and their names in messages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reangle.contract.errors import printable
from reangle.contract.sequences import frame_numbers

_MOST_GAPS = 3
"""Numbers in names count frames if they span at most this many times as many as there are names."""


def counting_numbers(names: Sequence[str]) -> np.ndarray | None:
    """The frame numbers in the names, which are in the order of the frames; None if these do not count frames."""
    found = frame_numbers(names)
    if found is None:
        return None
    numbers = np.array(found)
    span = numbers[-1] - numbers[0] + 1
    return numbers if (np.diff(numbers) > 0).all() and span <= _MOST_GAPS * len(numbers) else None


def numbers_between(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All numbers from the first of rising `numbers` to the last, and those of them that are missing."""
    every = np.arange(numbers[0], numbers[-1] + 1)
    return every, np.setdiff1d(every, numbers)


def few_in_words(items: Sequence[object] | np.ndarray) -> str:
    """The first items, for messages; names that are not UTF-8 with ? in them."""
    return printable(", ".join(map(str, items[:5])) + (", ..." if len(items) > 5 else ""))
