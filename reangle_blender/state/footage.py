# SPDX-License-Identifier: GPL-3.0-or-later
"""How long and how large a clip is, as Blender reads it before the backend does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..core.contract.sequences import frame_numbers
from ..core.errors import UserError
from ..exchange.transfer import clip_files, is_movie


@dataclass(frozen=True)
class Footage:
    """A clip's files as a whole.

    files: in order. frames: of a movie, what its header says, which may be a few off. fps: 0 for image sequences.
    first_number: in the name of an image sequence's first file, 1 for movies; None if Blender cannot follow the
    sequence, because it takes the last number of a name, without a sign, for the frame's.
    """

    files: tuple[Path, ...]
    frames: int
    width: int
    height: int
    fps: float
    first_number: int | None


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
    first = 1 if is_movie(path) or len(files) == 1 else _first_number([file.name for file in files])
    return Footage(tuple(files), frames, width, height, fps, first)


def _first_number(names: list[str]) -> int | None:
    numbers = frame_numbers(names)
    first = re.fullmatch(r"(.*?)(\d+)(\D*)", names[0].removesuffix(Path(names[0]).suffix), re.DOTALL)
    if numbers is None or first is None:
        return None
    # So Blender names the other files.
    before, digits, behind = first.groups()
    behind += Path(names[0]).suffix
    follows = all(
        name == f"{before}{str(number).zfill(len(digits))}{behind}" for name, number in zip(names, numbers, strict=True)
    )
    return numbers[0] if follows else None
