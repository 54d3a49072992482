# SPDX-License-Identifier: Apache-2.0
"""Layers that must not run in bfloat16."""

from __future__ import annotations

import torch
from torch import nn


def keep_float32(layer: nn.Module) -> None:
    """Run a layer outside autocast, in float32.

    torch 2.13 on CPUs with AMX: the forward pass of a bfloat16 Conv2d with 16 channels whose stride equals its kernel
    size (4, or 16) is off by as much as its own result; with 3, 8 or 32 channels, or a kernel of 2, it is right.
    """
    plain = layer.forward

    def forward(values: torch.Tensor) -> torch.Tensor:
        with torch.autocast(values.device.type, enabled=False):
            return plain(values.float())

    layer.forward = forward
