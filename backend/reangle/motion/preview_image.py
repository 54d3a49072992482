# SPDX-License-Identifier: Apache-2.0
"""A preview image of the training, made without the autoencoder, which is not in memory then."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from reangle.motion.examples import Example
from reangle.motion.trainer import Draw, NoisedClip, predict
from reangle.video_models.base import VideoModel

NOISE_LEVEL = 0.6
"""Share of the training times: noise hides most of the clip, but not its layout."""
SEED = 7
CELL = 160
"""Least width of one frame in the image, in pixels."""


def fit_colours(latents: torch.Tensor, frames: np.ndarray, group: int) -> np.ndarray:
    """(c + 1) x 3: the linear map from latents to RGB, by least squares on one encoded clip.

    latents: f x c x h x w. frames: T x H x W x 3 uint8 with T = group * (f - 1) + 1. The last row is an offset.
    """
    count, _, height, width = latents.shape
    small = np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in frames])
    groups = [small[:1], *(small[1 + group * k : 1 + group * (k + 1)] for k in range(count - 1))]
    wanted = np.stack([each.astype(np.float32).mean(axis=0) for each in groups])
    return np.linalg.lstsq(_rows(latents), wanted.reshape(-1, 3), rcond=None)[0]


@torch.no_grad()
def preview_image(model: VideoModel, example: Example, colours: np.ndarray) -> bytes:
    """A PNG of three frames: the encoded clip above, and below the model's estimate of it from under noise.

    The noise is always the same, so the images of one training are comparable. colours: from `fit_colours`.
    """
    noise = torch.randn(example.latents.shape, generator=torch.Generator().manual_seed(SEED))
    chosen = Draw(0, 0, True, int(NOISE_LEVEL * model.times), noise)
    noised = NoisedClip.of(model, example, chosen)
    prediction = predict(model, example, chosen, noised).float()
    estimate = model.clean_estimate(prediction, noised.noisy, noised.time)
    clips = noised.clean[0].cpu(), estimate[0].cpu()
    rows = [np.concatenate(_pictures(latents, colours), axis=1) for latents in clips]
    return cv2.imencode(".png", cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR))[1].tobytes()


def _pictures(latents: torch.Tensor, colours: np.ndarray) -> list[np.ndarray]:
    count, _, height, width = latents.shape
    chosen = latents[[0, count // 2, count - 1]]
    pictures = (_rows(chosen) @ colours).reshape(3, height, width, 3).round().clip(0, 255).astype(np.uint8)
    scale = max(1, round(CELL / width))
    return [cv2.resize(one, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC) for one in pictures]


def _rows(latents: torch.Tensor) -> np.ndarray:
    """(f h w) x (c + 1), with ones in the last column."""
    flat = latents.float().movedim(1, -1).flatten(0, 2).numpy()
    return np.pad(flat, ((0, 0), (0, 1)), constant_values=1)
