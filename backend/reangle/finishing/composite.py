# SPDX-License-Identifier: Apache-2.0
"""Puts the warp's own pixels over generated frames."""

from __future__ import annotations

import cv2
import numpy as np

from reangle.finishing.diffuse import diffuse, rim_of

REACH = 0.05
"""Distance, as a share of the picture's width, within which a pixel's background is searched."""
NEARER = 0.15
"""Relative depth gap that separates a pixel from its background."""


def composite(warped: np.ndarray, known: np.ndarray, depth: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """The warp, bit for bit, where it is known; elsewhere the generated frame, shifted to meet it without a step.

    The shift is the difference at the rim, continued harmonically (the membrane of Perez et al., Poisson Image
    Editing, SIGGRAPH 2003): it corrects brightness and tint and keeps detail. Where the rim belongs to a nearer
    surface that hid the hole, its edge is real and no shift starts there.
    warped: H x W x 3 uint8. known: H x W bool. depth: H x W float32, planar z, 0 where unknown. generated: H x W x 3,
    0 to 255. Returns H x W x 3 uint8.
    """
    if known.all():
        return warped
    shift = diffuse(warped.astype(np.float32) - generated, known & ~_in_front(known, depth), ~known)
    return np.where(known[..., None], warped, np.rint(generated + shift).clip(0, 255).astype(np.uint8))


def _in_front(known: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Known pixels at a hole's rim on a surface nearer than the background around them."""
    side = 2 * round(REACH * known.shape[1]) + 1
    behind = cv2.dilate(depth, np.ones((side, side), np.uint8))
    return rim_of(known) & (depth < (1 - NEARER) * behind)
