# SPDX-License-Identifier: Apache-2.0
"""What must not be computed in bfloat16."""

from __future__ import annotations

import torch
from torch import nn


def keep_float32(layer: nn.Module) -> None:
    """Let a layer leave autocast.

    torch 2.13 on CPUs with AMX: a bfloat16 Conv2d of 16 channels whose stride is its kernel's size (4, or 16) is wrong,
    forwards, by as much as its own result; of 3, 8 or 32 channels, or with a kernel of 2, it is right.
    """
    plain = layer.forward

    def forward(values: torch.Tensor) -> torch.Tensor:
        with torch.autocast(values.device.type, enabled=False):
            return plain(values.float())

    layer.forward = forward
