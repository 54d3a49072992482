# SPDX-License-Identifier: Apache-2.0
"""What moves in the world: tracks that disagree with the solved camera, grouped into masks."""

from __future__ import annotations

import cv2
import numpy as np

from reangle.geometry.camera.solve.tracks import Tracks

MASK_WIDTH = 180
REACH = 0.025
"""Distance over which tracks vote, as a share of the width."""

GAP = 0.17
"""Distance between parts of a plain thing that are taken for one, as a share of the width."""
STANDING_PX = 5
"""Diameter in pixels of the masks around a track that stands still, which belongs to no thing that moves."""


def moving_masks(tracks: Tracks, moves: np.ndarray, stands: np.ndarray) -> np.ndarray:
    """T x h x w bool: where more tracks that move than tracks that stand still are near, and between such places.

    Plain things have tracks at their outlines only; what lies between belongs to them unless a track stands there.
    moves, stands: N bool; tracks that are neither do not vote.
    """
    width = min(MASK_WIDTH, tracks.width)
    height = max(1, round(width * tracks.height / tracks.width))
    column = np.clip(tracks.uv[:, 0] * width / tracks.width, 0, width - 1).astype(np.intp)
    row = np.clip(tracks.uv[:, 1] * height / tracks.height, 0, height - 1).astype(np.intp)
    masks = np.zeros((tracks.frames, height, width), bool)
    sigma = REACH * width
    # A single track that moves, with no other around, is more often a wrong track than a small thing.
    least = 1.6 / (2 * np.pi * sigma**2)
    gap = max(1, round(GAP * width))
    for index in range(tracks.frames):
        here = tracks.frame == index
        votes = np.zeros((2, height, width), np.float32)
        for vote, chosen in zip(votes, (moves, stands), strict=True):
            use = here & chosen[tracks.track]
            np.add.at(vote, (row[use], column[use]), 1)
            vote[:] = cv2.GaussianBlur(vote, (0, 0), sigma)
        moving = (votes[0] > least) & (votes[0] > votes[1])
        use = here & stands[tracks.track]
        standing = np.zeros((height, width), np.uint8)
        standing[row[use], column[use]] = 1
        masks[index] = moving | (_closed(moving, gap) & (cv2.dilate(standing, _disc(STANDING_PX)) == 0))
    return masks


def _closed(mask: np.ndarray, gap: int) -> np.ndarray:
    """With gaps up to this many pixels filled; outside of the picture nothing moves."""
    wide = cv2.copyMakeBorder(mask.astype(np.uint8), gap, gap, gap, gap, cv2.BORDER_CONSTANT)
    closed = cv2.morphologyEx(wide, cv2.MORPH_CLOSE, _disc(gap))
    return closed[gap:-gap, gap:-gap] > 0


def _disc(size: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
