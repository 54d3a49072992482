# SPDX-License-Identifier: Apache-2.0
"""Kinds of places that a source camera does not see."""

from __future__ import annotations

import cv2
import numpy as np


def split_at_rim(occluded: np.ndarray) -> dict[str, np.ndarray]:
    """occluded: N x H x W bool. Returns two parts of it, of the same shape.

    rim: regions that touch the picture's rim in their frame: beyond the source camera's picture, mostly.
    disoccluded: the rest: behind things that the source camera sees. Pixels that touch by a corner are one region.
    """
    rim = np.zeros_like(occluded)
    for out, mask in zip(rim, occluded, strict=True):
        _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
        at_rim = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
        out[:] = mask & np.isin(labels, at_rim)
    return {"rim": rim, "disoccluded": occluded & ~rim}
