# SPDX-License-Identifier: Apache-2.0
"""`textures` for many points at once."""

from __future__ import annotations

import torch
from torch import Tensor

from scripts.train.scenes.types import CHECKS, DOTS, HILLS, NOISE, STRIPES, TILES, WOOD

_LOW_HALF = 0xFFFFFFFF


def texture(rows: Tensor, points: Tensor, footprint: Tensor) -> Tensor:
    """Linear colours, P x 3. rows: the texture of each point. See `textures.texture`."""
    scale = 1 / rows[:, 1]
    p = (points + rows[:, 8:11]) * scale[:, None]
    blur = (footprint * scale * 2).clamp_min(0.02)
    mix = torch.zeros_like(blur)
    hills = torch.zeros_like(points)
    green = torch.zeros_like(blur, dtype=torch.bool)
    kinds = rows[:, 0].long()
    for kind in torch.unique(kinds).tolist():
        some = (kinds == kind).nonzero()[:, 0]
        if kind == HILLS:
            mix[some], hills[some], green[some] = _hills(p[some])
        else:
            mix[some] = _mix(kind, rows[some, 11].long(), p[some], blur[some])
    fine = 7 * rows[:, 1]
    grainy = (rows[:, 12] > 0).nonzero()[:, 0]
    grain = torch.ones_like(blur)
    strength, fine, coarse = rows[grainy, 12], fine[grainy], blur[grainy]
    grain[grainy] += strength * (_noise(p[grainy] * fine[:, None]) - 0.5) / (1 + fine * fine * 0.25 * coarse * coarse)
    colour = (rows[:, 2:5] * (1 - mix)[:, None] + rows[:, 5:8] * mix[:, None]) * grain[:, None]
    return torch.where(green[:, None], hills, colour)


def _mix(kind: int, axis: Tensor, p: Tensor, blur: Tensor) -> Tensor:
    """Share of the second colour."""
    fade = 1 / (1 + blur * blur)
    if kind == CHECKS:
        return 0.5 - 0.5 * _wave(p * 2, (blur * 2)[:, None]).prod(1)
    if kind == STRIPES:
        return 0.5 + 0.5 * _wave(p.gather(1, axis[:, None])[:, 0] * 2, blur * 2)
    if kind == NOISE:
        mix = _noise(p) * 0.6 + _noise(p * 2.1) * 0.4
        return 0.5 + (((mix - 0.5) * 2.6 + 0.5).clamp(0, 1) - 0.5) * fade
    if kind == TILES:
        away = (p - p.floor() - 0.5).abs().amax(1)
        return ((away - 0.45) / blur.clamp_min(0.03) + 0.5).clamp(0, 1) * (0.1 / blur).clamp_max(1)
    if kind == DOTS:
        away = (p - p.floor() - 0.5).norm(dim=1)
        return ((0.4 - away) / blur + 0.5).clamp(0, 1) * fade + 0.2 * (1 - fade)
    if kind == WOOD:
        along = p.gather(1, axis[:, None])[:, 0]
        return 0.5 + 0.5 * torch.sin(6.2832 * (along * 2 + _noise(p * 0.7) * 2.2)) * fade
    return torch.zeros_like(blur)


def _hills(p: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mix of the sky, colour of the hills, and mask of the hills."""
    x, y, z = p.unbind(1)
    near = _noise(torch.stack([x * 0.5, torch.full_like(x, 3), z * 0.5], 1))
    far = _noise(torch.stack([x * 2, torch.full_like(x, 7), z * 2], 1))
    green = 0.55 + 0.25 * _noise(p * 5)
    colour = green[:, None] * p.new_tensor([0.30, 0.42, 0.26])
    return (-y * 0.45).clamp_max(1), colour, -y < 0.10 + 0.5 * near + 0.12 * far


def _wave(x: Tensor, blur: Tensor) -> Tensor:
    ramp = (x - 2 * (x * 0.5).floor() - 1).abs() * 2 - 1
    return (ramp / blur).clamp(-1, 1)


def _noise(p: Tensor) -> Tensor:
    low = p.floor()
    u, v, w = ((p - low) ** 2 * (3 - 2 * (p - low))).unbind(1)
    i, j, k = low.long().unbind(1)
    layers = [
        (_hash(i, j, k + up) * (1 - u) + _hash(i + 1, j, k + up) * u) * (1 - v)
        + (_hash(i, j + 1, k + up) * (1 - u) + _hash(i + 1, j + 1, k + up) * u) * v
        for up in (0, 1)
    ]
    return layers[0] * (1 - w) + layers[1] * w


def _hash(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    # Numba multiplies in 64 bits, and the first shift moves some of the upper bits down.
    n = (x & _LOW_HALF) * 374761393 + (y & _LOW_HALF) * 668265263 + (z & _LOW_HALF) * 2147483647
    n = ((n ^ (n >> 13)) & _LOW_HALF) * 1274126177 & _LOW_HALF
    return ((n ^ (n >> 16)) & 0xFFFF).float() * (1 / 65535)
