# SPDX-License-Identifier: Apache-2.0
"""Weights of which matrices are stored in eight bits, with a scale for each row. For the small weights that ship."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from safetensors import safe_open
from torch import Tensor

SCALE = "_scale"
"""Ends the name of a matrix's scales."""


def pack(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Matrices and kernels as int8 (-127 to 127) times a scale for each row, vectors in half precision."""
    packed: dict[str, Tensor] = {}
    for name, values in state.items():
        kept = values.detach().float().cpu()
        if kept.ndim < 2 or not kept.numel():
            packed[name] = kept.to(torch.float16).contiguous()
            continue
        rows = kept.flatten(1)
        scale = (rows.abs().amax(1) / 127).clamp_min(1e-7).to(torch.float16)
        packed[name + SCALE] = scale
        eight = (rows / scale.float()[:, None]).round().clamp(-127, 127).to(torch.int8)
        packed[name] = eight.view(kept.shape).contiguous()
    return packed


def missing(file: safe_open, names: Mapping[str, str]) -> list[str]:
    """What an open file lacks. names: from each weight of a network to its name in the file."""
    stored = set(file.keys())
    needed = dict.fromkeys(names.values())
    eight = [name for name in needed if name in stored and file.get_slice(name).get_dtype() == "I8"]
    return [name for name in (*needed, *(name + SCALE for name in eight)) if name not in stored]


def read(file: safe_open, names: Mapping[str, str]) -> dict[str, Tensor]:
    """The weights in an open file that lacks none, eight-bit ones in single precision. names: as in `missing`."""
    return {name: _read(file, stored) for name, stored in names.items()}


def _read(file: safe_open, name: str) -> Tensor:
    values = file.get_tensor(name)
    if values.dtype != torch.int8:
        return values
    return (values.float().flatten(1) * file.get_tensor(name + SCALE).float()[:, None]).view(values.shape)
