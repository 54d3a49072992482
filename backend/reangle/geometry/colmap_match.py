# SPDX-License-Identifier: Apache-2.0
"""Which of COLMAP's images shows which of the clip's used frames, by the names of both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from reangle.contract import file_name_from
from reangle.contract.sequences import frame_numbers
from reangle.errors import UserError
from reangle.folders import ClipMetadata

LEAST_SHARE = 1 / 3
"""Of the used frames that COLMAP must have registered, so that poses between them are worth something."""


def match_images(images: Sequence[str], clip: ClipMetadata) -> list[int | None] | None:
    """For each used frame the place of its image in `images`; None for a frame that COLMAP did not register.

    By the name without folder and type, else by the number in it. None as a whole if names do not tell, as of movies:
    then the images are counted. Raises UserError if too few used frames are there.
    """
    if not clip.image_names:
        return None
    frames = [_key(name) for name in clip.image_names]
    places = max(_by_folder(images), key=lambda group: len(set(group) & set(frames)))
    found = [places.get(frame) for frame in frames]
    if all(place is None for place in found):
        found = _by_number(images, clip)
    if found is None:
        return None
    matched = sum(place is not None for place in found)
    if matched < LEAST_SHARE * len(found):
        raise UserError(
            f"COLMAP registered only {matched} of the {len(found)} used frames.",
            advice="Solve the clip again, or use the part of it that COLMAP registered (Start and Frames).",
        )
    return found


def _key(name: str) -> str:
    """What is compared: uploaded names had forbidden characters replaced, and COLMAP may have seen copies as JPEG."""
    fit = file_name_from(PurePosixPath(name.replace("\\", "/")).name)
    return PurePosixPath(fit).stem.casefold()


def _by_folder(images: Sequence[str]) -> list[dict[str, int]]:
    """Key -> place of the images of each folder: a model may hold several cameras whose images have the same names."""
    folders: dict[str, dict[str, int]] = {}
    for place, name in enumerate(images):
        folder = str(PurePosixPath(name.replace("\\", "/")).parent)
        folders.setdefault(folder, {})[_key(name)] = place
    return list(folders.values())


def _by_number(images: Sequence[str], clip: ClipMetadata) -> list[int | None] | None:
    numbers, frames = frame_numbers(images), frame_numbers(clip.image_names)
    if numbers is None or frames is None or len(set(numbers)) < len(numbers):
        return None
    span = max(numbers) - min(numbers) + 1
    if len(numbers) in (clip.frames, clip.source_frames) or span in (clip.frames, clip.source_frames):
        # As many as there are frames: the images count them, from whatever number on.
        return None
    places = dict(zip(numbers, range(len(numbers)), strict=True))
    found = [places.get(frame) for frame in frames]
    return found if any(place is not None for place in found) else None
