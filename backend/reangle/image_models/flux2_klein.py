# SPDX-License-Identifier: Apache-2.0
"""FLUX.2 [klein], with the parts of diffusers' `Flux2KleinPipeline`. Its 4B weights are free for commercial work.

It was not trained to paint holes, but to make pictures of a prompt and of other pictures. As diffusers'
`Flux2KleinInpaintPipeline` does, the known latents are put back after each step and the picture is one that it refers
to; here without the tokens that the hole touches, so that it cannot copy what lies in the hole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from reangle.image_models.base import Canvas, Conditions, Held
from reangle.image_models.pictures import hole_in_cells
from reangle.image_models.pipeline_model import PipelineModel, Words


@dataclass(frozen=True, eq=False)
class _Inputs:
    """known: tokens of the picture that it refers to, 1 x tokens x channels, perhaps none. places: of all tokens.
    empty: the empty prompt where guidance moves away from it, else None.
    """

    known: torch.Tensor
    places: torch.Tensor
    words: torch.Tensor
    empty: torch.Tensor | None
    guidance: float


class Flux2Klein(PipelineModel):
    """An `ImageModel` of the pipeline's parts, distilled to four steps without guidance or not."""

    pipeline = "Flux2KleinPipeline"
    text_parts = ("text_encoder", "tokenizer")
    also_read = ("",)
    pictures = 2
    reads_plain_text = True

    @staticmethod
    def read_prompt(pipe: Any, prompt: str) -> Words:
        """The words, 1 x tokens x channels."""
        return (pipe.encode_prompt(prompt, device=pipe.device)[0],)

    @property
    def distilled(self) -> bool:
        return bool(self.pipe.config.is_distilled)

    @property
    def usual_steps(self) -> int:
        return 4 if self.distilled else 50

    @property
    def usual_guidance(self) -> float:
        return 1.0 if self.distilled else 4.0

    @property
    def edit_guidance(self) -> tuple[float, float]:
        return (1.0, 1.0) if self.distilled else (1.5, 5.5)

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        """One latent for each token."""
        return self.pipe.transformer.config.in_channels, height // self.multiple, width // self.multiple

    @torch.inference_mode()
    def conditions(self, canvas: Canvas, guidance: float, generator: torch.Generator) -> Conditions:
        height, width = canvas.hole.shape
        own = self.pipe._prepare_latent_ids(torch.zeros(1, *self.latent_shape(width, height)))
        known, known_places, held = torch.zeros(1, 0, self.pipe.transformer.config.in_channels), own[:, :0], None
        if not canvas.hole.all():
            latents = self.encode(canvas.picture[None])
            hole = hole_in_cells(canvas.hole, self.multiple)
            seen = ~hole.flatten()
            known = self.pipe._pack_latents(latents)[:, seen.to(latents.device)]
            known_places = self.pipe._prepare_image_ids([latents])[:, seen]
            held = Held(latents, hole)
        guided = guidance > 1 and not self.distilled
        inputs = _Inputs(
            known=known.to(self.device, self.dtype),
            places=torch.cat([own, known_places], dim=1).to(self.device),
            words=self.words(canvas.prompt)[0],
            empty=self.words("")[0] if guided else None,
            guidance=guidance,
        )
        return Conditions(inputs, held)

    def noise_levels(self, steps: int, width: int, height: int) -> list[float]:
        from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu

        tokens, scheduler = (width // self.multiple) * (height // self.multiple), self.pipe.scheduler
        mu = compute_empirical_mu(image_seq_len=tokens, num_steps=steps)
        scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), mu=mu)
        return scheduler.sigmas.tolist()

    def predict(self, latents: torch.Tensor, level: float, inputs: _Inputs) -> torch.Tensor:
        made = self._tokens(latents, level, inputs, inputs.words)
        if inputs.empty is not None:
            without = self._tokens(latents, level, inputs, inputs.empty)
            made = without + inputs.guidance * (made - without)
        return made.transpose(1, 2).reshape(latents.shape)

    def scaled(self, raw: torch.Tensor) -> torch.Tensor:
        mean, deviation = self._statistics(raw)
        return (self.pipe._patchify_latents(raw) - mean) / deviation

    def unscaled(self, latents: torch.Tensor) -> torch.Tensor:
        mean, deviation = self._statistics(latents)
        return self.pipe._unpatchify_latents(latents * deviation + mean)

    def _statistics(self, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        vae = self.pipe.vae
        mean, variance = (values.view(1, -1, 1, 1) for values in (vae.bn.running_mean, vae.bn.running_var))
        return mean.to(like), torch.sqrt(variance + vae.config.batch_norm_eps).to(like)

    def _tokens(self, latents: torch.Tensor, level: float, inputs: _Inputs, words: torch.Tensor) -> torch.Tensor:
        count, tokens = len(latents), self.pipe._pack_latents(latents)
        made = self.pipe.transformer(
            hidden_states=torch.cat([tokens, inputs.known.expand(count, -1, -1)], dim=1),
            timestep=torch.full((count,), level, device=tokens.device, dtype=tokens.dtype),
            guidance=None,
            encoder_hidden_states=words.expand(count, -1, -1),
            txt_ids=self.pipe._prepare_text_ids(words).to(self.device),
            img_ids=inputs.places,
            return_dict=False,
        )[0]
        return made[:, : tokens.shape[1]]
