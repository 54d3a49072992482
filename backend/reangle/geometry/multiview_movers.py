# SPDX-License-Identifier: Apache-2.0
"""What moves in a frame: first what other frames do not confirm, then what differs from the static scene behind it."""

from __future__ import annotations

import cv2
import numpy as np

from reangle.geometry.multiview_plate import Plate
from reangle.geometry.multiview_sweep import NOISE, RADIUS

LEAST_MOVER = 0.0006
"""Smallest mover, as a share of the picture."""
CORE = 5
"""A mover is at least so many pixels wide."""
WINDOW, SMALL_WINDOW = 5, 3
"""Sides in pixels of the windows in which a frame is compared with its plate; the small one along outlines."""
SAME, DIFFERENT = 2.0, 5.0
"""Difference (see `difference`) up to which a frame shows the plate, and above which it shows something else."""
MISALIGNED = 0.35
"""Contrast of the plate's window, as a share, that a pixel's misalignment explains."""
SHADOW = 0.15
"""What the square of a darkening counts that all channels share: movers have shadows."""


def unconfirmed(unsure: np.ndarray, doubtful: np.ndarray) -> np.ndarray:
    """Connected unsure pixels of a frame, h x w bool, that are large and wide enough, and mostly doubtful, to move."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (CORE, CORE))
    core = cv2.morphologyEx(unsure.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    core = cv2.morphologyEx(core, cv2.MORPH_OPEN, kernel)
    count, label, stats, _ = cv2.connectedComponentsWithStats(core, connectivity=4)
    textured = np.bincount(label[doubtful], minlength=count)
    areas = stats[:, cv2.CC_STAT_AREA]
    kept = (areas >= LEAST_MOVER * unsure.size) & (textured >= 0.5 * areas)
    kept[0] = False
    # Windows of the background reach into a mover.
    return cv2.dilate(kept[np.asarray(label, np.intp)].astype(np.uint8), np.ones((2 * RADIUS + 1,) * 2, np.uint8)) > 0


def told_apart(colour: np.ndarray, plate: Plate, moving: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """What moves, h x w bool: of `moving` all but what looks like the plate, and what looks unlike it elsewhere.

    colour: h x w x 3 uint8. moving: a guess, which stays where the plate is unknown. sure: pixels that other frames
    confirm, which never move.
    """
    unlike = difference(colour, plate, WINDOW)
    moves = (moving & ~(plate.known & (unlike <= SAME))) | _opened(plate.known & (unlike > DIFFERENT) & ~sure)
    # The window of a pixel beside a mover shows the mover, too.
    inside = cv2.erode(moves.astype(np.uint8), np.ones((WINDOW + 2,) * 2, np.uint8)) > 0
    moves &= inside | ~(plate.known & (difference(colour, plate, SMALL_WINDOW) <= SAME))
    moves = cv2.morphologyEx(_opened(moves).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    _, label, stats, _ = cv2.connectedComponentsWithStats(moves, connectivity=4)
    kept = stats[:, cv2.CC_STAT_AREA] >= LEAST_MOVER * moves.size
    kept[0] = False
    return kept[np.asarray(label, np.intp)]


def difference(colour: np.ndarray, plate: Plate, window: int) -> np.ndarray:
    """How unlike a frame and its plate are in a window around each pixel, h x w: about 1 where noise and a small
    misalignment explain it, 0 where the plate is unknown.
    """
    known = plate.known.astype(np.float32)
    share = np.maximum(cv2.blur(known, (window, window)), 1e-6)[..., None]

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values * known[..., None], (window, window)) / share

    apart = colour.astype(np.float32) - plate.colour
    shift, contrast = mean(apart), mean(plate.colour**2) - mean(plate.colour) ** 2
    grey = shift.mean(-1)
    detail = np.maximum(mean(apart**2) - shift**2, 0).mean(-1)
    tint = ((shift - grey[..., None]) ** 2).mean(-1)
    level = np.where(grey < 0, SHADOW, 1.0) * grey**2
    explained = (2 * NOISE) ** 2 + MISALIGNED**2 * np.maximum(contrast, 0).mean(-1)
    return np.where(plate.known, (detail + tint + level) / explained, 0)


def _opened(mask: np.ndarray) -> np.ndarray:
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
