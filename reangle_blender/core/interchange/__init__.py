# SPDX-License-Identifier: GPL-3.0-or-later
"""Camera paths from and to the files of other programs: one module for each format, and a table of them. No bpy."""

from .formats import FORMATS, Format, detect, named, read, read_path, write
from .rotations import RotationOrder
from .track import Hints, Take, Track, completed, placed, scaled

__all__ = [
    "FORMATS",
    "Format",
    "Hints",
    "RotationOrder",
    "Take",
    "Track",
    "completed",
    "detect",
    "named",
    "placed",
    "read",
    "read_path",
    "scaled",
    "write",
]
