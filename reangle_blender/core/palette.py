# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours of cameras. All are of middle lightness, so that they are seen on Blender's dark and light views alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

Color = tuple[float, float, float]
"""sRGB, each 0 to 1."""

SOURCE: Color = (0.62, 0.62, 0.62)
"""Of the clip's own camera."""


def _hex(code: str) -> Color:
    red, green, blue = (int(code[at : at + 2], 16) / 255 for at in (0, 2, 4))
    return red, green, blue


COLORS: tuple[Color, ...] = tuple(
    _hex(code) for code in ("e8663c", "2f97dd", "3fae5f", "c264d6", "d99a1c", "1fb0ac", "e2549a", "8d9c2e")
)


def next_color(taken: Iterable[Color]) -> Color:
    """The colour of the palette that the fewest of the others have; of equal ones the first."""
    used = Counter(_nearest(color) for color in taken)
    return min(COLORS, key=lambda color: (used[color], COLORS.index(color)))


def _nearest(color: Color) -> Color:
    return min(COLORS, key=lambda other: sum((one - two) ** 2 for one, two in zip(color, other, strict=True)))
