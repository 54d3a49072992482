# SPDX-License-Identifier: Apache-2.0
"""Which of the given depth maps or cameras belong to the clip's used frames, and which part of their picture."""

from __future__ import annotations

import numpy as np

from reangle.errors import UserError
from reangle.geometry.clip_camera import Motion
from reangle.geometry.footage import Footage
from reangle.media.framing import square_size


def used_part(given: int, footage: Footage, start: int, what: str) -> tuple[slice, list[str]]:
    """The part of `given` items that belongs to the used frames, and notes.

    All of them if there is one for each used frame; those from `start` on if there is one for each frame of the whole
    clip; else raises UserError. what: the items, for messages.
    """
    used, whole = footage.count, footage.metadata.source_frames
    if given == used:
        return slice(None), []
    if given == whole or (whole is None and given >= start + used > used):
        last = start + used - 1
        which = f"those of frames {start} to {last} are used"
        return slice(start, start + used), [f"There are {given} {what}, one for each frame of the whole clip; {which}."]
    clip = f"{used} used frames" + (f" of {whole}" if whole and whole != used else "")
    raise UserError(
        f"There are {given} {what}, but the clip has {clip}.",
        advice="Give one for each used frame, or one for each frame of the whole clip.",
    )


def used_area(what: str, width: int, height: int, footage: Footage) -> tuple[int, int, int, int]:
    """The part (left, top, width, height) of a picture of this size that the clip's frames show.

    All of it if it has the frames' shape; the crop that decoding made if it has the uncropped source's shape; either
    also with the source's own pixels, which may not be square; else raises UserError. what: the start of the message.
    """
    clip = footage.metadata
    shapes = ((width, height), square_size(width, height, clip.pixel_aspect))
    if any(same_shape(*shape, footage.width, footage.height) for shape in shapes):
        return 0, 0, width, height
    source = clip.source_width or footage.width, clip.source_height or footage.height
    if clip.source_crop is not None and any(same_shape(*shape, *source) for shape in shapes):
        x, y = width / source[0], height / source[1]
        left, top, crop_width, crop_height = clip.source_crop
        return round(left * x), round(top * y), round(crop_width * x), round(crop_height * y)
    raise UserError(
        f"{what} {width} x {height}, which is another shape than the clip's {footage.width} x {footage.height}.",
        advice="Render depth with the clip's aspect ratio, or crop the clip to match.",
    )


def has_stored_pixels(width: int, height: int, footage: Footage) -> bool:
    """Whether a picture of this size has the source's own pixels, which are not square."""
    clip = footage.metadata
    if clip.pixel_aspect == 1:
        return False
    sizes = [(footage.width, footage.height)]
    if clip.source_crop is not None and clip.source_width and clip.source_height:
        sizes.append((clip.source_width, clip.source_height))
    square = square_size(width, height, clip.pixel_aspect)
    return any(same_shape(*square, *size) and not same_shape(width, height, *size) for size in sizes)


def same_shape(width: int, height: int, other_width: int, other_height: int) -> bool:
    # Sizes are rounded to whole pixels.
    return abs(width * other_height - height * other_width) <= 1.5 * max(width, height, other_width, other_height)


def K_of_frames(what: str, K: np.ndarray, width: int, height: int, footage: Footage) -> np.ndarray:
    """K (N x 3 x 3) of a picture of width x height, in pixels of the clip's frames, which may show a part of it.

    what: the start of the message of `used_area`.
    """
    left, top, shown_width, shown_height = used_area(what, width, height, footage)
    K = K.copy()
    K[:, :2, 2] -= left, top
    return np.diag([footage.width / shown_width, footage.height / shown_height, 1.0]) @ K


def for_each_frame(values: np.ndarray, footage: Footage) -> np.ndarray:
    """One for each frame of the footage: the only one serves all."""
    if len(values) == footage.count:
        return values
    return np.broadcast_to(values[:1], (footage.count, *values.shape[1:]))


def motion_of(world_from_camera: np.ndarray) -> Motion:
    """ "still", "turning" or "moving" of a path, T x 4 x 4; a shift of rounding size is none."""
    first = world_from_camera[0]
    size = max(1.0, float(np.abs(first[:3, 3]).max()))
    if np.abs(world_from_camera[:, :3, 3] - first[:3, 3]).max() > 1e-9 * size:
        return "moving"
    return "turning" if np.abs(world_from_camera[:, :3, :3] - first[:3, :3]).max() > 1e-9 else "still"
