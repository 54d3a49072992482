# SPDX-License-Identifier: Apache-2.0
"""Which pixels of a painted view a judge looks at."""

from __future__ import annotations

import cv2
import numpy as np

RIM = 0.04
"""Width of the rim around a hole, as a share of the picture's longer side."""

RIM_WEIGHT = 0.1
"""Of the rim's pixels, where seams show; painted pixels weigh 1, all others 0."""


def pixel_weights(hole: np.ndarray) -> np.ndarray:
    """H x W float32 in 0..1. hole: H x W bool, what is painted."""
    size = 2 * max(1, round(RIM * max(hole.shape))) + 1
    near = cv2.dilate(hole.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))) > 0
    return np.where(hole, 1.0, np.where(near, RIM_WEIGHT, 0.0)).astype(np.float32)
