# SPDX-License-Identifier: Apache-2.0
"""A video model's frozen weights in 8 or 4 bits, and the optimizer's moments in 8, by bitsandbytes."""

from __future__ import annotations

import torch
from torch import nn

from reangle.video_models.base import VideoModel
from reangle.weights.quantized import quantize_layers
from reangle.weights.sizes import Base


def quantize(model: VideoModel, base: Base) -> None:
    """Replace the linear layers of all of the transformer's layers in place, as `quantize_layers` does."""
    if base == "whole":
        return
    quantize_layers(model.layers, base)
    # peft reads this before it adds a LoRA.
    setattr(model.transformer, "is_loaded_in_4bit" if base == "nf4" else "is_loaded_in_8bit", True)


def adam(weights: list[nn.Parameter], *, small: bool, **settings: float | tuple[float, float]) -> torch.optim.Optimizer:
    """AdamW. small: its moments are in 8 bits (Dettmers et al., ICLR 2022)."""
    if not small:
        return torch.optim.AdamW(weights, **settings)
    import bitsandbytes as bnb

    return bnb.optim.AdamW8bit(weights, **settings)
