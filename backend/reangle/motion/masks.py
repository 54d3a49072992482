# SPDX-License-Identifier: Apache-2.0
"""Visibility masks at the size of latents."""

from __future__ import annotations

import numpy as np


def latent_mask(visible: np.ndarray, rows: int, columns: int, group: int) -> np.ndarray:
    """A latent pixel is visible only if all pixels are that it encodes.

    visible: T x H x W bool with T = group * k + 1, H a multiple of rows, W of columns. Returns (k + 1) x rows x columns
    bool: frame 0 alone, then each group of frames ANDed; in space the minimum (Reangle-A-Video, section 3.2). Raises
    ValueError for sizes that do not divide.
    """
    count, height, width = visible.shape
    if (count - 1) % group or height % rows or width % columns:
        raise ValueError(
            f"{count} x {height} x {width} pixels do not divide into groups of {group} frames after the first and "
            f"{rows} x {columns} latent pixels"
        )
    cells = np.all(visible.reshape(count, rows, height // rows, columns, width // columns), axis=(2, 4))
    later = np.all(cells[1:].reshape(-1, group, rows, columns), axis=1)
    return np.concatenate([cells[:1], later])
