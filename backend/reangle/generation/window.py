# SPDX-License-Identifier: Apache-2.0
"""One window of a video model: from a first frame and a prompt to the number of frames of the model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from reangle.generation.guide import WarpGuide
from reangle.video_models.base import Prompt, VideoModel
from reangle.video_models.settings import SamplingSettings


def generate_latents(
    model: VideoModel,
    first_frame: np.ndarray,
    prompt: Prompt,
    settings: SamplingSettings,
    seed: int,
    guide: WarpGuide | None = None,
    made: torch.Tensor | None = None,
    report: Callable[[float], None] = lambda share: None,
) -> torch.Tensor:
    """Latents of a whole window, 1 x frames x c x h x w, for the model's `decode`.

    first_frame: H x W x 3 uint8 at the model's size. made: 1 x n x c x h x w, which the window before made where this
    one has its second to (n + 1)th latent; they stay, and the rest is made to go with them. report: gets the share of
    the steps that are done.
    """
    random = torch.Generator().manual_seed(seed)
    height, width = first_frame.shape[:2]
    noise = torch.randn((1, *model.latent_shape(width, height)), generator=random)

    def after_step(latents: torch.Tensor, done: int, time: torch.Tensor | None) -> torch.Tensor:
        if done:
            report(done / settings.steps)
        if guide is not None and guide.acts_after(done, settings.steps):
            latents = guide.apply(model, latents, time, noise)
        return latents if made is None else _with_made(model, latents, made, time, noise)

    return model.sample(first_frame, prompt, settings, noise, random, after_step)


def _with_made(
    model: VideoModel, latents: torch.Tensor, made: torch.Tensor, time: torch.Tensor | None, noise: torch.Tensor
) -> torch.Tensor:
    """Put latents of the window before in their place, under this time's noise, or clean if time is None.

    latents, noise: 1 x frames x c x h x w.
    """
    place = slice(1, 1 + made.shape[1])
    clean = made.to(latents.device, torch.float32)
    known = clean if time is None else model.add_noise(clean, noise[:, place].to(clean), time.reshape(1))
    latents = latents.clone()
    latents[:, place] = known.to(latents.dtype)
    return latents
