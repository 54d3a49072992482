# SPDX-License-Identifier: Apache-2.0
"""Where the windows of a clip start; without numpy, since a plan counts them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reangle.errors import UserError

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


def check_anchors(anchors: Iterable[int], starts: Sequence[int], camera: str = "") -> None:
    """Raise UserError for an artist's image of a frame at which no later window starts.

    anchors: frames. starts: of the windows. camera: its name, for the message.
    """
    places = ", ".join(str(start + 1) for start in starts[1:])
    for frame in anchors:
        if frame not in starts[1:]:
            raise UserError(
                f"The video model takes no image for frame {frame + 1}{f' of camera {camera!r}' if camera else ''}.",
                advice=f"Give images for these frames: {places}."
                if places
                else "Leave it out: the model makes this camera's frames in one go, from the first.",
            )
