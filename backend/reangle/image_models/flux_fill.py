# SPDX-License-Identifier: Apache-2.0
"""FLUX.1 Fill, through diffusers' `FluxFillPipeline`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from PIL import Image

from reangle.image_models.base import FillSettings
from reangle.weights.pipelines import default_device, open_pipeline

if TYPE_CHECKING:
    from diffusers import FluxFillPipeline

MOST_TOKENS = 512
"""Length of the longest prompt that the pipeline accepts."""


class FluxFill:
    """An `ImageModel` around the pipeline."""

    def __init__(self, pipe: FluxFillPipeline) -> None:
        self.pipe: Any = pipe

    @classmethod
    def open(cls, folder: Path, device: str | None = None) -> Self:
        from diffusers import FluxFillPipeline

        device = device or default_device()
        return cls(open_pipeline(FluxFillPipeline, folder, device).to(device))

    @property
    def multiple(self) -> int:
        """Latents are packed 2 x 2."""
        return 2 * self.pipe.vae_scale_factor

    def fill(self, picture: np.ndarray, hole: np.ndarray, prompt: str, settings: FillSettings, seed: int) -> np.ndarray:
        height, width = hole.shape
        made = self.pipe(
            prompt=prompt,
            image=Image.fromarray(picture),
            mask_image=Image.fromarray(hole.astype(np.uint8) * 255),
            height=height,
            width=width,
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance,
            max_sequence_length=min(self.pipe.tokenizer_2.model_max_length, MOST_TOKENS),
            generator=torch.Generator().manual_seed(seed),
            output_type="np",
        ).images[0]
        return (made * 255).round().astype(np.uint8)
