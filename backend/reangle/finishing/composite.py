# SPDX-License-Identifier: Apache-2.0
"""Exact where it was seen: the warp's own pixels over what was generated."""

from __future__ import annotations

import cv2
import numpy as np

from reangle.finishing.diffuse import diffuse, rim_of

REACH = 0.05
"""As a share of the picture's width: how far around a pixel the scene behind it is looked for."""
NEARER = 0.15
"""Share by which a pixel is nearer than what is behind it, to belong to another thing."""


def over(warped: np.ndarray, known: np.ndarray, depth: np.ndarray, made: np.ndarray) -> np.ndarray:
    """The warp, bit for bit, where it is known; elsewhere what was made, shifted so that the two meet without a step.

    The shift is what they differ by at the rim, continued harmonically (the membrane of Perez et al., Poisson Image
    Editing, SIGGRAPH 2003): wrong brightness and tint go, detail stays. Where a nearer thing tore the hole open, its
    edge is a true one and nothing has to meet.
    warped: H x W x 3 uint8. known: H x W bool. depth: H x W float32, planar z, 0 where unknown. made: H x W x 3, 0 to
    255.
    """
    if known.all():
        return warped
    shift = diffuse(warped.astype(np.float32) - made, known & ~_in_front(known, depth), ~known)
    return np.where(known[..., None], warped, np.rint(made + shift).clip(0, 255).astype(np.uint8))


def _in_front(known: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Known pixels at a hole's rim that belong to something nearer than what else is there."""
    side = 2 * round(REACH * known.shape[1]) + 1
    behind = cv2.dilate(depth, np.ones((side, side), np.uint8))
    return rim_of(known) & (depth < (1 - NEARER) * behind)
