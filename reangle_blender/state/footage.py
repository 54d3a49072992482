# SPDX-License-Identifier: GPL-3.0-or-later
"""How long and how large a clip is, as Blender reads it before the backend does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..core.errors import UserError
from ..exchange.transfer import clip_files, is_movie


@dataclass(frozen=True)
class Footage:
    """A clip's files as a whole. first_number: in the name of an image sequence's first file, 1 for movies.

    frames: of a movie, what its header says, which may be a few off. fps: 0 for image sequences.
    """

    path: Path
    frames: int
    width: int
    height: int
    fps: float
    first_number: int


def measure(path: Path) -> Footage | None:
    """None if there is no such clip, or Blender cannot read it. Main thread; takes about 0.1 s."""
    try:
        files = clip_files(path)
        clip = bpy.data.movieclips.load(str(files[0]), check_existing=False)
    except (UserError, OSError, RuntimeError):
        return None
    try:
        width, height = clip.size
        frames = clip.frame_duration if is_movie(path) else len(files)
        fps = clip.fps if is_movie(path) else 0.0
    finally:
        bpy.data.movieclips.remove(clip)
    if not (width and height and frames > 0):
        return None
    number = re.search(r"(\d+)\D*$", files[0].name)
    return Footage(files[0], frames, width, height, fps, 1 if is_movie(path) or number is None else int(number[1]))
