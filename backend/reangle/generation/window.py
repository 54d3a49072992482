# SPDX-License-Identifier: Apache-2.0
"""One window of a video model: from a first frame and a prompt to the number of frames of the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from reangle.generation.guide import Guide
from reangle.video_models.base import Prompt, VideoModel
from reangle.video_models.settings import SamplingSettings


def generate_latents(
    model: VideoModel,
    first_frame: np.ndarray,
    prompt: Prompt,
    settings: SamplingSettings,
    seed: int,
    guides: Sequence[Guide] = (),
    report: Callable[[float], None] = lambda share: None,
) -> torch.Tensor:
    """Latents of a whole window, 1 x frames x c x h x w, for the model's `decode`.

    first_frame: H x W x 3 uint8 at the model's size. guides: applied one after the other, so the last one wins where
    several know a latent. report: gets the share of the steps that are done.
    """
    random = torch.Generator().manual_seed(seed)
    height, width = first_frame.shape[:2]
    noise = torch.randn((1, *model.latent_shape(width, height)), generator=random)

    def after_step(latents: torch.Tensor, done: int, time: torch.Tensor | None) -> torch.Tensor:
        if done:
            report(done / settings.steps)
        for guide in guides:
            if guide.acts_after(done, settings.steps):
                latents = guide.apply(model, latents, time, noise)
        return latents

    return model.sample(first_frame, prompt, settings, noise, random, after_step)
