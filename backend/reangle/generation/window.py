# SPDX-License-Identifier: Apache-2.0
"""One window of a video model: a first frame and a prompt to as many frames as the model makes at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from diffusers import CogVideoXImageToVideoPipeline
from PIL import Image

from reangle.generation.guide import WarpGuide
from reangle.generation.spec import SamplingSettings


def generate_latents(
    pipe: CogVideoXImageToVideoPipeline,
    first_frame: np.ndarray,
    prompt: str,
    settings: SamplingSettings,
    seed: int,
    guide: WarpGuide | None = None,
    report: Callable[[float], None] = lambda share: None,
) -> torch.Tensor:
    """Latents of the model's whole window, 1 x frames x c x h x w, scaled; `decode_frames` makes pictures of them.

    first_frame: H x W x 3 uint8 at the model's size. The pipeline samples by itself; the guide acts between its steps.
    """
    random = torch.Generator().manual_seed(seed)
    height, width = first_frame.shape[:2]
    shape = pipe.transformer.config
    frames = (shape.sample_frames - 1) // pipe.vae_scale_factor_temporal + 1
    rows, columns = height // pipe.vae_scale_factor_spatial, width // pipe.vae_scale_factor_spatial
    noise = torch.randn((1, frames, shape.out_channels, rows, columns), generator=random)
    pipe.scheduler.set_timesteps(settings.steps)

    def held(latents: torch.Tensor, done: int) -> torch.Tensor:
        if guide is None or not guide.holds_after(done, settings.steps):
            return latents
        times = pipe.scheduler.timesteps
        return guide.held(latents, pipe.scheduler, times[done] if done < len(times) else None, noise)

    def between(_: Any, step: int, time: torch.Tensor, given: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        report((step + 1) / settings.steps)
        return {"latents": held(given["latents"], step + 1)}

    made: Any = pipe(
        image=Image.fromarray(first_frame),
        prompt=prompt,
        height=height,
        width=width,
        num_frames=shape.sample_frames,
        num_inference_steps=settings.steps,
        guidance_scale=settings.guidance,
        use_dynamic_cfg=settings.dynamic_guidance,
        max_sequence_length=shape.max_text_seq_length,
        generator=random,
        latents=held(noise, 0).to(pipe.transformer.dtype),
        callback_on_step_end=between,
        callback_on_step_end_tensor_inputs=["latents"],
        output_type="latent",
    )
    return made.frames


@torch.inference_mode()
def decode_frames(pipe: CogVideoXImageToVideoPipeline, latents: torch.Tensor) -> np.ndarray:
    """T x H x W x 3 uint8 of latents 1 x frames x c x h x w, scaled."""
    frames = pipe.decode_latents(latents.to(pipe._execution_device, pipe.vae.dtype))[0].permute(1, 2, 3, 0)
    return (frames.float() * 127.5 + 127.5).round().clamp(0, 255).byte().cpu().numpy()
