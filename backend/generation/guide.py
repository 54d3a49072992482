# SPDX-License-Identifier: Apache-2.0
"""Guidance by what is known of the clip already, while the picture's layout is decided."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import CogVideoXDPMScheduler


@dataclass(frozen=True, eq=False)
class WarpGuide:
    """latents: frames x c x h x w of the warped clip, its holes filled by the preview; scaled. mask: frames x h x w
    bool, True where all of a latent pixel was seen. strength, fill_strength: 0 to 1, the share of the steps, from the
    noisy end, in which what was seen, and what was filled, is held to these latents under the step's own noise.

    Filled latents held for a while and then let go are the guess that SDEdit (Meng et al., ICLR 2022) begins with.
    """

    latents: torch.Tensor
    mask: torch.Tensor
    strength: float
    fill_strength: float = 0.0

    def held_after(self, done: int, steps: int) -> torch.Tensor:
        """frames x h x w bool: which latents are held when `done` of `steps` are done."""
        seen, filled = (share > 0 and done <= round(share * steps) for share in (self.strength, self.fill_strength))
        return (self.mask & seen) | (~self.mask & filled)

    def held(
        self,
        latents: torch.Tensor,
        which: torch.Tensor,
        scheduler: CogVideoXDPMScheduler,
        time: torch.Tensor | None,
        noise: torch.Tensor,
    ) -> torch.Tensor:
        """The latents with some replaced by the guide's at this time's noise; time None is without noise."""
        clean = self.latents[None].to(latents.device, torch.float32)
        known = clean if time is None else scheduler.add_noise(clean, noise.to(clean), time.reshape(1))
        return torch.where(which[None, :, None].to(latents.device), known.to(latents.dtype), latents)
