# SPDX-License-Identifier: Apache-2.0
"""An unfinished training on disk: one safetensors file that is either the old state or the new one, never a part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import CogVideoXTransformer3DModel
from safetensors.torch import load_file, save

from backend.motion.adapter import adapter_weights, put_adapter_weights
from backend.store.folders import write_atomically


def save_training(
    path: Path, transformer: CogVideoXTransformer3DModel, optimizer: torch.optim.Optimizer, losses: Sequence[float]
) -> None:
    """The LoRA, the optimizer's moments, and the loss of each step so far, whose number is the step to go on from.

    All draws of a step follow from the seed and the step's number, so there is no state of random numbers to keep.
    """
    tensors = {f"lora/{name}": weights for name, weights in adapter_weights(transformer).items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{name}": value for name, value in moments.items()}
    tensors["losses"] = torch.tensor(losses, dtype=torch.float32)
    write_atomically(path, save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}))


def resume_training(
    path: Path, transformer: CogVideoXTransformer3DModel, optimizer: torch.optim.Optimizer
) -> list[float]:
    """Put a saved state back; returns the losses of the steps that are done, none if nothing was saved."""
    if not path.exists():
        return []
    tensors = load_file(path)
    put_adapter_weights(
        transformer, {name.removeprefix("lora/"): t for name, t in tensors.items() if name.startswith("lora/")}
    )
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer/"):
            _, index, key = name.split("/")
            moments.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
    return tensors["losses"].tolist()
