# SPDX-License-Identifier: Apache-2.0
"""FLUX.1 Fill, with the parts of diffusers' `FluxFillPipeline`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch.nn.functional import pixel_unshuffle

from reangle.image_models.base import Canvas, Conditions
from reangle.image_models.pictures import from_pixels, to_pixels
from reangle.image_models.sketches import open_sketcher
from reangle.weights.pipelines import default_device, open_pipeline

if TYPE_CHECKING:
    from diffusers import FluxFillPipeline

MOST_TOKENS = 512
"""Length of the longest prompt that the pipeline accepts."""


@dataclass(frozen=True, eq=False)
class _Inputs:
    """masked: packed tokens of the masked picture and its mask, 1 x tokens x channels. The rest is of the prompt."""

    masked: torch.Tensor
    pooled: torch.Tensor
    words: torch.Tensor
    word_places: torch.Tensor
    places: torch.Tensor
    guidance: float


class FluxFill:
    """An `ImageModel` of the pipeline's parts."""

    reads_plain_text = False

    def __init__(self, pipe: FluxFillPipeline, sketcher: Any = None) -> None:
        self.pipe: Any = pipe
        self.sketcher = sketcher

    @classmethod
    def open(cls, folder: Path, device: str | None = None) -> Self:
        from diffusers import FluxFillPipeline

        device = device or default_device()
        pipe = open_pipeline(FluxFillPipeline, folder, device).to(device)
        return cls(pipe, open_sketcher(folder, device))

    @property
    def multiple(self) -> int:
        """Latents are packed 2 x 2."""
        return 2 * self.pipe.vae_scale_factor

    @property
    def pixels(self) -> int:
        return int(self.pipe.vae.config.sample_size) ** 2

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        reduction = self.pipe.vae_scale_factor
        return self.pipe.transformer.config.out_channels // 4, height // reduction, width // reduction

    @torch.inference_mode()
    def conditions(self, canvas: Canvas, guidance: float, generator: torch.Generator) -> Conditions:
        pipe, (height, width) = self.pipe, canvas.hole.shape
        words, pooled, word_places = pipe.encode_prompt(
            prompt=canvas.prompt,
            prompt_2=None,
            device=pipe.device,
            max_sequence_length=min(pipe.tokenizer_2.model_max_length, MOST_TOKENS),
        )
        hole = torch.from_numpy(canvas.hole)[None, None].to(pipe.device, self._type)
        masked = to_pixels(canvas.picture[None], pipe.device, self._type) * (1 - hole)
        # The pipeline draws the latents of the masked picture, as in training.
        drawn = pipe.vae.encode(masked).latent_dist.sample(generator)
        mask = pixel_unshuffle(hole, pipe.vae_scale_factor)
        rows, columns = height // pipe.vae_scale_factor, width // pipe.vae_scale_factor
        places = pipe._prepare_latent_image_ids(1, rows // 2, columns // 2, pipe.device, self._type)
        inputs = torch.cat([_packed(self._scaled(drawn)), _packed(mask)], dim=2)
        return Conditions(_Inputs(inputs, pooled, words, word_places, places, guidance))

    def noise_levels(self, steps: int, width: int, height: int) -> list[float]:
        return flux_noise_levels(self.pipe.scheduler, steps, (width // self.multiple) * (height // self.multiple))

    @torch.inference_mode()
    def velocity(self, latents: torch.Tensor, level: float, conditions: Conditions) -> torch.Tensor:
        told: _Inputs = conditions.inputs
        count, transformer = len(latents), self.pipe.transformer
        tokens = _packed(latents.to(self.pipe.device, self._type))
        embedded = told.guidance if transformer.config.guidance_embeds else None
        made = transformer(
            hidden_states=torch.cat([tokens, told.masked.expand(count, -1, -1)], dim=2),
            timestep=torch.full((count,), level, device=tokens.device, dtype=self._type),
            guidance=None if embedded is None else torch.full((count,), embedded, device=tokens.device),
            pooled_projections=told.pooled.expand(count, -1),
            encoder_hidden_states=told.words.expand(count, -1, -1),
            txt_ids=told.word_places,
            img_ids=told.places,
            return_dict=False,
        )[0]
        return _unpacked(made.float(), *latents.shape[2:]).to(latents.device)

    @torch.inference_mode()
    def encode(self, pictures: np.ndarray) -> torch.Tensor:
        latents = self.pipe.vae.encode(to_pixels(pictures, self.pipe.device, self._type)).latent_dist.mode()
        return self._scaled(latents).float()

    @torch.inference_mode()
    def decode(self, latents: torch.Tensor) -> np.ndarray:
        about = self.pipe.vae.config
        raw = latents.to(self.pipe.device, self._type) / about.scaling_factor + about.shift_factor
        return from_pixels(self.pipe.vae.decode(raw).sample)

    @torch.inference_mode()
    def sketch(self, latents: torch.Tensor) -> np.ndarray:
        if self.sketcher is None:
            return self.decode(latents)
        return from_pixels(self.sketcher.decode(latents.to(self.pipe.device, self._type)).sample)

    def _scaled(self, latents: torch.Tensor) -> torch.Tensor:
        about = self.pipe.vae.config
        return (latents - about.shift_factor) * about.scaling_factor

    @property
    def _type(self) -> torch.dtype:
        return self.pipe.transformer.dtype


def flux_noise_levels(scheduler: Any, steps: int, tokens: int) -> list[float]:
    """The levels of FLUX's pipelines, shifted by the count of tokens where the scheduler's configuration says so."""
    from diffusers.pipelines.flux.pipeline_flux import calculate_shift

    about = scheduler.config
    shift = {}
    if about.get("use_dynamic_shifting"):
        names = "base_image_seq_len", "max_image_seq_len", "base_shift", "max_shift"
        shift["mu"] = calculate_shift(tokens, *(about[name] for name in names))
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), **shift)
    return scheduler.sigmas.tolist()


def _packed(latents: torch.Tensor) -> torch.Tensor:
    """n x tokens x 4c of n x c x h x w: each token is a block of 2 x 2."""
    count, channels, rows, columns = latents.shape
    blocks = latents.reshape(count, channels, rows // 2, 2, columns // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return blocks.reshape(count, (rows // 2) * (columns // 2), 4 * channels)


def _unpacked(tokens: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """The inverse of `_packed`."""
    count, _, width = tokens.shape
    blocks = tokens.reshape(count, rows // 2, columns // 2, width // 4, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return blocks.reshape(count, width // 4, rows, columns)
