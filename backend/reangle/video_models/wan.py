# SPDX-License-Identifier: Apache-2.0
"""What Wan's models have in common: flow matching, the autoencoder, the text encoder, sizes.

diffusers is imported only where a checkpoint is opened, because `reangle doctor` asks these modules for sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import nn

from reangle.video_models.base import TextEncoder
from reangle.video_models.frames import frames_to_video, video_to_frames
from reangle.video_models.memory import Tier, VideoModelSize, config_of, weights_in
from reangle.video_models.pipeline_model import PipelineModel
from reangle.video_models.published_sizes import WAN_VAE_ARRAYS, WAN_VAE_FRAMES
from reangle.video_models.wan_text import WanText
from reangle.video_models.working_size import WorkingSize, working_size
from reangle.weights.devices import default_device
from reangle.weights.pipelines import open_pipeline, pipeline_class

VAE_BYTES = 4
"""Of a weight or value in the autoencoder, which runs in float32."""
GROUP = 4
"""Frames of a latent after the first, in all of Wan's autoencoders."""


class Wan(PipelineModel):
    """The shared part of a `VideoModel` around one of diffusers' Wan pipelines."""

    pipeline: ClassVar[str]
    """Name of the pipeline's class."""
    published_working_size: ClassVar[WorkingSize]
    layer_arrays: ClassVar[int]
    """As in `VideoModelSize`."""
    text: ClassVar[type[TextEncoder]] = WanText
    needs_condition: ClassVar[bool] = True
    lora_targets: Sequence[str] = ("attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0")
    """The matrices of the self-attention over all frames."""

    def __init__(self, pipe: Any, size: WorkingSize) -> None:
        super().__init__(pipe)
        self._size = size
        config = pipe.vae.config
        self._mean, self._std = (
            torch.tensor(values)[:, None, None, None] for values in (config.latents_mean, config.latents_std)
        )
        self._vae_config = config

    @classmethod
    def open(cls, folder: Path, tier: Tier, device: str | None = None) -> Self:
        device = device or default_device()
        others = dict.fromkeys(("text_encoder", "tokenizer"))
        # Published with the advice to run the autoencoder in full precision.
        pipe = open_pipeline(pipeline_class(cls.pipeline), folder, device, precise=("vae",), **others)
        model = cls(pipe, working_size(folder, cls.published_working_size))
        model._put(tier, device)
        return model

    @classmethod
    def size_of(cls, folder: Path, *, bytes_each: int) -> VideoModelSize:
        transformer, vae = config_of(folder / "transformer"), config_of(folder / "vae")
        size = working_size(folder, cls.published_working_size)
        factor, patch = vae["scale_factor_spatial"], transformer["patch_size"]
        pixels = size.width * size.height
        latents = (size.frames - 1) // GROUP + 1
        return VideoModelSize(
            weights=weights_in(folder / "transformer"),
            text_bytes=weights_in(folder / "text_encoder") * bytes_each,
            vae_bytes=weights_in(folder / "vae") * VAE_BYTES,
            layers=transformer["num_layers"] + len(transformer.get("vace_layers") or ()),
            width=transformer["num_attention_heads"] * transformer["attention_head_dim"],
            # Prompts are read by attention of their own, so they are no tokens of the clip's.
            tokens=latents * pixels // (factor**2 * patch[1] * patch[2]),
            widest=(vae["decoder_base_dim"] or vae["base_dim"]) * pixels // (vae["patch_size"] or 1) ** 2,
            lora_matrices=len(cls.lora_targets),
            layer_arrays=cls.layer_arrays,
            vae_frames=WAN_VAE_FRAMES,
            vae_arrays=WAN_VAE_ARRAYS * VAE_BYTES // bytes_each,
        )

    @property
    def frames(self) -> int:
        return self._size.frames

    @property
    def group(self) -> int:
        return GROUP

    def size_for(self, width: int, height: int) -> tuple[int, int]:
        patch = self.transformer.config.patch_size
        return self._size.fit(width, height, self._vae_config.scale_factor_spatial * patch[1])

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int, int]:
        factor = self._vae_config.scale_factor_spatial
        return (self.frames - 1) // GROUP + 1, self._vae_config.z_dim, height // factor, width // factor

    def is_condition(self, latents: int) -> torch.Tensor:
        """None: what the model is shown has channels of its own."""
        return torch.zeros(latents, dtype=torch.bool)

    @torch.inference_mode()
    def encode_frames(self, frames: np.ndarray) -> torch.Tensor:
        return self._encode(frames_to_video(frames)).cpu()

    @torch.inference_mode()
    def decode(self, latents: torch.Tensor) -> np.ndarray:
        vae = self.pipe.vae
        scaled = latents[0].float().transpose(0, 1).cpu() * self._std + self._mean
        return video_to_frames(vae.decode(scaled[None].to(self.pipe._execution_device, vae.dtype)).sample)

    @property
    def layers(self) -> nn.ModuleList:
        return self.transformer.blocks

    @property
    def float32_layers(self) -> Sequence[nn.Module]:
        return (self.transformer.patch_embedding,)

    def training_time(self, drawn: int) -> torch.Tensor:
        """Shifted towards noise, as the scheduler shifts the times of sampling."""
        config = self.pipe.scheduler.config
        shift = config.get("flow_shift") or config.get("shift") or 1.0
        share = (drawn + 1) / self.times
        return torch.tensor([self.times * shift * share / (1 + (shift - 1) * share)], device=self.transformer.device)

    def add_noise(self, clean: torch.Tensor, noise: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """Flow matching: (1 - level) clean + level noise."""
        return torch.lerp(clean, noise, self._level(time).to(clean))

    def target(self, clean: torch.Tensor, noise: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        return noise - clean

    def clean_estimate(self, prediction: torch.Tensor, noisy: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        is_noisy = ~self.is_condition(noisy.shape[1]).to(noisy.device)[None, :, None, None, None]
        return noisy - is_noisy * self._level(time).to(noisy) * prediction

    def _turned(self, latents: torch.Tensor) -> torch.Tensor:
        return latents.transpose(1, 2)

    @property
    def _precision(self) -> torch.dtype:
        return torch.float32

    def _encode(self, video: torch.Tensor) -> torch.Tensor:
        """Latents, frames x c x h x w in float32, of 1 x 3 x T x H x W in -1 to 1."""
        vae = self.pipe.vae
        latents = vae.encode(video.to(self.pipe._execution_device, vae.dtype)).latent_dist.mode()[0].float()
        return ((latents - self._mean.to(latents)) / self._std.to(latents)).transpose(0, 1)

    def _level(self, time: torch.Tensor) -> torch.Tensor:
        """The share of noise at a time."""
        return time / self.times

    def _tile(self) -> None:
        """Let the autoencoder work on tiles of about half the picture's sides that overlap by a quarter."""
        unit = 4 * self._vae_config.scale_factor_spatial
        side = max(self._size.width, self._size.height)
        tile = -(-side // (2 * unit)) * unit
        self.pipe.vae.enable_tiling(
            tile_sample_min_height=tile,
            tile_sample_min_width=tile,
            tile_sample_stride_height=tile * 3 // 4,
            tile_sample_stride_width=tile * 3 // 4,
        )
