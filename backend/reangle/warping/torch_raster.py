# SPDX-License-Identifier: Apache-2.0
"""The mesh of `mesh` and `raster`, drawn by torch: the same pieces, rules and formulas, all pieces at once.

Each piece has a box of pixels on the screen; every pixel of every box is tested, in parts that fit into memory, and
keeps the largest 1 / z. Pieces that reach behind the camera are few and go through the processor's kernel.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from reangle.warping.hidden import NEAR
from reangle.warping.raster import ALL, BOTTOM, EMPTY, LEFT, RIGHT, TOP, draw_clipped_pieces

_GUARD = 32768.0
AT_ONCE = 1 << 22
"""Pixels of boxes that are tested together; each takes about 150 bytes."""


class Pieces(NamedTuple):
    """sides: N x 4, left, right, top and bottom on the source picture. depths: N x 4, of the upper left corner, the
    upper right, the lower left and the lower right. Both float32."""

    sides: torch.Tensor
    depths: torch.Tensor


def pieces_of(depth: torch.Tensor, valid: torch.Tensor, cells: torch.Tensor) -> Pieces:
    """Whole cells, and halves and quarters of cut ones. depth, valid: h x w. cells: `mesh.find_cells` of them."""
    around = torch.nn.functional.pad(depth, (1, 1, 1, 1))
    exists = torch.nn.functional.pad(valid & (depth > 0) & torch.isfinite(depth), (1, 1, 1, 1))
    height, width = cells.shape
    corners = [(k // 2, k % 2) for k in range(4)]
    sides, depths = [], []

    def add(chosen: torch.Tensor, edges: tuple[float, float, float, float], order: tuple[int, int, int, int]) -> None:
        """The cells of a mask: edges around the cell's middle, and which pixel gives each corner's depth."""
        row, column = torch.nonzero(chosen, as_tuple=True)
        middle = torch.stack([column, column, row, row], 1).to(torch.float32)
        sides.append(middle + torch.tensor(edges, device=middle.device))
        places = [(row + corners[k][0], column + corners[k][1]) for k in order]
        depths.append(torch.stack([around[place] for place in places], 1))

    is_cut = (cells != ALL) & (cells != EMPTY)
    add(cells == ALL, (-0.5, 0.5, -0.5, 0.5), (0, 1, 2, 3))
    add(is_cut & ((cells & TOP) > 0), (-0.5, 0.5, -0.5, 0.0), (0, 1, 0, 1))
    add(is_cut & ((cells & BOTTOM) > 0), (-0.5, 0.5, 0.0, 0.5), (2, 3, 2, 3))
    add(is_cut & ((cells & LEFT) > 0), (-0.5, 0.0, -0.5, 0.5), (0, 0, 2, 2))
    add(is_cut & ((cells & RIGHT) > 0), (0.0, 0.5, -0.5, 0.5), (1, 1, 3, 3))
    for k, (below, right) in enumerate(corners):
        unlinked = (cells & ((BOTTOM if below else TOP) | (RIGHT if right else LEFT))) == 0
        there = exists[below : below + height, right : right + width]
        edges = (0.0 if right else -0.5, 0.5 if right else 0.0, 0.0 if below else -0.5, 0.5 if below else 0.0)
        add(is_cut & unlinked & there, edges, (k, k, k, k))
    return Pieces(torch.cat(sides), torch.cat(depths))


def draw_pieces(pieces: Pieces, A: np.ndarray, b: np.ndarray, out: torch.Tensor) -> None:
    """Draw into `out`, height x width float32, which holds 1 / z, 0 where nothing is. A, b: `pixel_transform`."""
    xs, ys, ws = _project(pieces, torch.from_numpy(A).to(out), torch.from_numpy(b).to(out))
    height, width = out.shape
    drawable = ws.amin(1) > 0
    _draw_clipped(Pieces(pieces.sides[~drawable], pieces.depths[~drawable]), A, b, out)
    left, right = _centres(xs, width)
    top, bottom = _centres(ys, height)
    chosen = torch.nonzero(drawable & (left <= right) & (top <= bottom))[:, 0]
    left, top = left[chosen], top[chosen]
    columns, rows = right[chosen] - left + 1, bottom[chosen] - top + 1
    corners = torch.stack([xs[chosen], ys[chosen], ws[chosen]], 2)
    ends = torch.cumsum(columns * rows, 0)
    first, drawn = 0, 0
    while first < len(chosen):
        # At least one piece, however large.
        last = max(int(torch.searchsorted(ends, drawn + AT_ONCE, right=True)), first + 1)
        part = slice(first, last)
        _draw_boxes(corners[part], left[part], top[part], columns[part], rows[part], out)
        first, drawn = last, int(ends[last - 1])


def _project(pieces: Pieces, A: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Screen position and 1 / z of the corners, N x 4 each; 1 / z = 0 for those that cannot be drawn in screen
    coordinates."""
    u, v, d = pieces.sides[:, [0, 1, 0, 1]], pieces.sides[:, [2, 2, 3, 3]], pieces.depths
    z = d * (A[2, 0] * u + (A[2, 1] * v + A[2, 2])) + b[2]
    inverse = 1 / z
    x = (d * (A[0, 0] * u + (A[0, 1] * v + A[0, 2])) + b[0]) * inverse
    y = (d * (A[1, 0] * u + (A[1, 1] * v + A[1, 2])) + b[1]) * inverse
    drawable = (z > NEAR) & (x.abs() < _GUARD) & (y.abs() < _GUARD)
    return x, y, torch.where(drawable, inverse, 0)


