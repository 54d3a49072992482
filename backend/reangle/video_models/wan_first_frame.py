# SPDX-License-Identifier: Apache-2.0
"""Wan 2.2 TI2V-5B: continues a first frame, which is its clean first latent."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from PIL import Image

from reangle.video_models.base import Shown
from reangle.video_models.frames import frames_to_video
from reangle.video_models.published_sizes import WAN_LAYER_ARRAYS
from reangle.video_models.settings import SamplingSettings
from reangle.video_models.wan import Wan
from reangle.video_models.working_size import WorkingSize


class WanFirstFrame(Wan):
    """A `VideoModel` around diffusers' `WanImageToVideoPipeline` with `expand_timesteps`."""

    pipeline: ClassVar[str] = "WanImageToVideoPipeline"
    published_working_size: ClassVar[WorkingSize] = WorkingSize(frames=49, width=1280, height=704)
    """The area that it was trained for; its clips had up to 121 frames."""
    layer_arrays: ClassVar[int] = WAN_LAYER_ARRAYS
    sees_warp: ClassVar[bool] = False

    def is_condition(self, latents: int) -> torch.Tensor:
        """The first latent is the clean first frame."""
        return torch.arange(latents) == 0

    @torch.inference_mode()
    def encode_condition(self, shown: Shown, count: int, random: torch.Generator) -> torch.Tensor:
        """The first frame's latent, 1 x c x h x w; Wan adds no noise to it."""
        return self._encode(frames_to_video(shown.first_frame[None])).cpu()

    def predict(
        self, noisy: torch.Tensor, time: torch.Tensor, condition: torch.Tensor | None, prompt: torch.Tensor
    ) -> torch.Tensor:
        assert condition is not None
        latents = torch.cat([condition[None, None].to(noisy), noisy[:, 1:]], dim=1)
        _, rows, columns = self.transformer.config.patch_size
        tokens = latents.shape[3] // rows * (latents.shape[4] // columns)
        # Each token has a time of its own; that of the clean latent is 0.
        is_noisy = (~self.is_condition(latents.shape[1])).repeat_interleave(tokens).to(noisy.device)
        return self.transformer(
            hidden_states=latents.transpose(1, 2),
            timestep=is_noisy[None] * time,
            encoder_hidden_states=prompt[None],
            return_dict=False,
        )[0].transpose(1, 2)

    def _given(self, shown: Shown, settings: SamplingSettings) -> dict[str, Any]:
        return {"image": Image.fromarray(shown.first_frame)}
