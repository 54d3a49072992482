# SPDX-License-Identifier: GPL-3.0-or-later
"""Image sequences of results, as Blender's image data-blocks."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.types import Image

from ..core.errors import UserError
from ..state import paths
from . import result_marks

SUFFIXES = (".png", ".exr")
"""What images of results end with; one folder has one kind."""


def sequence_files(folder: Path) -> list[str]:
    """Names of the numbered images of a result folder, in order. Raises UserError if there are none."""
    names = sorted(path.name for path in folder.iterdir() if path.suffix in SUFFIXES) if folder.is_dir() else []
    if not names:
        raise UserError(
            f"There are no images in {folder}.", advice="Find their folder or fetch them again in the Results panel."
        )
    return names


def load_sequence(folder: Path, label: str, *, is_data: bool = False) -> Image:
    """The image data-block of the sequence in `folder`; one with the same files is reused.

    label: its name, unless the artist has given it another.
    """
    first = folder / sequence_files(folder)[0]
    for image in bpy.data.images:
        if image.source == "SEQUENCE" and image.library is None and paths.absolute(image.filepath) == first:
            if result_marks.has_given_name(image):
                result_marks.give_name(image, label)
            return image
    image = bpy.data.images.load(str(first))
    image.filepath = paths.stored(first)
    result_marks.give_name(image, label)
    image.source = "SEQUENCE"
    if is_data:
        image.colorspace_settings.name = "Non-Color"
    return image


def show_from(user: object, first_frame: int, count: int) -> None:
    """Show file 000001 at scene frame `first_frame`. user: an image user, or a compositor node that acts as one."""
    user.frame_start = first_frame
    user.frame_duration = count
    user.frame_offset = 0
    user.use_auto_refresh = True
