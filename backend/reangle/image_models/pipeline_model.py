# SPDX-License-Identifier: Apache-2.0
"""What image models of diffusers' pipelines have in common: tiers of memory, prompts, the small decoder."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch

from reangle.image_models.base import Conditions
from reangle.image_models.memory import WHOLE, ImageModelSize, ImageTier, image_model_size
from reangle.image_models.pictures import from_pixels, to_pixels
from reangle.image_models.sketches import open_sketcher
from reangle.weights.devices import default_device
from reangle.weights.pipelines import open_pipeline, pipeline_class
from reangle.weights.quantized import quantize_layers

Words = tuple[torch.Tensor, ...]
"""A prompt as a model reads it."""
PICTURE_PARTS = ("transformer", "vae")


class PipelineModel:
    """The base of an `ImageModel` around a pipeline.

    pipeline: its class in diffusers. text_parts: those that only prompts need. also_read: prompts that it needs besides
    the artist's. pictures: that the tokens of one candidate are of.
    """

    pipeline: ClassVar[str]
    text_parts: ClassVar[tuple[str, ...]]
    also_read: ClassVar[tuple[str, ...]] = ()
    pictures: ClassVar[int] = 1

    def __init__(self, pipe: Any, sketcher: Any = None) -> None:
        self.pipe, self.sketcher = pipe, sketcher
        self.at_once = 0
        self._read: dict[str, Words] = {}

    @classmethod
    def open(
        cls,
        folder: Path,
        device: str | None = None,
        *,
        tier: ImageTier = WHOLE,
        prompts: Sequence[str] = (),
        beside: Sequence[Path] = (),
    ) -> Self:
        """As `ImageModel.open`."""
        device = device or default_device()
        read = cls._read_first(folder, device, tier, prompts) if tier.text_first else {}
        left_out: dict[str, Any] = dict.fromkeys(cls.text_parts if tier.text_first else ())
        model = cls(open_pipeline(cls._pipeline(), folder, device, **left_out), open_sketcher(folder, device))
        model.at_once, model._read = tier.at_once, dict(read)
        model.open_beside(beside, device)
        for network in model.networks:
            quantize_layers((*network.transformer_blocks, *network.single_transformer_blocks), tier.base)
            network.to(device)
        model.pipe.to(device)
        return model

    @classmethod
    def size_of(cls, folder: Path, beside: Sequence[Path] = (), *, bytes_each: int) -> ImageModelSize:
        """As `ImageModel.size_of`."""
        return image_model_size(folder, beside, bytes_each=bytes_each, pictures=cls.pictures)

    def open_beside(self, folders: Sequence[Path], device: str) -> None:
        """Open what runs beside the pipeline, in main memory."""

    @property
    def networks(self) -> Sequence[Any]:
        """Those that run in each step, whose layers tiers quantize."""
        return (self.pipe.transformer,)

    @staticmethod
    def read_prompt(pipe: Any, prompt: str) -> Words:
        """A prompt, read by a pipeline of which only `text_parts` need be open."""
        raise NotImplementedError

    def words(self, prompt: str) -> Words:
        """A prompt on the model's device. Raises ValueError if it was to be read when the model was opened."""
        if prompt not in self._read:
            if self.pipe.text_encoder is None:
                raise ValueError(f"the prompt {prompt!r} was not among those that the model was opened with")
            self._read[prompt] = self.read_prompt(self.pipe, prompt)
        return tuple(part.to(self.device, self.dtype) for part in self._read[prompt])

    @property
    def device(self) -> torch.device:
        return self.pipe.vae.device

    @property
    def dtype(self) -> torch.dtype:
        """Of what the networks take. The transformer's weights may have fewer bits, the autoencoder's have not."""
        return self.pipe.vae.dtype

    @property
    def pixels(self) -> int:
        return int(self.pipe.vae.config.sample_size) ** 2

    @property
    def multiple(self) -> int:
        """Latents are packed 2 x 2."""
        return 2 * self.pipe.vae_scale_factor

    @torch.inference_mode()
    def velocity(self, latents: torch.Tensor, level: float, conditions: Conditions) -> torch.Tensor:
        parts = latents.split(self.at_once or len(latents))
        made = [self.predict(part.to(self.device, self.dtype), level, conditions.inputs) for part in parts]
        return torch.cat(made).float().to(latents.device)

    def predict(self, latents: torch.Tensor, level: float, inputs: Any) -> torch.Tensor:
        """`velocity` of candidates that go through the network together."""
        raise NotImplementedError

    @torch.inference_mode()
    def encode(self, pictures: np.ndarray) -> torch.Tensor:
        drawn = [self.pipe.vae.encode(pixels).latent_dist.mode() for pixels in self._pixels(pictures).split(1)]
        return self.scaled(torch.cat(drawn)).float()

    @torch.inference_mode()
    def decode(self, latents: torch.Tensor) -> np.ndarray:
        raw = self.unscaled(latents.to(self.device, self.dtype))
        return np.concatenate([from_pixels(self.pipe.vae.decode(one).sample) for one in raw.split(1)])

    @torch.inference_mode()
    def sketch(self, latents: torch.Tensor) -> np.ndarray:
        if self.sketcher is None:
            return self.decode(latents)
        return from_pixels(self.sketcher.decode(latents.to(self.device, self.dtype)).sample)

    def scaled(self, raw: torch.Tensor) -> torch.Tensor:
        """The autoencoder's latents as the transformer sees them."""
        raise NotImplementedError

    def unscaled(self, latents: torch.Tensor) -> torch.Tensor:
        """The inverse of `scaled`."""
        raise NotImplementedError

    def _pixels(self, pictures: np.ndarray) -> torch.Tensor:
        return to_pixels(pictures, self.device, self.dtype)

    @classmethod
    def _pipeline(cls) -> Any:
        return pipeline_class(cls.pipeline)

    @classmethod
    @torch.inference_mode()
    def _read_first(cls, folder: Path, device: str, tier: ImageTier, prompts: Sequence[str]) -> Mapping[str, Words]:
        """The prompts on the CPU. The text encoder's memory is free afterwards."""
        place = "cpu" if tier.text_in_main_memory else device
        # In main memory, too, the weights keep the precision that they have on the GPU, which halves them.
        dtype = torch.bfloat16 if device == "cuda" else None
        pipe = open_pipeline(cls._pipeline(), folder, place, dtype, **dict.fromkeys(PICTURE_PARTS)).to(place)
        every = dict.fromkeys((*prompts, *cls.also_read))
        read = {prompt: tuple(part.cpu() for part in cls.read_prompt(pipe, prompt)) for prompt in every}
        del pipe
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return read
