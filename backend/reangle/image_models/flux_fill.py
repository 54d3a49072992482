# SPDX-License-Identifier: Apache-2.0
"""FLUX.1 Fill, with the parts of diffusers' `FluxFillPipeline`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import pixel_unshuffle

from reangle.image_models.base import Canvas, Conditions
from reangle.image_models.flux import FluxModel, arguments, packed, unpacked
from reangle.image_models.pictures import to_pixels


@dataclass(frozen=True, eq=False)
class _Inputs:
    """masked: packed tokens of the masked picture and its mask, 1 x tokens x channels. told: the rest."""

    masked: torch.Tensor
    told: dict[str, Any]


class FluxFill(FluxModel):
    """An `ImageModel` of the pipeline's parts."""

    pipeline = "FluxFillPipeline"
    reads_plain_text = False
    usual_steps = 30
    usual_guidance = 30.0

    @torch.inference_mode()
    def conditions(self, canvas: Canvas, guidance: float, generator: torch.Generator) -> Conditions:
        hole = torch.from_numpy(canvas.hole)[None, None].to(self.device, self.dtype)
        masked = to_pixels(canvas.picture[None], self.device, self.dtype) * (1 - hole)
        # The pipeline draws the latents of the masked picture, as in training.
        drawn = self.pipe.vae.encode(masked).latent_dist.sample(generator)
        mask = pixel_unshuffle(hole, self.pipe.vae_scale_factor)
        inputs = torch.cat([packed(self.scaled(drawn)), packed(mask)], dim=2)
        return Conditions(_Inputs(inputs, self.told(canvas.prompt, guidance, *drawn.shape[2:])))

    def predict(self, latents: torch.Tensor, level: float, inputs: _Inputs) -> torch.Tensor:
        transformer, tokens = self.pipe.transformer, packed(latents)
        seen = torch.cat([tokens, inputs.masked.expand(len(tokens), -1, -1)], dim=2)
        made = transformer(hidden_states=seen, **arguments(transformer, inputs.told, level, tokens))[0]
        return unpacked(made, *latents.shape[2:])
