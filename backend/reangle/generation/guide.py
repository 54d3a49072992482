# SPDX-License-Identifier: Apache-2.0
"""Warp guidance: while sampling decides the layout, seen latents are replaced with the warp's."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from reangle.video_models.base import VideoModel


@dataclass(frozen=True, eq=False)
class WarpGuide:
    """latents: frames x c x h x w of the warped clip, its holes filled. mask: frames x h x w bool, True where all of a
    latent pixel was seen. strength: 0 to 1, the share of the steps, from the noisy end, in which the guide acts.
    """

    latents: torch.Tensor
    mask: torch.Tensor
    strength: float

    def acts_after(self, done: int, steps: int) -> bool:
        """Whether the guide acts when `done` of `steps` are done."""
        return self.strength > 0 and done <= round(self.strength * steps)

    def apply(
        self, model: VideoModel, latents: torch.Tensor, time: torch.Tensor | None, noise: torch.Tensor
    ) -> torch.Tensor:
        """Replace seen latents with the warp's under this time's noise, or clean if time is None.

        latents, noise: 1 x frames x c x h x w. The model's conditions stay as they are.
        """
        clean = self.latents[None].to(latents.device, torch.float32)
        known = clean if time is None else model.add_noise(clean, noise.to(clean), time.reshape(1))
        mask = self.mask & ~model.is_condition(len(self.mask))[:, None, None]
        return torch.where(mask[None, :, None].to(latents.device), known.to(latents.dtype), latents)
