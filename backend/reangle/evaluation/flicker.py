# SPDX-License-Identifier: Apache-2.0
"""How much a result changes from frame to frame where the truth does not."""

from __future__ import annotations

import cv2
import numpy as np

STILL = 1.0
"""Grey levels by which the luma of a truth that stands still may change."""


def flicker(result: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    """Mean |change of luma| between successive frames in grey levels; 0 is steady.

    result, truth: N x H x W x 3 uint8. Judged are pixels that are in `where`, N x H x W bool, in both frames, and whose
    truth stands still. NaN if there are none: with a moving camera only what is flat stands still.
    """
    changes, true_changes = (np.abs(np.diff(_luma(clip), axis=0)) for clip in (result, truth))
    judged = where[1:] & where[:-1] & (true_changes <= STILL)
    return float(changes[judged].mean()) if judged.any() else float("nan")


def _luma(clip: np.ndarray) -> np.ndarray:
    return np.stack([cv2.cvtColor(picture.astype(np.float32), cv2.COLOR_RGB2GRAY) for picture in clip])
