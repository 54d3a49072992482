# SPDX-License-Identifier: Apache-2.0
"""Frozen weights in 8 or 4 bits, and the optimizer's moments in 8, by bitsandbytes."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import nn

from reangle.video_models.base import VideoModel
from reangle.video_models.memory import Base

# It warns about optional kernels.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def quantize(model: VideoModel, base: Base) -> None:
    """Replace the linear layers of all of the transformer's layers in place.

    They are quantized when the transformer goes to its device. diffusers does the same while it loads, but on GPUs
    only; here a CPU runs what a GPU does.
    """
    if base == "whole":
        return
    for layer in model.layers:
        for parent in list(layer.modules()):
            for name, child in list(parent.named_children()):
                if type(child) is nn.Linear:
                    setattr(parent, name, _quantized(child, base))
    # peft reads this before it adds a LoRA.
    setattr(model.transformer, "is_loaded_in_4bit" if base == "nf4" else "is_loaded_in_8bit", True)


def _quantized(layer: nn.Linear, base: Base) -> nn.Module:
    import bitsandbytes as bnb  # slow to import: it searches for GPU libraries

    # Their stubs lack the arguments of their __new__.
    weights_of: dict[str, Any] = {"nf4": bnb.nn.Params4bit, "int8": bnb.nn.Int8Params}
    shape = (layer.in_features, layer.out_features, layer.bias is not None)
    if base == "nf4":
        quantized = bnb.nn.Linear4bit(*shape, quant_type="nf4", compute_dtype=layer.weight.dtype, device="meta")
        quantized.weight = weights_of[base](layer.weight.data, requires_grad=False, quant_type="nf4")
    else:
        quantized = bnb.nn.Linear8bitLt(*shape, has_fp16_weights=False, device="meta")
        quantized.weight = weights_of[base](layer.weight.data, requires_grad=False, has_fp16_weights=False)
    quantized.bias = layer.bias
    return quantized.requires_grad_(False)


def adam(weights: list[nn.Parameter], *, small: bool, **settings: float | tuple[float, float]) -> torch.optim.Optimizer:
    """AdamW. small: its moments are in 8 bits (Dettmers et al., ICLR 2022)."""
    if not small:
        return torch.optim.AdamW(weights, **settings)
    import bitsandbytes as bnb

    return bnb.optim.AdamW8bit(weights, **settings)