def _centres(values: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """First and last pixel whose centre is between the least and the largest of four values, within 0..size - 1."""
    low, high = values.amin(1).clamp(0.5, size), values.amax(1).clamp(0, size - 0.5)
    return (low - 0.5).ceil().long(), (high - 0.5).floor().long()


def _draw_boxes(
    corners: torch.Tensor,
    left: torch.Tensor,
    top: torch.Tensor,
    columns: torch.Tensor,
    rows: torch.Tensor,
    out: torch.Tensor,
) -> None:
    """Two triangles, a b c and b d c, for each piece: see `raster._fill`. corners: N x 4 x (x, y, 1 / z)."""
    counts = columns * rows
    piece = torch.repeat_interleave(counts)
    inside_box = torch.arange(len(piece), device=out.device) - (torch.cumsum(counts, 0) - counts)[piece]
    column = left[piece] + inside_box % columns[piece]
    row = top[piece] + inside_box // columns[piece]
    x, y = column.to(torch.float32) + 0.5, row.to(torch.float32) + 0.5
    (ax, ay, aw), (bx, by, bw), (cx, cy, cw), (dx, dy, dw) = (corners[:, k].unbind(1) for k in range(4))
    abx, aby, acx, acy, bcx, bcy = bx - ax, by - ay, cx - ax, cy - ay, cx - bx, cy - by
    bdx, bdy, cdx, cdy = dx - bx, dy - by, dx - cx, dy - cy
    upper, lower = 1 / (abx * acy - aby * acx), 1 / (bdx * bcy - bdy * bcx)

    def across(from_x: torch.Tensor, from_y: torch.Tensor, along_x: torch.Tensor, along_y: torch.Tensor):
        return along_x[piece] * (y - from_y[piece]) - along_y[piece] * (x - from_x[piece])

    bc = across(bx, by, bcx, bcy)
    upper_, lower_ = upper[piece], lower[piece]
    b_of_upper, c_of_upper = -across(ax, ay, acx, acy) * upper_, across(ax, ay, abx, aby) * upper_
    b_of_lower, c_of_lower = -across(cx, cy, cdx, cdy) * lower_, across(bx, by, bdx, bdy) * lower_
    # A triangle without area divides by zero: infinity and NaN fail every test.
    in_upper = (b_of_upper >= 0) & (c_of_upper >= 0) & (bc * upper_ >= 0)
    in_lower = (b_of_lower >= 0) & (c_of_lower >= 0) & (bc * lower_ <= 0)
    aw_, bw_, cw_, dw_ = aw[piece], bw[piece], cw[piece], dw[piece]
    value = torch.maximum(
        torch.where(in_upper, aw_ + (bw_ - aw_) * b_of_upper + (cw_ - aw_) * c_of_upper, 0),
        torch.where(in_lower, dw_ + (bw_ - dw_) * b_of_lower + (cw_ - dw_) * c_of_lower, 0),
    )
    lowest, highest = corners[:, :, 2].amin(1), corners[:, :, 2].amax(1)
    value = torch.minimum(torch.maximum(value, lowest[piece]), highest[piece])
    covered = in_upper | in_lower
    places = (row * out.shape[1] + column)[covered]
    out.view(-1).scatter_reduce_(0, places, value[covered], "amax")


def _draw_clipped(pieces: Pieces, A: np.ndarray, b: np.ndarray, out: torch.Tensor) -> None:
    if not len(pieces.sides):
        return
    drawn = np.zeros(out.shape, np.float32)
    draw_clipped_pieces(pieces.sides.cpu().numpy(), pieces.depths.cpu().numpy(), A, b, drawn)
    torch.maximum(out, torch.from_numpy(drawn).to(out.device), out=out)
