# SPDX-License-Identifier: Apache-2.0
"""A transformer whose frozen weights are kept in 8 or 4 bits, by bitsandbytes."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import CogVideoXTransformer3DModel
from torch import nn

from reangle.weights.memory import Base


def quantize(transformer: CogVideoXTransformer3DModel, base: Base) -> None:
    """Replace the linear layers of all blocks in place; they are made small when the transformer goes to its device.

    diffusers does the same while it loads, but on GPUs only; here a CPU runs what a GPU does. peft asks the model
    whether it is quantized before it adds a LoRA.
    """
    if base == "whole":
        return
    for block in transformer.transformer_blocks:
        for parent in list(block.modules()):
            for name, child in list(parent.named_children()):
                if type(child) is nn.Linear:
                    setattr(parent, name, _small(child, base))
    setattr(transformer, "is_loaded_in_4bit" if base == "nf4" else "is_loaded_in_8bit", True)


def _small(layer: nn.Linear, base: Base) -> nn.Module:
    import bitsandbytes as bnb  # only where it is wanted: it looks for GPU libraries and speaks of those it lacks

    # Their stubs lack what their __new__ takes.
    small_weights: dict[str, Any] = {"nf4": bnb.nn.Params4bit, "int8": bnb.nn.Int8Params}
    shape = (layer.in_features, layer.out_features, layer.bias is not None)
    if base == "nf4":
        small = bnb.nn.Linear4bit(*shape, quant_type="nf4", compute_dtype=layer.weight.dtype, device="meta")
        small.weight = small_weights[base](layer.weight.data, requires_grad=False, quant_type="nf4")
    else:
        small = bnb.nn.Linear8bitLt(*shape, has_fp16_weights=False, device="meta")
        small.weight = small_weights[base](layer.weight.data, requires_grad=False, has_fp16_weights=False)
    small.bias = layer.bias
    return small.requires_grad_(False)


def adam(weights: list[nn.Parameter], *, small: bool, **settings: float | tuple[float, float]) -> torch.optim.Optimizer:
    """AdamW; small keeps its moments in 8 bits (Dettmers et al., ICLR 2022)."""
    if not small:
        return torch.optim.AdamW(weights, **settings)
    import bitsandbytes as bnb

    return bnb.optim.AdamW8bit(weights, **settings)
