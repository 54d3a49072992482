# SPDX-License-Identifier: Apache-2.0
"""Finds the parts of a mesh that a depth buffer hides whole, before they are drawn."""

from __future__ import annotations

import numba
import numpy as np

from reangle.kernels import KERNEL

TILE_ROWS, TILE_COLUMNS = 8, 32
"""Cells that are left out together where they are hidden."""
BLOCK = 8
"""Pixels along a side of the blocks of the depth buffer whose least value is known."""
NEAR = 1e-6
"""Least distance from the camera at which something is drawn in screen coordinates."""

_ROUNDED = 0.05
_ZERO = np.float32(0)


@numba.njit(**KERNEL)
def block_floors(buffer):
    """The least value of each block of BLOCK x BLOCK pixels of a depth buffer."""
    height, width = buffer.shape
    floors = np.full(((height + BLOCK - 1) // BLOCK, (width + BLOCK - 1) // BLOCK), np.float32(np.inf))
    least = np.empty(width, np.float32)
    for block in range(floors.shape[0]):
        least[:] = np.float32(np.inf)
        for row in range(block * BLOCK, min((block + 1) * BLOCK, height)):
            for column in range(width):
                least[column] = min(least[column], buffer[row, column])
        for column in range(width):
            floors[block, column // BLOCK] = min(floors[block, column // BLOCK], least[column])
    return floors


@numba.njit(**KERNEL)
def find_tiles(depth, valid, cells, top, A, b, floors, height, width, shows):
    """Which tiles of the strip of cells that starts at row `top` may be nearer than the floors of the blocks that they
    cover. Returns whether any may.

    All of a tile lies between its least and its largest depth, in a box whose corners decide.
    """
    h, w = depth.shape
    bottom = min(top + TILE_ROWS, h + 1)
    # By columns first: a minimum along a row takes one step at a time.
    least, most = np.full(w, np.float32(np.inf)), np.zeros(w, np.float32)
    for i in range(max(top - 1, 0), min(bottom, h)):
        for j in range(w):
            d = depth[i, j]
            exists = valid[i, j] & (d > _ZERO)
            least[j] = min(least[j], d if exists else np.float32(np.inf))
            most[j] = max(most[j], d if exists else _ZERO)
    any_shows = False
    for tile in range(shows.shape[0]):
        left, right = tile * TILE_COLUMNS, min((tile + 1) * TILE_COLUMNS, w + 1)
        low, high = np.float32(np.inf), _ZERO
        for j in range(max(left - 1, 0), min(right, w)):
            low, high = min(low, least[j]), max(high, most[j])
        x_low, x_high, y_low, y_high, nearest = np.inf, -np.inf, np.inf, -np.inf, 0.0
        is_in_front = high < np.float32(np.inf)
        for k in range(8):
            d, u, v = low if k & 1 else high, (left if k & 2 else right) - 0.5, (top if k & 4 else bottom) - 0.5
            z = d * (A[2, 0] * u + A[2, 1] * v + A[2, 2]) + b[2]
            x = (d * (A[0, 0] * u + A[0, 1] * v + A[0, 2]) + b[0]) / z
            y = (d * (A[1, 0] * u + A[1, 1] * v + A[1, 2]) + b[1]) / z
            is_in_front &= z > NEAR
            x_low, x_high, y_low, y_high = min(x_low, x), max(x_high, x), min(y_low, y), max(y_high, y)
            nearest = max(nearest, 1 / z)
        if high > 0 and is_in_front:
            # What is drawn is computed in float32.
            grown = x_low - _ROUNDED, x_high + _ROUNDED, y_low - _ROUNDED, y_high + _ROUNDED
            shows[tile] = _exceeds(grown, nearest * (1 + 1e-4), floors, height, width)
        else:
            shows[tile] = high > 0
        any_shows |= shows[tile]
    return any_shows


@numba.njit(inline="always")
def _exceeds(box, nearest, floors, height, width):
    """Whether a value exceeds the floor of a block that a box on the screen touches."""
    left, right, top, bottom = box
    if right < 0 or bottom < 0 or left > width or top > height:
        return False
    found = False
    for row in range(int(max(top, 0)) // BLOCK, int(min(bottom, height - 1)) // BLOCK + 1):
        for column in range(int(max(left, 0)) // BLOCK, int(min(right, width - 1)) // BLOCK + 1):
            found |= nearest > floors[row, column]
    return found
