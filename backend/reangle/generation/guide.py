# SPDX-License-Identifier: Apache-2.0
"""Guidance: while the model samples, latents that are known already are put in their place."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from reangle.video_models.base import VideoModel


@dataclass(frozen=True, eq=False)
class Guide:
    """latents: frames x c x h x w, such as those of the warped clip, its holes filled. mask: frames x h x w bool, True
    where they are known. strength: 0 to 1, the share of the steps, from the noisy end, in which the guide acts.
    """

    latents: torch.Tensor
    mask: torch.Tensor
    strength: float

    @classmethod
    def to_keep(cls, made: torch.Tensor, latents: int, first: int = 1) -> Guide:
        """A guide that keeps what is made already, in all steps, such as what the window before made.

        made: n x c x h x w, in the place of the window's latents from `first` on. latents: how many the window has.
        """
        known = made.new_zeros((latents, *made.shape[1:]))
        known[first : first + len(made)] = made
        mask = torch.zeros((latents, *made.shape[2:]), dtype=torch.bool)
        mask[first : first + len(made)] = True
        return cls(known, mask, strength=1.0)

    def acts_after(self, done: int, steps: int) -> bool:
        """Whether the guide acts when `done` of `steps` are done."""
        return self.strength > 0 and done <= round(self.strength * steps)

    def apply(
        self, model: VideoModel, latents: torch.Tensor, time: torch.Tensor | None, noise: torch.Tensor
    ) -> torch.Tensor:
        """Replace known latents with the guide's under this time's noise, or clean if time is None.

        latents, noise: 1 x frames x c x h x w. The model's conditions stay as they are.
        """
        clean = self.latents[None].to(latents.device, torch.float32)
        known = clean if time is None else model.add_noise(clean, noise.to(clean), time.reshape(1))
        mask = self.mask & ~model.is_condition(len(self.mask))[:, None, None]
        return torch.where(mask[None, :, None].to(latents.device), known.to(latents.dtype), latents)
