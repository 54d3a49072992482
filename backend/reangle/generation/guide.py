# SPDX-License-Identifier: Apache-2.0
"""Warp guidance: latents that the warp saw are held to it while the picture's layout is decided."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import CogVideoXDPMScheduler


@dataclass(frozen=True, eq=False)
class WarpGuide:
    """latents: frames x c x h x w of the warped clip, its holes filled; scaled. mask: frames x h x w bool, True where
    all of a latent pixel was seen. strength: 0 to 1, the share of the steps, from the noisy end, in which seen latents
    are held.
    """

    latents: torch.Tensor
    mask: torch.Tensor
    strength: float

    def holds_after(self, done: int, steps: int) -> bool:
        """Whether seen latents are held when `done` of `steps` are done."""
        return self.strength > 0 and done <= round(self.strength * steps)

    def held(
        self, latents: torch.Tensor, scheduler: CogVideoXDPMScheduler, time: torch.Tensor | None, noise: torch.Tensor
    ) -> torch.Tensor:
        """The latents with the seen ones replaced by the warp's at this time's noise; time None is without noise."""
        clean = self.latents[None].to(latents.device, torch.float32)
        known = clean if time is None else scheduler.add_noise(clean, noise.to(clean), time.reshape(1))
        mask = self.mask[None, :, None].to(latents.device)
        return torch.where(mask, known.to(latents.dtype), latents)
