# SPDX-License-Identifier: Apache-2.0
"""One window of a video model: from what it is shown and a prompt to the number of frames of the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from reangle.generation.guide import Guide
from reangle.video_models.base import Prompt, Shown, VideoModel
from reangle.video_models.settings import SamplingSettings


def generate_latents(
    model: VideoModel,
    shown: Shown,
    prompt: Prompt,
    settings: SamplingSettings,
    seed: int,
    guides: Sequence[Guide] = (),
    report: Callable[[float], None] = lambda share: None,
) -> torch.Tensor:
    """Latents of a whole window, 1 x frames x c x h x w, for the model's `decode`.

    guides: applied one after the other, so the last one wins where several know a latent. report: gets the share of the
    steps that are done.
    """
    random = torch.Generator().manual_seed(seed)
    height, width = shown.first_frame.shape[:2]
    noise = torch.randn((1, *model.latent_shape(width, height)), generator=random)

    def after_step(latents: torch.Tensor, done: int, time: torch.Tensor | None) -> torch.Tensor:
        if done:
            report(done / settings.steps)
        for guide in guides:
            if guide.acts_after(done, settings.steps):
                latents = guide.apply(model, latents, time, noise)
        return latents

    return model.sample(shown, prompt, settings, noise, random, after_step)
