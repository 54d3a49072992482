# SPDX-License-Identifier: Apache-2.0
"""Wan 2.1 VACE: fills what a warped clip does not show."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import nn

from reangle.video_models.base import Shown
from reangle.video_models.frames import frames_to_video
from reangle.video_models.published_sizes import VACE_LAYER_ARRAYS
from reangle.video_models.settings import SamplingSettings
from reangle.video_models.wan import Wan
from reangle.video_models.working_size import WorkingSize

GREY = 128
"""What VACE was trained to see where nothing is known (Jiang et al., VACE, 2025)."""


class WanVace(Wan):
    """A `VideoModel` around diffusers' `WanVACEPipeline`."""

    pipeline: ClassVar[str] = "WanVACEPipeline"
    published_working_size: ClassVar[WorkingSize] = WorkingSize(frames=81, width=832, height=480)
    layer_arrays: ClassVar[int] = VACE_LAYER_ARRAYS
    sees_warp: ClassVar[bool] = True

    @property
    def layers(self) -> nn.ModuleList:
        return nn.ModuleList([*self.transformer.blocks, *self.transformer.vace_blocks])

    @property
    def float32_layers(self) -> tuple[nn.Module, ...]:
        return self.transformer.patch_embedding, self.transformer.vace_patch_embedding

    @torch.inference_mode()
    def encode_condition(self, shown: Shown, count: int, random: torch.Generator) -> torch.Tensor:
        """1 x frames x c x h x w: latents of the known and of the unknown part, then the mask, by the pipeline's own
        preparation.
        """
        pipe, device = self.pipe, self.pipe._execution_device
        frames, known = _checked(shown)
        video = frames_to_video(frames).to(device)
        hole = torch.from_numpy(~known)[None, None].expand(1, 3, -1, -1, -1).to(device, torch.float32)
        latents = pipe.prepare_video_latents(video, hole, [[]], None, device)
        condition = torch.cat([latents, pipe.prepare_masks(hole, [[]]).to(latents)], dim=1)
        return condition.float().transpose(1, 2).cpu()

    def predict(
        self, noisy: torch.Tensor, time: torch.Tensor, condition: torch.Tensor | None, prompt: torch.Tensor
    ) -> torch.Tensor:
        assert condition is not None
        return self.transformer(
            hidden_states=noisy.transpose(1, 2),
            timestep=time,
            encoder_hidden_states=prompt[None],
            control_hidden_states=condition[None].to(noisy).transpose(1, 2),
            return_dict=False,
        )[0].transpose(1, 2)

    def _given(self, shown: Shown, settings: SamplingSettings) -> dict[str, Any]:
        frames, known = _checked(shown)
        return {
            "video": [Image.fromarray(frame) for frame in frames],
            "mask": [Image.fromarray(np.where(one, 0, 255).astype(np.uint8)) for one in known],
        }


def _checked(shown: Shown) -> tuple[np.ndarray, np.ndarray]:
    """The warped clip, grey where nothing is known, and where it is known."""
    assert shown.frames is not None
    assert shown.known is not None
    return np.where(shown.known[..., None], shown.frames, np.uint8(GREY)), shown.known
