# SPDX-License-Identifier: Apache-2.0
"""Linear light to sRGB and back (IEC 61966-2-1)."""

from __future__ import annotations

import numpy as np


def srgb_encoded(linear: np.ndarray) -> np.ndarray:
    """Linear light, 1 = white, to sRGB, 0 to 1; more light than white is cut off."""
    light = np.clip(linear, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def srgb_to_linear(encoded: np.ndarray) -> np.ndarray:
    """sRGB, 0 to 1, to linear light."""
    encoded = np.clip(encoded, 0, 1)
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """Linear light, 1 = white, to sRGB uint8."""
    return np.rint(255 * srgb_encoded(linear)).astype(np.uint8)
