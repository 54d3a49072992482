# SPDX-License-Identifier: Apache-2.0
"""The LoRA that learns a clip's motion: put on a transformer, kept in the format of diffusers."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from diffusers import CogVideoXImageToVideoPipeline, CogVideoXTransformer3DModel
from peft import LoraConfig
from peft.utils.save_and_load import get_peft_model_state_dict, set_peft_model_state_dict

from reangle.folders import LoraFolder

TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
"""The matrices of the full attention over text and all frames (Reangle-A-Video, section 4)."""


def add_adapter(
    transformer: CogVideoXTransformer3DModel, rank: int, alpha: float, seed: int
) -> list[torch.nn.Parameter]:
    """Freeze the transformer and add a LoRA that changes nothing yet; returns what is to be trained, in float32."""
    transformer.requires_grad_(False)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        transformer.add_adapter(
            LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(TARGETS), init_lora_weights=True)
        )
    trained = [weights for weights in transformer.parameters() if weights.requires_grad]
    for weights in trained:
        weights.data = weights.data.float()
    return trained


def adapter_weights(transformer: CogVideoXTransformer3DModel) -> dict[str, torch.Tensor]:
    """The LoRA's weights by name, without the transformer's own."""
    return get_peft_model_state_dict(transformer)


def put_adapter_weights(transformer: CogVideoXTransformer3DModel, weights: Mapping[str, torch.Tensor]) -> None:
    """Give a transformer's LoRA the weights of another one of its shape. Raises ValueError if names differ."""
    if wrong := set(weights) ^ set(adapter_weights(transformer)):
        raise ValueError(f"these are weights of another LoRA: {sorted(wrong)[0]} is in one of the two only")
    set_peft_model_state_dict(transformer, dict(weights))


def save_adapter(transformer: CogVideoXTransformer3DModel, folder: LoraFolder) -> None:
    """Write the LoRA, rank and alpha included, so that the pipeline's own `load_lora_weights(folder.lora)` opens it."""
    CogVideoXImageToVideoPipeline.save_lora_weights(
        folder.lora,
        transformer_lora_layers=adapter_weights(transformer),
        weight_name=folder.weights.name,
        # Without it alpha is lost, and rank is taken for it.
        transformer_lora_adapter_metadata=transformer.peft_config["default"].to_dict(),
    )
