# SPDX-License-Identifier: Apache-2.0
"""CogVideoX image-to-video and all that is particular to it.

diffusers is imported only where a checkpoint is opened, because `reangle doctor` asks this module for sizes.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from PIL import Image
from torch import nn

from reangle.video_models.base import Shown, TextEncoder
from reangle.video_models.cogvideox_text import CogVideoXText
from reangle.video_models.frames import frames_to_video, video_to_frames
from reangle.video_models.memory import Tier, VideoModelSize, config_of, weights_in
from reangle.video_models.pipeline_model import PipelineModel
from reangle.video_models.published_sizes import COGVIDEOX_LAYER_ARRAYS, COGVIDEOX_VAE_ARRAYS, COGVIDEOX_VAE_FRAMES
from reangle.video_models.settings import SamplingSettings
from reangle.weights.devices import default_device
from reangle.weights.pipelines import open_pipeline

if TYPE_CHECKING:
    from diffusers import CogVideoXImageToVideoPipeline

# They warn about optional kernels, and repeatedly about truncated prompts, which a note reports once.
for _name in ("diffusers.pipelines.cogvideo.pipeline_cogvideox_image2video", "transformers.tokenization_utils_base"):
    logging.getLogger(_name).setLevel(logging.ERROR)

CONDITION_NOISE_LOG_MEAN, CONDITION_NOISE_LOG_DEVIATION = -3.0, 0.5
"""CogVideoX trains with noise on the first frame whose strength is log-normal."""


class CogVideoX(PipelineModel):
    """A `VideoModel` around diffusers' `CogVideoXImageToVideoPipeline`."""

    text: ClassVar[type[TextEncoder]] = CogVideoXText
    sees_warp: ClassVar[bool] = False
    needs_condition: ClassVar[bool] = False
    lora_targets: Sequence[str] = ("to_q", "to_k", "to_v", "to_out.0")
    """The matrices of the full attention over text and all frames (Reangle-A-Video, section 4)."""

    def __init__(self, pipe: CogVideoXImageToVideoPipeline) -> None:
        super().__init__(pipe)
        self._rotary_of: dict[tuple[int, int, int], tuple[torch.Tensor, torch.Tensor]] = {}

    @classmethod
    def open(cls, folder: Path, tier: Tier, device: str | None = None) -> Self:
        from diffusers import CogVideoXDPMScheduler, CogVideoXImageToVideoPipeline

        device = device or default_device()
        others = dict.fromkeys(("text_encoder", "tokenizer"))
        model = cls(open_pipeline(CogVideoXImageToVideoPipeline, folder, device, **others))
        # Published checkpoints name the DDIM scheduler; their authors sample with this one, from its settings.
        scheduler: Any = CogVideoXDPMScheduler.from_config(model.pipe.scheduler.config, timestep_spacing="trailing")
        model.pipe.scheduler = scheduler
        model._put(tier, device)
        return model

    @classmethod
    def size_of(cls, folder: Path, *, bytes_each: int) -> VideoModelSize:
        transformer, vae = config_of(folder / "transformer"), config_of(folder / "vae")
        patch = transformer["patch_size"]
        frames = (transformer["sample_frames"] - 1) // transformer["temporal_compression_ratio"] + 1
        frames = math.ceil(frames / (transformer.get("patch_size_t") or 1))
        rows, columns = transformer["sample_height"], transformer["sample_width"]
        factor = 2 ** (len(vae["block_out_channels"]) - 1)
        return VideoModelSize(
            weights=weights_in(folder / "transformer"),
            text_bytes=weights_in(folder / "text_encoder") * bytes_each,
            vae_bytes=weights_in(folder / "vae") * bytes_each,
            layers=transformer["num_layers"],
            width=transformer["num_attention_heads"] * transformer["attention_head_dim"],
            tokens=frames * (rows // patch) * (columns // patch) + transformer["max_text_seq_length"],
            widest=vae["block_out_channels"][0] * rows * columns * factor**2,
            lora_matrices=len(cls.lora_targets),
            layer_arrays=COGVIDEOX_LAYER_ARRAYS,
            vae_frames=COGVIDEOX_VAE_FRAMES,
            vae_arrays=COGVIDEOX_VAE_ARRAYS,
        )

    @property
    def frames(self) -> int:
        return self.transformer.config.sample_frames

    @property
    def group(self) -> int:
        return self.pipe.vae_scale_factor_temporal

    def size_for(self, width: int, height: int) -> tuple[int, int]:
        """The size that the weights were trained for, for all images."""
        config, factor = self.transformer.config, self.pipe.vae_scale_factor_spatial
        return config.sample_width * factor, config.sample_height * factor

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int, int]:
        factor = self.pipe.vae_scale_factor_spatial
        channels = self.transformer.config.out_channels
        return (self.frames - 1) // self.group + 1, channels, height // factor, width // factor

    def is_condition(self, latents: int) -> torch.Tensor:
        """None: the first frame has separate channels."""
        return torch.zeros(latents, dtype=torch.bool)

    @torch.inference_mode()
    def encode_frames(self, frames: np.ndarray) -> torch.Tensor:
        vae = self.pipe.vae
        video = frames_to_video(frames).to(self.pipe._execution_device, vae.dtype)
        latents = vae.encode(video).latent_dist.mode()[0].transpose(0, 1)
        return latents * self.pipe.vae_scaling_factor_image

    @torch.inference_mode()
    def encode_condition(self, shown: Shown, count: int, random: torch.Generator) -> torch.Tensor:
        """The first frame, count x c x h x w. Each variant has its own noise, as CogVideoX adds it to conditions."""
        vae, device = self.pipe.vae, self.pipe._execution_device
        picture = frames_to_video(shown.first_frame[None])[0, :, 0]
        spread = CONDITION_NOISE_LOG_DEVIATION * torch.randn(count, 1, 1, generator=random)
        strengths = torch.exp(CONDITION_NOISE_LOG_MEAN + spread)
        noise = torch.randn((count, *picture.shape), generator=random)
        variants = []
        for strength, one in zip(strengths, noise, strict=True):
            noisy = (picture + strength * one)[None, :, None]
            posterior = vae.encode(noisy.to(device, vae.dtype)).latent_dist
            # CogVideoX's pipeline and its trainer draw the condition's latents, too.
            variants.append(posterior.sample(random)[0, :, 0])
        factor = self.pipe.vae_scaling_factor_image
        # CogVideoX 1.5 was trained with the first frame divided by the factor.
        return torch.stack(variants) * (1 / factor if vae.config.invert_scale_latents else factor)

    @torch.inference_mode()
    def decode(self, latents: torch.Tensor) -> np.ndarray:
        pipe = self.pipe
        return video_to_frames(pipe.decode_latents(latents.to(pipe._execution_device, pipe.vae.dtype)))

    @property
    def layers(self) -> nn.ModuleList:
        return self.transformer.transformer_blocks

    @property
    def float32_layers(self) -> Sequence[nn.Module]:
        return (self.transformer.patch_embed.proj,)

    def training_time(self, drawn: int) -> torch.Tensor:
        return torch.tensor([drawn], device=self.transformer.device)

    def add_noise(self, clean: torch.Tensor, noise: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        return self.pipe.scheduler.add_noise(clean, noise, time)

    def target(self, clean: torch.Tensor, noise: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """v = sqrt(a) noise - sqrt(1 - a) clean."""
        return self.pipe.scheduler.get_velocity(clean, noise, time)

    def predict(
        self, noisy: torch.Tensor, time: torch.Tensor, condition: torch.Tensor | None, prompt: torch.Tensor
    ) -> torch.Tensor:
        first_frame = torch.zeros_like(noisy)
        if condition is not None:
            first_frame[0, 0] = condition
        return self.transformer(
            hidden_states=torch.cat([noisy, first_frame], dim=2),
            encoder_hidden_states=prompt[None],
            timestep=time,
            image_rotary_emb=self._rotary(*noisy.shape[1:]),
            return_dict=False,
        )[0]

    def clean_estimate(self, prediction: torch.Tensor, noisy: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """By the definition of v: clean = sqrt(a) noisy - sqrt(1 - a) v."""
        return self.pipe.scheduler.get_velocity(prediction, noisy, time)

    def _given(self, shown: Shown, settings: SamplingSettings) -> dict[str, Any]:
        return {"image": Image.fromarray(shown.first_frame), "use_dynamic_cfg": settings.dynamic_guidance}

    @property
    def _precision(self) -> torch.dtype:
        return self.transformer.dtype

    def _rotary(self, latents: int, channels: int, rows: int, columns: int) -> tuple[torch.Tensor, torch.Tensor] | None:
        """The transformer's rotary positions; None if it uses none."""
        if not self.transformer.config.use_rotary_positional_embeddings:
            return None
        shape = latents, rows, columns
        if shape not in self._rotary_of:
            factor, device = self.pipe.vae_scale_factor_spatial, self.transformer.device
            with torch.autocast(device.type, enabled=False):
                self._rotary_of[shape] = self.pipe._prepare_rotary_positional_embeddings(
                    rows * factor, columns * factor, latents, device
                )
        return self._rotary_of[shape]

    def _tile(self) -> None:
        """Let the autoencoder work on tiles of about half the picture's sides.

        With its own defaults tiles start at fractions of a latent pixel for some sizes, which gives too many latents.
        An overlap of a quarter with sides that divide by four latent pixels is exact.
        """
        vae, unit = self.pipe.vae, 4 * self.pipe.vae_scale_factor_spatial
        height, width = (-(-side // (2 * unit)) * unit for side in (vae.config.sample_height, vae.config.sample_width))
        vae.enable_tiling(
            tile_sample_min_height=height,
            tile_sample_min_width=width,
            tile_overlap_factor_height=0.25,
            tile_overlap_factor_width=0.25,
        )
