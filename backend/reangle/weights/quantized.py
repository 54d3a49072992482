# SPDX-License-Identifier: Apache-2.0
"""Frozen weights in 8 or 4 bits, by bitsandbytes."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from torch import nn

from reangle.weights.sizes import Base

# It warns about optional kernels.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def quantize_layers(layers: Iterable[nn.Module], base: Base) -> None:
    """Replace all linear layers inside of these layers in place; "whole" leaves them.

    They are quantized when the network goes to its device. diffusers does the same while it loads, but on GPUs only;
    here a CPU runs what a GPU does.
    """
    if base == "whole":
        return
    for layer in layers:
        for parent in list(layer.modules()):
            for name, child in list(parent.named_children()):
                if type(child) is nn.Linear:
                    setattr(parent, name, _quantized(child, base))


def _quantized(layer: nn.Linear, base: Base) -> nn.Module:
    from bitsandbytes.nn.modules import (  # slow to import: it searches for GPU libraries
        Int8Params,
        Linear4bit,
        Linear8bitLt,
        Params4bit,
    )

    # Their stubs lack the arguments of their __new__.
    weights_of: dict[str, Any] = {"nf4": Params4bit, "int8": Int8Params}
    shape = (layer.in_features, layer.out_features, layer.bias is not None)
    if base == "nf4":
        quantized = Linear4bit(*shape, quant_type="nf4", compute_dtype=layer.weight.dtype, device="meta")
        quantized.weight = weights_of[base](layer.weight.data, requires_grad=False, quant_type="nf4")
        # On CPUs with AVX512-BF16 it would pack weights again in evaluation, which fails for fewer than 64 inputs.
        quantized.support_avx512bf16_for_cpu = False
    else:
        quantized = Linear8bitLt(*shape, has_fp16_weights=False, device="meta")
        quantized.weight = weights_of[base](layer.weight.data, requires_grad=False, has_fp16_weights=False)
    quantized.bias = layer.bias
    return quantized.requires_grad_(False)
