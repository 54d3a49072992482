# SPDX-License-Identifier: Apache-2.0
"""Pictures as the networks take them."""

from __future__ import annotations

import numpy as np
import torch


def to_pixels(pictures: np.ndarray, device: torch.device | str, kind: torch.dtype) -> torch.Tensor:
    """n x 3 x H x W from -1 to 1 of n x H x W x 3 uint8."""
    values = torch.from_numpy(np.ascontiguousarray(pictures)).to(device).permute(0, 3, 1, 2)
    return (values.float() / 127.5 - 1).to(kind)


def from_pixels(values: torch.Tensor) -> np.ndarray:
    """The inverse of `to_pixels`, clipped."""
    grey = (values.float() * 127.5 + 127.5).round().clamp(0, 255)
    return grey.permute(0, 2, 3, 1).to(torch.uint8).cpu().numpy()


def hole_in_cells(hole: np.ndarray, side: int) -> torch.Tensor:
    """1 x 1 x h x w bool: the cells of side x side pixels of which the hole holds any. hole: H x W bool."""
    rows, columns = hole.shape[0] // side, hole.shape[1] // side
    cells = hole.reshape(rows, side, columns, side).any(axis=(1, 3))
    return torch.from_numpy(cells)[None, None]
