# SPDX-License-Identifier: Apache-2.0
"""An artist's own starting image."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from reangle.errors import UserError
from reangle.media.framing import plan_framing
from reangle.media.images import read_image_header, read_working_image
from reangle.media.sniff import MOVIES, sniff

CHANGED, SPOT = 8, 5
"""Grey levels from which a pixel counts as changed, and the side in pixels of the smallest spot that does."""


def read_given(name: str, path: Path, below: np.ndarray) -> np.ndarray:
    """The picture at the camera's size, over `below` where it is transparent.

    below: H x W x 3 uint8. Raises UserError for a file that is no image, a damaged one, and one of another aspect.
    """
    height, width = below.shape[:2]
    kind = sniff(name, path)
    if kind in MOVIES:
        raise UserError(f"The starting image {name} is a movie.", advice="Give a PNG, JPEG or EXR image.")
    header = read_image_header(name, path, kind)
    framing = plan_framing(header.width, header.height, width, height)
    if framing.crops:
        raise UserError(
            f"The starting image {name} has {header.width} x {header.height} pixels, but the camera renders "
            f"{width} x {height}, which is another aspect.",
            advice="Crop the image, or render it at the camera's resolution.",
        )
    picture, alpha = read_working_image(name, path, kind, framing)
    if alpha is None:
        return picture
    share = alpha[..., None].astype(np.float32) / 255
    return np.rint(picture * share + below * (1 - share)).astype(np.uint8)


def changed_by_hand(apart: np.ndarray, known: np.ndarray) -> np.ndarray:
    """H x W bool: pixels that the warp shows and that an artist changed, in spots of at least SPOT pixels.

    apart: H x W, how much the image differs from the warp, in grey levels of the channel that differs most. known: H x
    W bool. Compression changes single pixels along edges, too, which is no change by hand.
    """
    changed = (known & (apart > CHANGED)).astype(np.uint8)
    return cv2.morphologyEx(changed, cv2.MORPH_OPEN, np.ones((SPOT, SPOT), np.uint8)) > 0
