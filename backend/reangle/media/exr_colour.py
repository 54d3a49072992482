# SPDX-License-Identifier: Apache-2.0
"""EXR colours to linear light of BT.709 primaries: other primaries, and luminance with chroma."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BT709 = (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329)
"""Chromaticities of red, green, blue and white as x, y each: what an EXR means that does not say."""
_NAMES = {
    "ACES 2065-1 (AP0)": (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077),
    "ACEScg (AP1)": (0.713, 0.293, 0.165, 0.83, 0.128, 0.044),
    "BT.2020": (0.708, 0.292, 0.17, 0.797, 0.131, 0.046),
    "P3": (0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
}
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def primaries_name(chromaticities: Sequence[float]) -> str:
    """Their usual name, or "other" primaries."""
    for name, known in _NAMES.items():
        if np.allclose(chromaticities[:6], known, atol=2e-3):
            return name
    return "other"


def to_bt709(chromaticities: Sequence[float] | None) -> np.ndarray | None:
    """3 x 3 from linear light of these primaries to BT.709's with its white; None if there is nothing to convert.

    Chromaticities that span no colours are taken for BT.709's.
    """
    if chromaticities is None or np.allclose(chromaticities, BT709, atol=2e-3):
        return None
    try:
        source, target = _to_xyz(chromaticities), _to_xyz(BT709)
        cone = _BRADFORD @ _white(BT709) / (_BRADFORD @ _white(chromaticities))
        matrix = np.linalg.inv(target) @ np.linalg.inv(_BRADFORD) @ np.diag(cone) @ _BRADFORD @ source
    except (np.linalg.LinAlgError, ZeroDivisionError):
        return None
    return matrix.astype(np.float32) if np.isfinite(matrix).all() else None


def from_luminance(
    luminance: np.ndarray, red: np.ndarray, blue: np.ndarray, chromaticities: Sequence[float] | None
) -> np.ndarray:
    """H x W x 3 of luminance Y and the chroma RY = (R - Y) / Y and BY = (B - Y) / Y, all H x W."""
    weights = _to_xyz(chromaticities or BT709)[1]
    red, blue = (red + 1) * luminance, (blue + 1) * luminance
    green = (luminance - red * weights[0] - blue * weights[2]) / weights[1]
    return np.stack([red, green, blue], axis=-1).astype(np.float32)


def _white(chromaticities: Sequence[float]) -> np.ndarray:
    x, y = (float(value) for value in chromaticities[6:8])
    return np.array([x / y, 1, (1 - x - y) / y])


def _to_xyz(chromaticities: Sequence[float]) -> np.ndarray:
    """3 x 3 from R, G, B to CIE XYZ; white is 1, 1, 1."""
    x, y = np.array(chromaticities[0:6:2], np.float64), np.array(chromaticities[1:6:2], np.float64)
    columns = np.stack([x, y, 1 - x - y])
    return columns * np.linalg.solve(columns, _white(chromaticities))
