# SPDX-License-Identifier: Apache-2.0
"""Draws the cells of a depth map's mesh into a depth buffer.

A triangle covers a pixel if the pixel's centre is inside it or on an edge. An edge is evaluated from the same end for
both triangles that share it, so no centre falls between two of them. Both faces of a triangle are drawn. 1 / z is
affine on the screen and interpolated there; the largest wins, so the order of drawing does not matter. What lies behind
the values that the buffer already has is left out early. Triangles that reach behind the camera are drawn in
homogeneous coordinates, without being split.
"""

from __future__ import annotations

import numba
import numpy as np

from reangle.kernels import KERNEL
from reangle.warping.hidden import NEAR, TILE_COLUMNS, TILE_ROWS, find_tiles

_HALF = np.float32(0.5)
_ONE = np.float32(1)
_ZERO = np.float32(0)
_GUARD = np.float32(32768)
_SLACK = np.float32(0.01)
_CLIPPED = np.int32(2**30)
TOP, BOTTOM, LEFT, RIGHT, ALL = 1, 2, 4, 8, 15
"""Links around the corner where four pixels meet: between the upper two, the lower two, the left two, the right two."""
EMPTY = 16
"""None of the four pixels exists."""


@numba.njit(**KERNEL)
def _project_row(i, depth, valid, A, b, xs, ys, ws):
    """Screen position and 1 / z of row i's pixels; 1 / z = 0 for those that do not exist or cannot be drawn in screen
    coordinates.
    """
    v = np.float32(i) + _HALF
    row_x, row_y, row_z = A[0, 1] * v + A[0, 2], A[1, 1] * v + A[1, 2], A[2, 1] * v + A[2, 2]
    a_x, a_y, a_z = A[0, 0], A[1, 0], A[2, 0]
    b_x, b_y, b_z = b[0], b[1], b[2]
    near = np.float32(NEAR)
    for j in range(xs.shape[0]):
        u = np.float32(j) + _HALF
        d = depth[i, j]
        z = d * (a_z * u + row_z) + b_z
        inverse = _ONE / z
        x = (d * (a_x * u + row_x) + b_x) * inverse
        y = (d * (a_y * u + row_y) + b_y) * inverse
        drawable = valid[i, j] & (d > _ZERO) & (z > near) & (abs(x) < _GUARD) & (abs(y) < _GUARD)
        xs[j] = x
        ys[j] = y
        ws[j] = inverse if drawable else _ZERO


