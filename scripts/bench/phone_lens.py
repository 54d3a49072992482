# SPDX-License-Identifier: Apache-2.0
"""What both halves of `phone_clips.py` know: the clips, and the margin that the lens needs. Standard library only."""

CLIPS = ("walk", "pan")
FPS = 30
MARGIN = 0.04
"""On each side, as a share of the picture: the bent corners reach that far out."""


def wider(pixels: int) -> int:
    """A side of the rendered picture for one of the clip."""
    return pixels + 2 * margin(pixels)


def margin(pixels: int) -> int:
    return round(MARGIN * pixels)
