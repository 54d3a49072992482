# SPDX-License-Identifier: Apache-2.0
"""What the FLUX.1 models have in common: two text encoders, tokens of 2 x 2 latents, the schedule."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from reangle.image_models.pipeline_model import PipelineModel, Words

MOST_TOKENS = 512
"""Length of the longest prompt that the pipelines accept."""


class FluxModel(PipelineModel):
    """The base of an `ImageModel` of FLUX.1."""

    edit_guidance = 1.5, 5.5
    """As in FlowEdit's paper for FLUX.1 [dev]."""
    text_parts = ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")

    @staticmethod
    def read_prompt(pipe: Any, prompt: str) -> Words:
        """The words, 1 x tokens x channels, and the prompt as one vector, 1 x channels."""
        words, pooled, _ = pipe.encode_prompt(
            prompt=prompt,
            prompt_2=None,
            device=pipe.device,
            max_sequence_length=min(pipe.tokenizer_2.model_max_length, MOST_TOKENS),
        )
        return words, pooled

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        reduction = self.pipe.vae_scale_factor
        return self.pipe.transformer.out_channels // 4, height // reduction, width // reduction

    def noise_levels(self, steps: int, width: int, height: int) -> list[float]:
        return flux_noise_levels(self.pipe.scheduler, steps, (width // self.multiple) * (height // self.multiple))

    def told(self, prompt: str, guidance: float, rows: int, columns: int) -> dict[str, Any]:
        """The arguments of the transformer that a prompt and a size of latents decide, for one candidate."""
        words, pooled = self.words(prompt)
        places = self.pipe._prepare_latent_image_ids(1, rows // 2, columns // 2, self.device, self.dtype)
        return {
            "pooled_projections": pooled,
            "encoder_hidden_states": words,
            "txt_ids": torch.zeros(words.shape[1], 3, device=self.device, dtype=self.dtype),
            "img_ids": places,
            "guidance": torch.full((1,), guidance, device=self.device),
        }

    def scaled(self, raw: torch.Tensor) -> torch.Tensor:
        about = self.pipe.vae.config
        return (raw - about.shift_factor) * about.scaling_factor

    def unscaled(self, latents: torch.Tensor) -> torch.Tensor:
        about = self.pipe.vae.config
        return latents / about.scaling_factor + about.shift_factor


def arguments(network: Any, told: dict[str, Any], level: float, tokens: torch.Tensor) -> dict[str, Any]:
    """Of a transformer or a ControlNet at a noise level. told: of `FluxModel.told`. tokens: of n candidates."""
    count = len(tokens)
    given = {name: told[name].expand(count, *told[name].shape[1:]) for name in ("pooled_projections", "guidance")}
    given["encoder_hidden_states"] = told["encoder_hidden_states"].expand(count, -1, -1)
    if not network.config.guidance_embeds:
        given["guidance"] = None
    return {
        **given,
        "txt_ids": told["txt_ids"],
        "img_ids": told["img_ids"],
        "timestep": torch.full((count,), level, device=tokens.device, dtype=tokens.dtype),
        "return_dict": False,
    }


def flux_noise_levels(scheduler: Any, steps: int, tokens: int) -> list[float]:
    """The levels of FLUX.1's pipelines, shifted by the count of tokens where the scheduler's configuration says so."""
    about = scheduler.config
    shift = {}
    if about.get("use_dynamic_shifting"):
        from diffusers.pipelines.flux.pipeline_flux import calculate_shift

        names = "base_image_seq_len", "max_image_seq_len", "base_shift", "max_shift"
        shift["mu"] = calculate_shift(tokens, *(about[name] for name in names))
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), **shift)
    return scheduler.sigmas.tolist()


def packed(latents: torch.Tensor) -> torch.Tensor:
    """n x tokens x 4c of n x c x h x w: each token is a block of 2 x 2."""
    count, channels, rows, columns = latents.shape
    blocks = latents.reshape(count, channels, rows // 2, 2, columns // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return blocks.reshape(count, (rows // 2) * (columns // 2), 4 * channels)


def unpacked(tokens: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """The inverse of `packed`."""
    count, _, width = tokens.shape
    blocks = tokens.reshape(count, rows // 2, columns // 2, width // 4, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return blocks.reshape(count, width // 4, rows, columns)
