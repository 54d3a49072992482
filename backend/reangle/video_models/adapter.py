# SPDX-License-Identifier: Apache-2.0
"""The LoRA that learns a clip's motion, put on a video model's transformer.

peft is imported only where it is used: it takes seconds, and `reangle doctor` imports the models' modules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from safetensors.torch import load_file

from reangle.folders import LoraFolder
from reangle.video_models.base import VideoModel


def add_adapter(model: VideoModel, rank: int, alpha: float, seed: int) -> list[torch.nn.Parameter]:
    """Freeze the transformer and add a LoRA that changes nothing yet; returns the weights to train, in float32."""
    from peft import LoraConfig

    transformer = model.transformer
    transformer.requires_grad_(False)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        transformer.add_adapter(
            LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(model.lora_targets), init_lora_weights=True)
        )
    trained = [weights for weights in transformer.parameters() if weights.requires_grad]
    for weights in trained:
        weights.data = weights.data.float()
    return trained


def adapter_weights(transformer: Any) -> dict[str, torch.Tensor]:
    """The LoRA's weights by name."""
    from peft.utils.save_and_load import get_peft_model_state_dict

    return get_peft_model_state_dict(transformer)


def put_adapter_weights(transformer: Any, weights: Mapping[str, torch.Tensor]) -> None:
    """Overwrite a LoRA's weights with those of another one of its shape. Raises ValueError if names differ."""
    from peft.utils.save_and_load import set_peft_model_state_dict

    if wrong := set(weights) ^ set(adapter_weights(transformer)):
        raise ValueError(f"weights of another LoRA: only one of the two has {sorted(wrong)[0]}")
    set_peft_model_state_dict(transformer, dict(weights))


def save_adapter(pipe: Any, folder: LoraFolder) -> None:
    """Write the LoRA of a diffusers pipeline's transformer, so that `pipe.load_lora_weights` opens it."""
    pipe.save_lora_weights(
        folder.lora,
        transformer_lora_layers=adapter_weights(pipe.transformer),
        weight_name=folder.weights.name,
        # Without it alpha is lost, and rank is taken for it.
        transformer_lora_adapter_metadata=pipe.transformer.peft_config["default"].to_dict(),
    )


def read_adapter(folder: LoraFolder) -> dict[str, torch.Tensor]:
    """The weights that `VideoModel.save_lora` wrote, by the names of `adapter_weights`."""
    weights = load_file(folder.weights)
    return {name.removeprefix("transformer."): tensor for name, tensor in weights.items()}