@numba.njit(**KERNEL)
def draw_cells(depth, valid, cells, A, b, A64, b64, floors, out):
    """Draw all cells into `out`, which holds 1 / z, 0 where nothing is. What it holds already can only be hidden.

    floors: `block_floors(out)`, or zeros of that shape.
    """
    h, w = depth.shape
    height, width = out.shape
    xs, ys, ws = np.empty((2, w), np.float32), np.empty((2, w), np.float32), np.empty((2, w), np.float32)
    boxes = np.empty((4, 5), np.float32)
    terms = A[0, 0], A[0, 1], A[0, 2], A[1, 0], A[1, 1], A[1, 2], A[2, 0], A[2, 1], A[2, 2], b[0], b[1], b[2]
    bounds, nearest = np.empty((4, w), np.int32), np.empty(w, np.float32)
    shows = np.zeros(w // TILE_COLUMNS + 1, np.bool_)
    filled, any_shows = False, False
    for r in range(h + 1):
        new, old = r & 1, (r + 1) & 1
        if r % TILE_ROWS == 0:
            any_shows = find_tiles(depth, valid, cells, r, A64, b64, floors, height, width, shows)
            here = any_shows and _has_cells(cells[r])
        else:
            here = filled
        # A plate of the memory may have cells in few rows. The next strip of tiles is not known yet.
        at_end = (r + 1) % TILE_ROWS == 0
        filled = r < h and (any_shows or at_end) and _has_cells(cells[r + 1])
        if r < h and (here or filled):
            _project_row(r, depth, valid, A, b, xs[new], ys[new], ws[new])
            if r > 0 and here:
                _bound_row(xs[old], xs[new], ys[old], ys[new], ws[old], ws[new], width, height, bounds, nearest)
        if not here:
            continue
        for tile in range(shows.shape[0]):
            if not shows[tile]:
                continue
            for c in range(tile * TILE_COLUMNS, min((tile + 1) * TILE_COLUMNS, w + 1)):
                links = cells[r, c]
                if links == ALL:
                    left, right, top, bottom = bounds[0, c], bounds[1, c], bounds[2, c], bounds[3, c]
                    if left <= right and top <= bottom:
                        if _is_hidden(left, right, top, bottom, nearest[c], out):
                            continue
                        _fill(
                            (xs[old, c - 1], ys[old, c - 1], ws[old, c - 1]),
                            (xs[old, c], ys[old, c], ws[old, c]),
                            (xs[new, c - 1], ys[new, c - 1], ws[new, c - 1]),
                            (xs[new, c], ys[new, c], ws[new, c]),
                            left,
                            right,
                            top,
                            bottom,
                            out,
                        )
                    elif top == _CLIPPED:
                        u, v = np.float32(c), np.float32(r)
                        sides = u - _HALF, u + _HALF, v - _HALF, v + _HALF
                        depths = depth[r - 1, c - 1], depth[r - 1, c], depth[r, c - 1], depth[r, c]
                        _draw_clipped(sides, depths, A64, b64, out)
                elif links != EMPTY:
                    _box_pieces(depth, valid, r, c, xs, ys, ws, A, boxes)
                    _draw_pieces(depth, valid, links, r, c, boxes, terms, A64, b64, out)


@numba.njit(**KERNEL)
def _has_cells(row):
    filled = False
    for c in range(row.shape[0]):
        filled |= row[c] != EMPTY
    return filled


@numba.njit(**KERNEL)
def _bound_row(x0, x1, y0, y1, w0, w1, width, height, bounds, nearest):
    """First and last column and row of the pixel centres in the box around each cell, and its largest 1 / z. Free of
    branches.

    An empty box ends before it starts. A cell with a corner that cannot be drawn in screen coordinates starts at row
    _CLIPPED.
    """
    right, bottom = np.float32(width) - _HALF, np.float32(height) - _HALF
    for c in range(1, x0.shape[0]):
        x_low = min(min(x0[c - 1], x0[c]), min(x1[c - 1], x1[c]))
        x_high = max(max(x0[c - 1], x0[c]), max(x1[c - 1], x1[c]))
        y_low = min(min(y0[c - 1], y0[c]), min(y1[c - 1], y1[c]))
        y_high = max(max(y0[c - 1], y0[c]), max(y1[c - 1], y1[c]))
        drawable = min(min(w0[c - 1], w0[c]), min(w1[c - 1], w1[c])) > _ZERO
        nearest[c] = max(max(w0[c - 1], w0[c]), max(w1[c - 1], w1[c]))
        x_low, x_high = max(x_low, _HALF) if drawable else _ONE, min(x_high, right) if drawable else _ZERO
        y_low, y_high = max(y_low, _HALF) if drawable else _ONE, min(y_high, bottom) if drawable else _ZERO
        bounds[0, c] = np.int32(np.ceil(x_low - _HALF))
        bounds[1, c] = np.int32(np.floor(x_high - _HALF))
        top = np.int32(np.ceil(y_low - _HALF))
        bounds[2, c] = top if drawable else _CLIPPED
        bounds[3, c] = np.int32(np.floor(y_high - _HALF))


@numba.njit(inline="always")
def _is_hidden(left, right, top, bottom, nearest, out):
    """Whether nothing with 1 / z up to `nearest` would show in a box of pixels."""
    hidden = True
    for row in range(top, bottom + 1):
        for column in range(left, right + 1):
            hidden &= nearest <= out[row, column]
    return hidden


@numba.njit(**KERNEL)
def _box_pieces(depth, valid, r, c, xs, ys, ws, A, boxes):
    """Boxes that hold the pieces of the four pixels around a cut cell, on the screen: left, right, top, bottom and
    largest 1 / z each; empty for pixels that do not exist, endless for those that cannot be drawn in screen
    coordinates. A piece reaches at most half a pixel from its pixel's centre, at that pixel's depth.
    """
    h, w = depth.shape
    reach_x = _HALF * (abs(A[0, 0]) + abs(A[0, 1]))
    reach_y = _HALF * (abs(A[1, 0]) + abs(A[1, 1]))
    reach_z = _HALF * (abs(A[2, 0]) + abs(A[2, 1]))
    for k in range(4):
        i, j = r - 1 + k // 2, c - 1 + k % 2
        boxes[k, 0], boxes[k, 1], boxes[k, 2], boxes[k, 3], boxes[k, 4] = _GUARD, -_GUARD, _GUARD, -_GUARD, _ZERO
        if i < 0 or j < 0 or i >= h or j >= w or not valid[i, j]:
            continue
        x, y, inverse = xs[i & 1, j], ys[i & 1, j], ws[i & 1, j]
        growth = depth[i, j] * inverse
        slope = growth * reach_z
        if not (inverse > _ZERO and slope < _HALF):
            boxes[k, 0], boxes[k, 1], boxes[k, 2], boxes[k, 3] = -_GUARD, _GUARD, -_GUARD, _GUARD
            boxes[k, 4] = np.float32(np.inf)
            continue
        # At least 1 / (1 - slope).
        factor = _ONE + (slope + slope)
        around_x = (growth * reach_x + abs(x) * slope) * factor + _SLACK
        around_y = (growth * reach_y + abs(y) * slope) * factor + _SLACK
        boxes[k, 0], boxes[k, 1] = x - around_x, x + around_x
        boxes[k, 2], boxes[k, 3] = y - around_y, y + around_y
        boxes[k, 4] = inverse * factor


@numba.njit(**KERNEL)
def _is_piece_hidden(boxes, one, other, out):
    """Whether certainly nothing of a piece between two pixels, or of one alone, would show."""
    height, width = out.shape
    left, right = max(min(boxes[one, 0], boxes[other, 0]), _HALF), max(boxes[one, 1], boxes[other, 1])
    top, bottom = max(min(boxes[one, 2], boxes[other, 2]), _HALF), max(boxes[one, 3], boxes[other, 3])
    right, bottom = min(right, np.float32(width) - _HALF), min(bottom, np.float32(height) - _HALF)
    if not (left <= right and top <= bottom):
        return True
    nearest = max(boxes[one, 4], boxes[other, 4])
    if nearest == np.float32(np.inf):
        return False
    first_column, last_column = np.int32(np.ceil(left - _HALF)), np.int32(np.floor(right - _HALF))
    first_row, last_row = np.int32(np.ceil(top - _HALF)), np.int32(np.floor(bottom - _HALF))
    return _is_hidden(first_column, last_column, first_row, last_row, nearest, out)


@numba.njit(inline="always")
def _fill(a, b, c, d, left, right, top, bottom, out):
    """Two triangles, a b c and b d c, within a box of pixels; a and b are the upper corners, c and d the lower ones."""
    ax, ay, aw = a
    bx, by, bw = b
    cx, cy, cw = c
    dx, dy, dw = d
    # x_b - x_a and so on, always from the end that comes first in the grid.
    abx, aby, acx, acy, bcx, bcy = bx - ax, by - ay, cx - ax, cy - ay, cx - bx, cy - by
    bdx, bdy, cdx, cdy = dx - bx, dy - by, dx - cx, dy - cy
    # A triangle without area divides by zero here; infinity and NaN then fail every test below.
    upper = _ONE / (abx * acy - aby * acx)
    lower = _ONE / (bdx * bcy - bdy * bcx)
    alike = min(upper, lower) > _ZERO
    w_low, w_high = min(min(aw, bw), min(cw, dw)), max(max(aw, bw), max(cw, dw))
    for row in range(top, bottom + 1):
        y = np.float32(row) + _HALF
        ab_y, ac_y, bc_y, bd_y, cd_y = abx * (y - ay), acx * (y - ay), bcx * (y - by), bdx * (y - by), cdx * (y - cy)
        for column in range(left, right + 1):
            x = np.float32(column) + _HALF
            bc = bc_y - bcy * (x - bx)
            if alike:
                # Each triangle has its own side of the edge b c: only one of the two is looked at.
                if bc * upper >= _ZERO:
                    first, second = (acy * (x - ax) - ac_y) * upper, (ab_y - aby * (x - ax)) * upper
                    value = aw + (bw - aw) * first + (cw - aw) * second
                else:
                    first, second = (cdy * (x - cx) - cd_y) * lower, (bd_y - bdy * (x - bx)) * lower
                    value = dw + (bw - dw) * first + (cw - dw) * second
                if (first >= _ZERO) & (second >= _ZERO):
                    out[row, column] = max(out[row, column], min(max(value, w_low), w_high))
                continue
            b_of_upper, c_of_upper = (acy * (x - ax) - ac_y) * upper, (ab_y - aby * (x - ax)) * upper
            b_of_lower, c_of_lower = (cdy * (x - cx) - cd_y) * lower, (bd_y - bdy * (x - bx)) * lower
            in_upper = (b_of_upper >= _ZERO) & (c_of_upper >= _ZERO) & (bc * upper >= _ZERO)
            in_lower = (b_of_lower >= _ZERO) & (c_of_lower >= _ZERO) & (bc * lower <= _ZERO)
            upper_w = aw + (bw - aw) * b_of_upper + (cw - aw) * c_of_upper
            lower_w = dw + (bw - dw) * b_of_lower + (cw - dw) * c_of_lower
            value = max(upper_w if in_upper else _ZERO, lower_w if in_lower else _ZERO)
            # Interpolation in slivers may overshoot.
            value = max(value, w_low) if in_upper | in_lower else _ZERO
            out[row, column] = max(out[row, column], min(value, w_high))


@numba.njit(**KERNEL)
def _draw_pieces(depth, valid, links, r, c, boxes, terms, A64, b64, out):
    """Draw a cut cell: half a cell for each link, a quarter for each pixel without links here."""
    h, w = depth.shape
    middle_u, middle_v = np.float32(c), np.float32(r)
    left, right, upper, lower = middle_u - _HALF, middle_u + _HALF, middle_v - _HALF, middle_v + _HALF
    if links & TOP and not _is_piece_hidden(boxes, 0, 1, out):
        d, e = depth[r - 1, c - 1], depth[r - 1, c]
        _draw_piece((left, right, upper, middle_v), (d, e, d, e), terms, A64, b64, out)
    if links & BOTTOM and not _is_piece_hidden(boxes, 2, 3, out):
        d, e = depth[r, c - 1], depth[r, c]
        _draw_piece((left, right, middle_v, lower), (d, e, d, e), terms, A64, b64, out)
    if links & LEFT and not _is_piece_hidden(boxes, 0, 2, out):
        d, e = depth[r - 1, c - 1], depth[r, c - 1]
        _draw_piece((left, middle_u, upper, lower), (d, d, e, e), terms, A64, b64, out)
    if links & RIGHT and not _is_piece_hidden(boxes, 1, 3, out):
        d, e = depth[r - 1, c], depth[r, c]
        _draw_piece((middle_u, right, upper, lower), (d, d, e, e), terms, A64, b64, out)
    for k in range(4):
        i, j = r - 1 + k // 2, c - 1 + k % 2
        if i < 0 or j < 0 or i >= h or j >= w or not valid[i, j]:
            continue
        d = depth[i, j]
        if not (d > _ZERO and d < np.float32(np.inf)):
            continue
        if links & (BOTTOM if k // 2 else TOP) or links & (RIGHT if k % 2 else LEFT):
            continue
        if _is_piece_hidden(boxes, k, k, out):
            continue
        start, end = (middle_u, right) if k % 2 else (left, middle_u)
        top, bottom = (middle_v, lower) if k // 2 else (upper, middle_v)
        _draw_piece((start, end, top, bottom), (d, d, d, d), terms, A64, b64, out)


@numba.njit(**KERNEL)
def _draw_piece(sides, depths, terms, A64, b64, out):
    """Draw what lies between four corners, projected with the same operations as in `_project_row`, so that pieces meet
    whole cells exactly.

    sides: left, right, top and bottom on the source picture. depths: of the upper left corner, the upper right, the
    lower left and the lower right. terms: A and b, flat; a tuple, since handing an array on costs as much as drawing.
    """
    left_u, right_u, top_v, bottom_v = sides
    p0, p1 = _project(left_u, top_v, depths[0], terms), _project(right_u, top_v, depths[1], terms)
    p2, p3 = _project(left_u, bottom_v, depths[2], terms), _project(right_u, bottom_v, depths[3], terms)
    if not min(min(p0[2], p1[2]), min(p2[2], p3[2])) > _ZERO:
        _draw_clipped(sides, depths, A64, b64, out)
        return
    height, width = out.shape
    left, right = max(min(min(p0[0], p1[0]), min(p2[0], p3[0])), _HALF), max(max(p0[0], p1[0]), max(p2[0], p3[0]))
    top, bottom = max(min(min(p0[1], p1[1]), min(p2[1], p3[1])), _HALF), max(max(p0[1], p1[1]), max(p2[1], p3[1]))
    right, bottom = min(right, np.float32(width) - _HALF), min(bottom, np.float32(height) - _HALF)
    if left <= right and top <= bottom:
        first_column, last_column = np.int32(np.ceil(left - _HALF)), np.int32(np.floor(right - _HALF))
        first_row, last_row = np.int32(np.ceil(top - _HALF)), np.int32(np.floor(bottom - _HALF))
        nearest = max(max(p0[2], p1[2]), max(p2[2], p3[2]))
        empty = first_column > last_column or first_row > last_row
        if not empty and not _is_hidden(first_column, last_column, first_row, last_row, nearest, out):
            _fill(p0, p1, p2, p3, first_column, last_column, first_row, last_row, out)


@numba.njit(inline="always")
def _project(u, v, d, terms):
    row_x, row_y, row_z = terms[1] * v + terms[2], terms[4] * v + terms[5], terms[7] * v + terms[8]
    z = d * (terms[6] * u + row_z) + terms[11]
    inverse = _ONE / z
    x = (d * (terms[0] * u + row_x) + terms[9]) * inverse
    y = (d * (terms[3] * u + row_y) + terms[10]) * inverse
    drawable = (z > np.float32(NEAR)) & (abs(x) < _GUARD) & (abs(y) < _GUARD)
    return x, y, inverse if drawable else _ZERO


@numba.njit(**KERNEL)
def _draw_clipped(sides, depths, A, b, out):
    """Draw a piece, as in `_draw_piece`, that reaches behind the camera or far outside the picture: in homogeneous
    coordinates and float64.

    With p the corners in the target camera, K applied, the weights s of the point at pixel (x, y) solve P s =
    (x, y, 1). The point is inside and in front of the camera if no weight is negative; 1 / z is the sum of weights.
    """
    height, width = out.shape
    p = np.empty((4, 3))
    for k in range(4):
        u, v, d = sides[k % 2], sides[2 + k // 2], depths[k]
        for axis in range(3):
            p[k, axis] = d * (A[axis, 0] * u + A[axis, 1] * v + A[axis, 2]) + b[axis]
    for first in range(2):
        x_low, x_high, y_low, y_high = np.inf, -np.inf, np.inf, -np.inf
        for side in range(3):
            start, end = p[first + side], p[first + (side + 1) % 3]
            if start[2] > NEAR:
                x_low, x_high = min(x_low, start[0] / start[2]), max(x_high, start[0] / start[2])
                y_low, y_high = min(y_low, start[1] / start[2]), max(y_high, start[1] / start[2])
            if (start[2] > NEAR) != (end[2] > NEAR):
                t = (NEAR - start[2]) / (end[2] - start[2])
                x = (start[0] + t * (end[0] - start[0])) / NEAR
                y = (start[1] + t * (end[1] - start[1])) / NEAR
                x_low, x_high, y_low, y_high = min(x_low, x), max(x_high, x), min(y_low, y), max(y_high, y)
        if not (x_low <= width and x_high >= 0 and y_low <= height and y_high >= 0):
            continue
        n0 = np.cross(p[first + 1], p[first + 2])
        n1 = np.cross(p[first + 2], p[first])
        n2 = np.cross(p[first], p[first + 1])
        volume = p[first, 0] * n0[0] + p[first, 1] * n0[1] + p[first, 2] * n0[2]
        if volume == 0:
            continue
        left, right = np.int64(max(0.0, np.ceil(x_low - 0.5))), np.int64(min(width - 1.0, np.floor(x_high - 0.5)))
        top, bottom = np.int64(max(0.0, np.ceil(y_low - 0.5))), np.int64(min(height - 1.0, np.floor(y_high - 0.5)))
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                x, y = column + 0.5, row + 0.5
                s0 = (n0[0] * x + n0[1] * y + n0[2]) / volume
                s1 = (n1[0] * x + n1[1] * y + n1[2]) / volume
                s2 = (n2[0] * x + n2[1] * y + n2[2]) / volume
                total = s0 + s1 + s2
                slack = -1e-9 * total
                if s0 >= slack and s1 >= slack and s2 >= slack and 0 < total <= 1 / NEAR:
                    out[row, column] = max(out[row, column], np.float32(total))


@numba.njit(**KERNEL)
def draw_clipped_pieces(sides, depths, A, b, out):
    """Draw pieces as in `_draw_clipped`, N x 4 float32 each, into `out`, which holds 1 / z."""
    for n in range(sides.shape[0]):
        edges = sides[n, 0], sides[n, 1], sides[n, 2], sides[n, 3]
        corners = depths[n, 0], depths[n, 1], depths[n, 2], depths[n, 3]
        _draw_clipped(edges, corners, A, b, out)
