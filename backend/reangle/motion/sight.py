# SPDX-License-Identifier: Apache-2.0
"""A look at what a model has learned so far, without its autoencoder, which is not in memory while it learns."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from diffusers import CogVideoXDPMScheduler, CogVideoXTransformer3DModel

from reangle.motion.examples import Example
from reangle.motion.trainer import Draw, Noised, Rotary, predicted_velocity
from reangle.motion.windows import GROUP

NOISED = 0.6
"""Of the noise schedule: most of the picture is drowned, its place in the clip is not yet lost."""
SEED = 7
CELL = 160
"""Pixels that one of the shown frames is wide, or more."""


def colours_of(latents: torch.Tensor, frames: np.ndarray) -> np.ndarray:
    """(c + 1) x 3: the linear map that makes a picture of latents, found by least squares on one encoded clip.

    latents: f x c x h x w. frames: T x H x W x 3 uint8 with T = 4 (f - 1) + 1. The last row is added.
    """
    count, _, height, width = latents.shape
    small = np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in frames])
    groups = [small[:1], *(small[1 + GROUP * k : 1 + GROUP * (k + 1)] for k in range(count - 1))]
    wanted = np.stack([group.astype(np.float32).mean(axis=0) for group in groups])
    design = _rows(latents)
    return np.linalg.lstsq(design, wanted.reshape(-1, 3), rcond=None)[0]


@torch.no_grad()
def sight(
    transformer: CogVideoXTransformer3DModel,
    scheduler: CogVideoXDPMScheduler,
    rotary: Rotary,
    example: Example,
    colours: np.ndarray,
) -> bytes:
    """A PNG: above, three frames of what was encoded; below, the clean clip that the model sees in it under noise.

    That is its Tweedie estimate. The noise is always the same, so pictures of one learning can be compared.
    """
    time = int(NOISED * scheduler.config["num_train_timesteps"])
    noise = torch.randn(example.latents.shape, generator=torch.Generator().manual_seed(SEED))
    chosen = Draw(0, 0, True, time, noise)
    shown = Noised.of(scheduler, example, chosen, transformer.device)
    found = predicted_velocity(transformer, rotary, example, chosen, shown).float()
    # v = sqrt(a) noise - sqrt(1 - a) clean turns back by itself: clean = sqrt(a) noisy - sqrt(1 - a) v.
    estimate = scheduler.get_velocity(found, shown.noisy, shown.times)
    clean, estimate = shown.clean[0].cpu(), estimate[0].cpu()
    rows = [np.concatenate(_pictures(latents, colours), axis=1) for latents in (clean, estimate)]
    return cv2.imencode(".png", cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR))[1].tobytes()


def _pictures(latents: torch.Tensor, colours: np.ndarray) -> list[np.ndarray]:
    count, _, height, width = latents.shape
    chosen = latents[[0, count // 2, count - 1]]
    shown = (_rows(chosen) @ colours).reshape(3, height, width, 3).round().clip(0, 255).astype(np.uint8)
    scale = max(1, round(CELL / width))
    return [cv2.resize(one, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC) for one in shown]


def _rows(latents: torch.Tensor) -> np.ndarray:
    """(f h w) x (c + 1), with ones in the last column."""
    flat = latents.float().movedim(1, -1).flatten(0, 2).numpy()
    return np.pad(flat, ((0, 0), (0, 1)), constant_values=1)
