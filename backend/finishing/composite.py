# SPDX-License-Identifier: Apache-2.0
"""Exact where it was seen: the warp's own pixels over what was generated."""

from __future__ import annotations

import numpy as np

from backend.finishing.diffuse import diffuse


def over(warped: np.ndarray, known: np.ndarray, made: np.ndarray) -> np.ndarray:
    """The warp, bit for bit, where it is known; elsewhere what was made, shifted so that the two meet without a step.

    The shift is what they differ by at the rim, continued harmonically (the membrane of Perez et al., Poisson Image
    Editing, SIGGRAPH 2003): wrong brightness and tint go, detail stays.
    warped: H x W x 3 uint8. known: H x W bool. made: H x W x 3, 0 to 255.
    """
    if known.all():
        return warped
    shift = diffuse(warped.astype(np.float32) - made, known, ~known)
    return np.where(known[..., None], warped, np.rint(made + shift).clip(0, 255).astype(np.uint8))
