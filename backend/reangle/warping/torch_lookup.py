# SPDX-License-Identifier: Apache-2.0
"""The look-up of `lookup` by torch: the same rules and formulas, all pixels at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from reangle.warping.lookup import MIXED, SAME_SURFACE, SAMPLES_PER_SIDE, SHARPNESS, TOGETHER, TORN


class Source(NamedTuple):
    """A picture, H x W x 3 of any type, and its surface: depth float32, rough uint8, near bool, each H x W."""

    rgb: torch.Tensor
    depth: torch.Tensor
    rough: torch.Tensor
    near: torch.Tensor


class Points(NamedTuple):
    """Places on the source picture, in pixels, and their depth there: float64 of one shape."""

    u: torch.Tensor
    v: torch.Tensor
    z: torch.Tensor


def look_up(source: Source, samples: torch.Tensor, A: np.ndarray, b: np.ndarray, white: float):
    """Colour (H x W x 3 float32, whole numbers up to `white`), share and depth, as `lookup.look_up`.

    samples: depth in the target camera, SAMPLES_PER_SIDE x SAMPLES_PER_SIDE float32 a pixel, 0 where unknown.
    """
    side = SAMPLES_PER_SIDE
    height, width = samples.shape[0] // side, samples.shape[1] // side
    terms = torch.from_numpy(A).to(samples.device), torch.from_numpy(b).to(samples.device)
    each = samples.view(height, side, width, side).transpose(1, 2).reshape(height, width, side * side)
    centre = each[..., side * side // 2]
    low, high = each.amin(-1), each.amax(-1)
    x = torch.arange(width, device=samples.device, dtype=torch.float64).expand(height, width)
    y = torch.arange(height, device=samples.device, dtype=torch.float64)[:, None].expand(height, width)
    middle = _source_points(x + 0.5, y + 0.5, torch.where(centre > 0, centre, torch.nan).double(), *terms)
    is_whole = (low > 0) & (high <= low * (1 + 2 * SAME_SURFACE))
    is_plain = is_whole & (_is_smooth(source, middle) | ~_is_torn(middle, middle))
    colour = torch.zeros(height, width, 3, device=samples.device)
    share, depth = torch.zeros_like(centre), torch.zeros_like(centre)
    share[is_plain], depth[is_plain] = 1, centre[is_plain]
    colour[is_plain] = _cubic_colour(source, Points(*(part[is_plain] for part in middle)))
    mixed = torch.nonzero((high > 0) & ~is_plain, as_tuple=True)
    if len(mixed[0]):
        share[mixed], depth[mixed], colour[mixed] = _mixed_colour(source, each[mixed], x, y, middle, mixed, terms)
    return (colour + 0.5).clamp(0, white).floor(), share, depth


def _mixed_colour(
    source: Source,
    each: torch.Tensor,
    x: torch.Tensor,
    y: torch.Tensor,
    middle: Points,
    mixed: tuple[torch.Tensor, ...],
    terms: tuple[torch.Tensor, torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Share, depth and colour of N pixels that may show two surfaces. each: N x 9, their samples."""
    is_there = each > 0
    covered = is_there.sum(1)
    nearest = torch.where(is_there, each, torch.inf).amin(1)
    farthest = each.amax(1)
    has_two = farthest > nearest * (1 + 2 * SAME_SURFACE)
    limit = torch.where(has_two, nearest * (1 + SAME_SURFACE), farthest)
    left, top = x[mixed], y[mixed]
    front, front_count = _mean_point(each, is_there & (each <= limit[:, None]), left, top, terms)
    is_behind = each > limit[:, None]
    behind, behind_count = _mean_point(each, is_behind, left, top, terms)
    has_behind = behind_count > 0
    behind = Points(*(torch.where(has_behind, back, ahead) for back, ahead in zip(behind, front, strict=True)))
    centre = each[:, each.shape[1] // 2]
    z = torch.where(centre > 0, centre, torch.where(front_count >= behind_count, nearest, farthest))
    together = ((behind.u - front.u).abs() < TOGETHER) & ((behind.v - front.v).abs() < TOGETHER)
    one = together & (_is_smooth(source, front) | ~_is_torn(middle, front, mixed))
    at_centre = Points(*(part[mixed] for part in middle))
    plain_at = Points(*(torch.where(centre > 0, exact, mean) for exact, mean in zip(at_centre, front, strict=True)))
    ahead = _own_colour(source, front)
    far_share = (behind_count / covered)[:, None]
    both = torch.where(far_share > 0, ahead + far_share * (_own_colour(source, behind) - ahead), ahead)
    colour = torch.where(one[:, None], _cubic_colour(source, plain_at), both)
    return covered / each.shape[1], z, colour


def _source_points(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor, A: torch.Tensor, b: torch.Tensor) -> Points:
    q0, q1, q2 = (z * (A[row, 0] * x + A[row, 1] * y + A[row, 2]) + b[row] for row in range(3))
    return Points(q0 / q2, q1 / q2, q2)


def _mean_point(
    each: torch.Tensor,
    chosen: torch.Tensor,
    left: torch.Tensor,
    top: torch.Tensor,
    terms: tuple[torch.Tensor, torch.Tensor],
) -> tuple[Points, torch.Tensor]:
    """Where the mean of some samples of each pixel comes from, and their number; not a number where there is none."""
    side = SAMPLES_PER_SIDE
    numbers = torch.arange(side * side, device=each.device)
    count = chosen.sum(1)
    across = (chosen * (numbers % side)).sum(1).double() / count
    down = (chosen * (numbers // side)).sum(1).double() / count
    inverse = torch.where(chosen, 1 / each.double(), 0).sum(1)
    points = _source_points(left + (across + 0.5) / side, top + (down + 0.5) / side, count / inverse, *terms)
    return points, count


def _pixel(part: torch.Tensor, size: int) -> torch.Tensor:
    """The pixel of a place, within the picture also for what is outside or not a number."""
    return part.nan_to_num(0, 0, 0).floor().clamp(0, size - 1).long()


def _is_smooth(source: Source, at: Points) -> torch.Tensor:
    """Whether places are on the picture and away from depth edges."""
    height, width = source.rough.shape
    inside = (at.u >= 0) & (at.u < width) & (at.v >= 0) & (at.v < height)
    edge = source.rough[_pixel(at.v, height), _pixel(at.u, width)]
    return inside & ((edge == 0) | (edge > 2))


def _is_torn(middle: Points, at: Points, chosen: tuple[torch.Tensor, ...] | None = None) -> torch.Tensor:
    """Whether a target pixel or a neighbour is unknown, or far from `at` in the source.

    middle: of every target pixel. chosen: which of them `at` belongs to; None for all.
    """
    height, width = middle.u.shape
    torn = torch.zeros_like(at.u, dtype=torch.bool)
    u, v = (torch.nn.functional.pad(part[None], (1, 1, 1, 1), mode="replicate")[0] for part in (middle.u, middle.v))
    for j in range(3):
        for i in range(3):
            near_u, near_v = u[j : j + height, i : i + width], v[j : j + height, i : i + width]
            if chosen is not None:
                near_u, near_v = near_u[chosen], near_v[chosen]
            torn |= ~(((near_u - at.u).abs() <= TORN) & ((near_v - at.v).abs() <= TORN))
    return torn


def _cubic_weights(t: torch.Tensor) -> tuple[torch.Tensor, ...]:
    a, r = SHARPNESS, 1 - t
    w0 = a * t * r * r
    w1 = ((a + 2) * t - (a + 3)) * t * t + 1
    w2 = ((a + 2) * r - (a + 3)) * r * r + 1
    return w0, w1, w2, 1 - w0 - w1 - w2


def _cubic_colour(source: Source, at: Points) -> torch.Tensor:
    """Bicubic colours of N places, N x 3 float32; border pixels are repeated beyond the border."""
    height, width = source.depth.shape
    fx, fy = (at.u - 0.5).clamp(-2, width + 1), (at.v - 0.5).clamp(-2, height + 1)
    left, top = fx.floor(), fy.floor()
    across, down = _cubic_weights((fx - left).float()), _cubic_weights((fy - top).float())
    columns = [(left.long() + i - 1).clamp(0, width - 1) for i in range(4)]
    colour = torch.zeros(len(fx), 3, device=fx.device)
    for j in range(4):
        row = (top.long() + j - 1).clamp(0, height - 1)
        for i in range(4):
            colour += (down[j] * across[i])[:, None] * source.rgb[row, columns[i]]
    return colour


def _own_colour(source: Source, at: Points) -> torch.Tensor:
    """Colours of N places from pixels of their own surface alone, N x 3 float32; bicubic where there are none."""
    height, width = source.depth.shape
    fx, fy = (at.u - 0.5).nan_to_num(-2).clamp(-2, width + 1), (at.v - 0.5).nan_to_num(-2).clamp(-2, height + 1)
    left, top = fx.floor().long(), fy.floor().long()
    total = torch.zeros(len(fx), device=fx.device, dtype=torch.float64)
    colour = torch.zeros(len(fx), 3, device=fx.device, dtype=torch.float64)
    for j in range(4):
        for i in range(4):
            row, column = top + j - 1, left + i - 1
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            place = row.clamp(0, height - 1), column.clamp(0, width - 1)
            weight = torch.exp(-2 * ((fx - column) ** 2 + (fy - row) ** 2))
            is_mixed = (source.rough[place] == 1) & ~source.near[place]
            weight = torch.where(is_mixed, MIXED * weight, weight)
            is_own = inside & ((source.depth[place] - at.z).abs() < SAME_SURFACE * at.z)
            weight = torch.where(is_own, weight, 0)
            total += weight
            colour += weight[:, None] * source.rgb[place]
    found = total >= 1e-3
    own = (colour / total.clamp(min=1e-3)[:, None]).float()
    return torch.where(found[:, None], own, _cubic_colour(source, Points(fx + 0.5, fy + 0.5, at.z)))
