# SPDX-License-Identifier: Apache-2.0
"""Edit a picture by words, without noise to invert: FlowEdit.

Method: Kulikov et al., FlowEdit: Inversion-Free Text-Based Editing Using Pre-Trained Flow Models, 2024. The picture
moves along the difference of the velocities that the two prompts give, so equal prompts leave it as it is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from reangle.errors import UserError
from reangle.image_models.base import Conditions, ImageModel
from reangle.starting.painting import WorkingView


def flow_edit(
    model: ImageModel,
    picture: np.ndarray,
    source_prompt: str,
    target_prompt: str,
    strength: float = 0.7,
    steps: int | None = None,
    seed: int = 0,
    *,
    averages: int = 1,
    guidance: tuple[float, float] | None = None,
    report: Callable[[float], None] = lambda share: None,
) -> np.ndarray:
    """The picture, H x W x 3 uint8 of any size, as the target prompt says; the picture itself if the prompts are equal.

    source_prompt: what it shows. strength: share of the denoising that is walked, 0 to 1; more changes more. steps: of
    the whole denoising, None for what suits the model. averages: how many noises each step averages over. guidance: as
    for `ImageModel.conditions`, for both prompts; None for what suits the model. Raises UserError for a model that
    makes no pictures of a prompt alone.
    """
    if not model.reads_plain_text:
        raise UserError(
            "This image model fills holes only, so it cannot edit a picture by words.",
            advice="Choose the painter flux2-klein or flux-controlnet.",
        )
    if source_prompt == target_prompt:
        return picture
    view = WorkingView.of(picture.shape[1], picture.shape[0], model)
    everywhere = np.ones(picture.shape[:2], bool)
    random = torch.Generator().manual_seed(seed)
    told = [
        model.conditions(view.canvas(picture, everywhere, prompt), asked, random)
        for prompt, asked in zip((source_prompt, target_prompt), guidance or model.edit_guidance, strict=True)
    ]
    start = model.encode(view.canvas(picture, everywhere, source_prompt).picture[None])
    levels = model.noise_levels(steps or model.usual_steps, *view.size)
    edited = edited_latents(model, start, (told[0], told[1]), levels, strength, averages, random, report)
    # What the autoencoder loses is no part of the edit.
    change = model.decode(edited)[0].astype(np.int16) - model.decode(start)[0]
    return np.clip(picture + view.enlarge_change(change), 0, 255).round().astype(np.uint8)


def edited_latents(
    model: ImageModel,
    start: torch.Tensor,
    told: tuple[Conditions, Conditions],
    levels: list[float],
    strength: float,
    averages: int,
    random: torch.Generator,
    report: Callable[[float], None] = lambda share: None,
) -> torch.Tensor:
    """Latents like `start`, 1 x c x h x w. told: the source's conditions and the target's. levels: falling, to 0."""
    first = round((len(levels) - 1) * (1 - strength))
    edited, walk = start.clone(), list(zip(levels[first:-1], levels[first + 1 :], strict=True))
    for step, (level, following) in enumerate(walk):
        noise = torch.randn((averages, *start.shape[1:]), generator=random).to(start)
        noisy = (1 - level) * start + level * noise
        source = model.velocity(noisy, level, told[0])
        target = model.velocity(noisy + (edited - start), level, told[1])
        edited = edited + (following - level) * (target - source).mean(dim=0, keepdim=True)
        report((step + 1) / len(walk))
    return edited
