# SPDX-License-Identifier: Apache-2.0
"""Depth seen from another camera: the depth map as a grid of triangles, cut at depth edges, drawn into the new camera.

Vertices are pixel centres. Two neighbours in a row or column are linked if their depths differ by a small share of the
nearer one, if the step continues the slope on both sides (a floor at a grazing angle), up to a limit, or if steps of
its size are everywhere in the map (noise, few bits): see `Cut`. Four pixels linked all round span two triangles. Where
a link is missing, and along the border, each pixel is drawn as a flat half or quarter cell at its own depth, so that no
pixel is lost, however thin, and the surface covers the whole picture.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from reangle.geometry.flying_pixels import tolerance
from reangle.kernels import KERNEL, writable
from reangle.warping.cameras import pixel_transform
from reangle.warping.hidden import BLOCK, block_floors
from reangle.warping.raster import BOTTOM, EMPTY, LEFT, RIGHT, TOP, draw_cells


class Cut(NamedTuple):
    """Where a surface is cut: the largest steps between linked neighbours.

    jump: in depth, as a share of the nearer depth. grazing: the same, of a slope that continues. roughness: in
    1 / depth, whatever the slope; `geometry.noise.roughness_of` the map.
    """

    jump: float = 0.02
    grazing: float = 0.1
    roughness: float = 0.0

    @classmethod
    def of_filter(cls, edge_filter: float, roughness: float) -> Cut:
        """edge_filter: as in `contract.PreviewSettings`; the plain rule at 0.5, eight times as lenient at 0."""
        factor = tolerance(edge_filter)
        return cls(cls().jump * factor, cls().grazing * factor, roughness * min(factor, 1.0))


PLAIN = Cut()
UNCUT = Cut(jump=float("inf"))

_ONE = np.float32(1)
_ZERO = np.float32(0)


def mesh_depth(
    depth: np.ndarray,
    valid: np.ndarray,
    K_source: np.ndarray,
    target_from_source: np.ndarray,
    K_target: np.ndarray,
    width: int,
    height: int,
    *,
    scale: int = 1,
    cut: Cut = PLAIN,
    cells: np.ndarray | None = None,
) -> np.ndarray:
    """Planar z in the target camera at scale x scale samples a pixel, 0 where nothing is.

    depth: h x w float32. valid: h x w bool. K_source, K_target: 3 x 3, for h x w and height x width pixels.
    target_from_source: 4 x 4, rigid. cells: `find_cells` of the rest, if they are at hand. Returns
    (height * scale) x (width * scale) float32. Runs on the calling thread and releases the interpreter lock.
    """
    depth, valid = writable(depth, np.float32), writable(valid, np.bool_)
    out = np.zeros((height * scale, width * scale), np.float32)
    cells = find_cells(depth, valid, cut) if cells is None else cells
    A, b = pixel_transform(K_source, target_from_source, np.diag([scale, scale, 1.0]) @ K_target)
    floors = np.zeros((height * scale // BLOCK + 1, width * scale // BLOCK + 1), np.float32)
    draw_cells(depth, valid, cells, A.astype(np.float32), b.astype(np.float32), A, b, floors, out)
    _invert(out)
    return out


def draw_nearer(
    nearest: np.ndarray,
    depth: np.ndarray,
    valid: np.ndarray,
    cells: np.ndarray,
    K_source: np.ndarray,
    target_from_source: np.ndarray,
    K_target: np.ndarray,
) -> None:
    """Replace, in the target's `nearest` (1 / z, float32, 0 where nothing is), what the mesh hides.

    depth, valid: writable, with their `find_cells`. K_source, K_target, target_from_source: as in `mesh_depth`.
    """
    A, b = pixel_transform(K_source, target_from_source, K_target)
    floors = block_floors(nearest)
    draw_cells(depth, valid, cells, A.astype(np.float32), b.astype(np.float32), A, b, floors, nearest)


def find_cells(depth: np.ndarray, valid: np.ndarray, cut: Cut) -> np.ndarray:
    """Which neighbours are linked: (h + 1) x (w + 1) uint8, flags of `raster` around the corner above and left of each
    pixel. depth: h x w float32; valid: h x w bool; both writable."""
    return _find_cells(depth, valid, *(np.float32(step) for step in cut))


@numba.njit(**KERNEL)
def _find_cells(depth, valid, jump, grazing, roughness):
    """Links around each corner (r, c), where the pixels (r - 1, c - 1) to (r, c) meet: (h + 1) x (w + 1) uint8."""
    h, w = depth.shape
    cells = np.zeros((h + 1, w + 1), np.uint8)
    # 1 / depth of the row above, the row, and the two below, each padded with two empty pixels on both sides.
    rows = np.zeros((4, w + 4), np.float32)
    across, down = np.zeros(w + 1, np.uint8), np.zeros(w + 2, np.uint8)
    for i in range(min(2, h)):
        _invert_row(depth[i], valid[i], rows[i + 2])
    for i in range(h):
        before, here, below, after = rows[(i + 1) % 4], rows[(i + 2) % 4], rows[(i + 3) % 4], rows[i % 4]
        if i + 2 < h:
            _invert_row(depth[i + 2], valid[i + 2], after)
        else:
            after[:] = _ZERO
        for j in range(1, w + 2):
            across[j - 1] = _linked(here[j - 1], here[j], here[j + 1], here[j + 2], jump, grazing, roughness)
        for j in range(2, w + 2):
            down[j - 1] = _linked(before[j], here[j], below[j], after[j], jump, grazing, roughness)
        # Both ends of `across` and `down` lead out of the picture.
        for c in range(w + 1):
            empty = max(max(before[c + 1], before[c + 2]), max(here[c + 1], here[c + 2])) <= _ZERO
            cells[i, c] |= across[c] * np.uint8(BOTTOM) | empty * np.uint8(EMPTY)
            cells[i + 1, c] = (across[c] * np.uint8(TOP)) | (down[c] * np.uint8(LEFT)) | (down[c + 1] * np.uint8(RIGHT))
            if i == h - 1:
                cells[h, c] |= (max(here[c + 1], here[c + 2]) <= _ZERO) * np.uint8(EMPTY)
    return cells


@numba.njit(**KERNEL)
def _invert_row(depth, valid, out):
    for j in range(depth.shape[0]):
        d = depth[j]
        exists = valid[j] & (d > _ZERO)
        out[j + 2] = _ONE / d if exists else _ZERO


@numba.njit(inline="always", error_model="numpy")
def _linked(before, a, b, after, jump, grazing, roughness):
    """Whether a and b, each 1 / depth or 0, lie on one surface; before and after are the next ones outwards."""
    step = abs(a - b)
    farther = min(a, b)
    left = abs(a - before) if before > _ZERO else np.float32(np.inf)
    right = abs(after - b) if after > _ZERO else np.float32(np.inf)
    slope = min(left, right)
    slope = np.float32(2) * slope if slope < np.float32(np.inf) else _ZERO
    allowed = max(max(jump * farther, min(slope, grazing * farther)), roughness)
    return (farther > _ZERO) & (step <= allowed)


@numba.njit(**KERNEL)
def _invert(values):
    flat = values.reshape(-1)
    for k in range(flat.shape[0]):
        flat[k] = _ONE / flat[k] if flat[k] > _ZERO else _ZERO
