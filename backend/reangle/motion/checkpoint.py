# SPDX-License-Identifier: Apache-2.0
"""An unfinished training on disk: one safetensors file that is either the old state or the new one, never a part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import CogVideoXTransformer3DModel
from safetensors.torch import load_file, save

from reangle.motion.adapter import adapter_weights, put_adapter_weights
from reangle.runtime.data_folder import write_atomically


def save_training(
    path: Path, transformer: CogVideoXTransformer3DModel, optimizer: torch.optim.Optimizer, losses: Sequence[float]
) -> None:
    """The LoRA, the optimizer's moments, and the loss of each step so far, whose number is the step to go on from.

    All draws of a step follow from the seed and the step's number, so there is no state of random numbers to keep.
    """
    tensors = {f"lora/{name}": weights for name, weights in adapter_weights(transformer).items()}
    for index, weights in enumerate(_trained(optimizer)):
        for name, value in optimizer.state[weights].items():
            tensors[f"optimizer/{index}/{name}"] = torch.as_tensor(value)
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
    trained = _trained(optimizer)
    for name, tensor in tensors.items():
        if name.startswith("optimizer/"):
            _, index, key = name.split("/")
            weights = trained[int(index)]
            # Steps are counted in Python by bitsandbytes, in a tensor of floats that stays on the CPU by torch.
            counted = tensor.ndim == 0 and not tensor.is_floating_point()
            value = tensor.item() if counted else tensor.to(weights.device) if tensor.ndim else tensor
            optimizer.state[weights][key] = value
    return tensors["losses"].tolist()


def _trained(optimizer: torch.optim.Optimizer) -> list[torch.nn.Parameter]:
    return [weights for group in optimizer.param_groups for weights in group["params"]]
