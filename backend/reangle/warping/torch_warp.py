# SPDX-License-Identifier: Apache-2.0
"""`splat` in torch, for any device: the same rules, the same float32 operations, the same result to the bit."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from reangle.warping.lift import pixel_transform
from reangle.warping.splat import BLUR, MARGIN, STEP

_NOTHING = torch.iinfo(torch.int64).max


@dataclass(frozen=True, eq=False)
class TorchSplat:
    """As `splat.SplatFrame`, on the device of the input."""

    rgb: torch.Tensor
    depth: torch.Tensor
    index: torch.Tensor


def splat_torch(
    rgb: torch.Tensor,
    depth: torch.Tensor,
    valid: torch.Tensor,
    K_source: torch.Tensor,
    target_from_source: torch.Tensor,
    K_target: torch.Tensor,
    width: int,
    height: int,
    *,
    footprint: int = 2,
) -> TorchSplat:
    """Warp one frame on the device of `depth`.

    rgb: h x w x 3 uint8. depth: h x w float32. valid: h x w bool. K_source, K_target: 3 x 3 float64.
    target_from_source: 4 x 4 float64. The matrices are read on the CPU. width, height, footprint: as in
    `splat.splat_frame`.
    """
    if footprint not in (1, 2):
        raise ValueError(f"footprint must be 1 or 2, not {footprint}")
    h, w = depth.shape
    A64, b64 = pixel_transform(
        *(matrix.detach().cpu().double().numpy() for matrix in (K_source, target_from_source, K_target))
    )
    # Python floats that are exactly float32, so that every operation below rounds as the CPU kernel's does
    A, b = A64.astype("float32").tolist(), b64.astype("float32").tolist()
    u = torch.arange(w, device=depth.device, dtype=torch.float32) + 0.5
    v = (torch.arange(h, device=depth.device, dtype=torch.float32) + 0.5)[:, None]
    z = depth * (A[2][0] * u + (A[2][1] * v + A[2][2])) + b[2]
    inverse = 1.0 / z
    x = (depth * (A[0][0] * u + (A[0][1] * v + A[0][2])) + b[0]) * inverse
    y = (depth * (A[1][0] * u + (A[1][1] * v + A[1][2])) + b[1]) * inverse
    exists = valid & (depth > 0) & (z > 0)
    index = torch.arange(h * w, device=depth.device).view(h, w)

    # one spare slot at the end takes everything that is not to be seen
    keys = torch.full((height * width + 1,), _NOTHING, dtype=torch.int64, device=depth.device)
    if footprint == 1:
        inside = exists & (x >= 0) & (y >= 0) & (x < width) & (y < height)
        _offer(keys, x, y, z, index, inside, width)
    else:
        x, y = x + 0.5, y + 0.5
        exists &= (x >= 0) & (y >= 0) & (x < width + 1) & (y < height + 1)
        x, y = torch.where(exists, x, 0.0), torch.where(exists, y, 0.0)
        fx, fy = x - x.floor(), y - y.floor()
        for row, dy in ((y - 1, fy), (y, 1 - fy)):
            for column, dx in ((x - 1, fx), (x, 1 - fx)):
                inside = exists & (dx < 1 - float(MARGIN)) & (dy < 1 - float(MARGIN))
                inside = inside & (column >= 0) & (row >= 0) & (column < width) & (row < height)
                _offer(keys, column, row, z * (1 + float(BLUR) * (_cost(dx) + _cost(dy))), index, inside, width)

    found = keys[:-1]
    hit = (found < 0x7F800000 << 32).view(height, width)
    index = torch.where(hit, (found & 0xFFFFFFFF).view(height, width), 0)
    return TorchSplat(
        torch.where(hit[..., None], rgb.reshape(-1, 3)[index], 0),
        torch.where(hit, z.reshape(-1)[index], 0.0),
        torch.where(hit, index, -1).int(),
    )


def _cost(distance: torch.Tensor) -> torch.Tensor:
    return distance * distance + torch.where(distance > 0.5, float(STEP), 0.0)


def _offer(
    keys: torch.Tensor,
    x: torch.Tensor,
    y: torch.Tensor,
    z: torch.Tensor,
    index: torch.Tensor,
    inside: torch.Tensor,
    width: int,
) -> None:
    slot = torch.where(inside, y, 0.0).long() * width + torch.where(inside, x, 0.0).long()
    slot = torch.where(inside, slot, keys.numel() - 1)
    key = (z.contiguous().view(torch.int32).long() << 32) | index
    key = torch.where(inside, key, _NOTHING)
    keys.scatter_reduce_(0, slot.view(-1), key.view(-1), "amin")
