# SPDX-License-Identifier: Apache-2.0
"""The static scene as other frames of the clip show it to one frame: what is behind whatever moves there."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from reangle.geometry.robust import solve_differences
from reangle.geometry.steady import CONTRACTED, pixel_maps, pixels_hit, project_row

MOST_FRAMES, REACH = 16, 64
"""Most frames that a plate is drawn from, spread over so many frames around its own: far ones show other places."""
LEAST_FRAMES, LEAST_SHARE = 2, 0.5
"""How many frames, and which share of those that show a pixel, must agree on the nearest surface there."""
OFFSETS = (1, 4, 16)
"""Distances in frames of the frames whose exposure is compared."""
STRIDE, LEAST_POINTS = 5, 100
"""Pixels from one compared point to the next, and how many points two frames need."""
DARK, BRIGHT = 16, 240
"""Grey levels beyond which a ratio says nothing."""


@dataclass(frozen=True, eq=False)
class Plate:
    """A frame's picture of the static scene alone.

    colour: h x w x 3 float32, 0 to 255. inverse: h x w float32, 1 / depth, 0 where no other frames show it.
    """

    colour: np.ndarray
    inverse: np.ndarray

    @property
    def known(self) -> np.ndarray:
        return self.inverse > 0


def plate_of(
    frame: int,
    inverse: np.ndarray,
    colour: np.ndarray,
    K: np.ndarray,
    world_from_camera: np.ndarray,
    tolerance: float,
) -> Plate:
    """Draw the static pixels of other frames into a frame; in each pixel the median of those that agree counts.

    A thing that moves unnoticed is elsewhere in every frame, so that it is outvoted.
    inverse: T x h x w float32, 1 / depth of static pixels, else 0. colour: T x h x w x 3 uint8. tolerance: of 1 / depth
    of one surface.
    """
    count, height, width = inverse.shape
    first = int(np.clip(frame - REACH // 2, 0, max(0, count - 1 - REACH)))
    last = min(count - 1, first + REACH)
    spread = np.unique(np.linspace(first, last, min(last - first + 1, MOST_FRAMES)).round().astype(int))
    others = [int(other) for other in spread if other != frame]
    nearest = np.zeros((len(others), height, width), np.float32)
    seen = np.zeros((len(others), height, width, 3), np.uint8)
    for layer, other in enumerate(others):
        turn, shift = (part.astype(np.float32) for part in pixel_maps(K, world_from_camera, other, frame))
        _draw(inverse[other], colour[other], turn, shift, nearest[layer], seen[layer])
    plate = Plate(np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.float32))
    _agree(nearest, seen, np.float32(tolerance), plate.inverse, plate.colour)
    return plate


def evenly_exposed(inverse: np.ndarray, colour: np.ndarray, K: np.ndarray, world_from_camera: np.ndarray) -> np.ndarray:
    """The pictures (T x h x w x 3 uint8) as if exposure and white balance had not changed through the clip.

    inverse: T x h x w float32, 1 / depth of static pixels, else 0: the same points are compared in several frames.
    """
    count, height, width = inverse.shape
    rows, columns = (part.ravel() for part in np.mgrid[2:height:STRIDE, 2:width:STRIDE])
    pixels = np.stack([columns + 0.5, rows + 0.5, np.ones(rows.shape)])
    edges, steps = [], []
    for i in range(count):
        for k in (i + offset for offset in OFFSETS if i + offset < count):
            turn, shift = pixel_maps(K, world_from_camera, i, k)
            row, column, inside = pixels_hit(turn @ pixels + shift[:, None] * inverse[i, rows, columns], height, width)
            both = inside & (inverse[i, rows, columns] > 0) & (inverse[k, row, column] > 0)
            here, seen = colour[i, rows[both], columns[both]], colour[k, row[both], column[both]]
            lit = (np.minimum(here, seen).min(-1) > DARK) & (np.maximum(here, seen).max(-1) < BRIGHT)
            if lit.sum() >= LEAST_POINTS:
                edges.append((i, k))
                steps.append(np.median(np.log(seen[lit] / here[lit].astype(np.float64)), axis=0))
            elif k == i + 1:
                edges.append((i, k))
                steps.append(np.zeros(3))
    gains = solve_differences(count, edges, np.array(steps), np.ones(len(edges))) if edges else np.zeros((count, 3))
    factors = np.exp(np.median(gains, axis=0) - gains)
    tables = np.clip(np.rint(np.arange(256)[:, None] * factors[:, None]), 0, 255).astype(np.uint8)
    return np.stack(
        [
            np.stack([table[one[..., channel], channel] for channel in range(3)], -1)
            for table, one in zip(tables, colour, strict=True)
        ]
    )


@numba.njit(**CONTRACTED)
def _draw(inverse, colour, turn, shift, nearest, seen):
    """Each pixel of one frame where another sees it; the nearest wins."""
    height, width = inverse.shape
    there, u, v = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    for row in range(height):
        project_row(inverse[row], row, turn, shift, there, u, v)
        for column in range(width):
            if not (there[column] > 0 and 0 <= u[column] < width and 0 <= v[column] < height):
                continue
            i, j, near = int(v[column]), int(u[column]), np.float32(1) / there[column]
            if near > nearest[i, j]:
                nearest[i, j] = near
                for channel in range(3):
                    seen[i, j, channel] = colour[row, column, channel]


@numba.njit(**CONTRACTED)
def _agree(nearest, seen, tolerance, inverse, colour):
    """The nearest surface on which enough layers agree, and its median colour."""
    count, height, width = nearest.shape
    values, layers, shades = np.empty(count, np.float32), np.empty(count, np.int64), np.empty(count, np.float32)
    for row in range(height):
        for column in range(width):
            found = 0
            for layer in range(count):
                value = nearest[layer, row, column]
                if value > 0:
                    # Insertion keeps them sorted, the nearest first.
                    place = found
                    while place > 0 and values[place - 1] < value:
                        values[place], layers[place] = values[place - 1], layers[place - 1]
                        place -= 1
                    values[place], layers[place] = value, layer
                    found += 1
            wanted = max(np.float32(LEAST_FRAMES), np.float32(LEAST_SHARE * found))
            end = 0
            for start in range(found):
                while end < found and values[end] >= values[start] - tolerance:
                    end += 1
                if end - start < wanted:
                    continue
                inverse[row, column] = values[(start + end - 1) // 2]
                for channel in range(3):
                    for index in range(start, end):
                        shade, place = np.float32(seen[layers[index], row, column, channel]), index - start
                        while place > 0 and shades[place - 1] > shade:
                            shades[place] = shades[place - 1]
                            place -= 1
                        shades[place] = shade
                    colour[row, column, channel] = shades[(end - start) // 2]
                break
