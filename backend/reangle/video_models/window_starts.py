# SPDX-License-Identifier: Apache-2.0
"""Where the windows of a clip start; without numpy, since a plan counts them."""

from __future__ import annotations

OVERLAP = 2
"""Latents that a window takes from the one before, besides its first frame; fewer in very short windows."""


def window_starts(count: int, length: int, group: int) -> tuple[int, ...]:
    """First frames of as few windows as cover `count` frames. length: group * k + 1 with k > 0; else ValueError."""
    groups, rest = divmod(length - 1, group)
    if rest or groups < 1 or count < 1:
        raise ValueError(f"{count} frames do not fit windows of {length} in groups of {group}")
    stride = group * (groups - min(OVERLAP, groups - 1))
    starts = [0]
    while starts[-1] + length < count:
        starts.append(starts[-1] + stride)
    return tuple(starts)
