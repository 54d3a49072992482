# SPDX-License-Identifier: Apache-2.0
"""An unfinished training on disk: one safetensors file that is either the old state or the new one, never a part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save

from reangle.runtime.data_folder import write_atomically
from reangle.video_models.adapter import adapter_weights, put_adapter_weights


def save_training(
    path: Path,
    transformer: Any,
    optimizer: torch.optim.Optimizer,
    losses: Sequence[float],
    curve: Sequence[tuple[int, float]],
) -> None:
    """Write the LoRA, the optimizer's moments, the loss of each step so far, whose count is the step to resume at, and
    the curve of measured losses.

    All draws of a step follow from the seed and the step's number, so there is no random state to keep.
    """
    tensors = {f"lora/{name}": weights for name, weights in adapter_weights(transformer).items()}
    for index, weights in enumerate(_trained(optimizer)):
        for name, value in optimizer.state[weights].items():
            tensors[f"optimizer/{index}/{name}"] = torch.as_tensor(value)
    tensors["losses"] = torch.tensor(losses, dtype=torch.float32)
    tensors["curve"] = torch.tensor(curve, dtype=torch.float64)
    write_atomically(path, save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}))


def resume_training(
    path: Path, transformer: Any, optimizer: torch.optim.Optimizer
) -> tuple[list[float], list[tuple[int, float]]]:
    """Restore a saved state; returns the losses of the finished steps and the curve, empty if nothing was saved."""
    if not path.exists():
        return [], []
    tensors = load_file(path)
    put_adapter_weights(
        transformer, {name.removeprefix("lora/"): t for name, t in tensors.items() if name.startswith("lora/")}
    )
    trained = _trained(optimizer)
    for name, tensor in tensors.items():
        if name.startswith("optimizer/"):
            _, index, key = name.split("/")
            weights = trained[int(index)]
            # bitsandbytes counts steps in Python, torch in a float tensor on the CPU.
            counted = tensor.ndim == 0 and not tensor.is_floating_point()
            value = tensor.item() if counted else tensor.to(weights.device) if tensor.ndim else tensor
            optimizer.state[weights][key] = value
    return tensors["losses"].tolist(), [(int(step), loss) for step, loss in tensors["curve"].tolist()]


def _trained(optimizer: torch.optim.Optimizer) -> list[torch.nn.Parameter]:
    return [weights for group in optimizer.param_groups for weights in group["params"]]
