# SPDX-License-Identifier: Apache-2.0
"""Exact where it was seen: the warp's own pixels over what was generated."""

from __future__ import annotations

import cv2
import numpy as np

FEATHER = 0.01
"""Width, as a share of the picture's, over which what was seen fades in from its edge."""


def over(warped: np.ndarray, known: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """The warp where it is known, else what was generated; the fade lies on the known side, so nothing unknown shows.

    warped, generated: H x W x 3 uint8. known: H x W bool. Known pixels farther than FEATHER from an edge are the warp's
    bit for bit.
    """
    if known.all():
        return warped
    inside = cv2.distanceTransform(known.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    share = np.clip(inside / max(FEATHER * known.shape[1], 1.0), 0, 1)[..., None]
    mixed = np.rint(warped * share + generated * (1 - share)).astype(np.uint8)
    return np.where(share == 1, warped, mixed)
