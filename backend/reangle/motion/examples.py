# SPDX-License-Identifier: Apache-2.0
"""Clips as the trainer wants them: latents, mask, first frame and prompt, each computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from diffusers import CogVideoXImageToVideoPipeline
from safetensors.torch import load_file, save

from reangle.motion.masks import latent_mask
from reangle.runtime.data_folder import write_atomically

FIRST_FRAMES = 4
NOISE_LOG_MEAN, NOISE_LOG_DEVIATION = -3.0, 0.5


@dataclass(frozen=True, eq=False)
class Example:
    """One clip to learn from; all latents are scaled as the transformer sees them.

    latents: frames x c x h x w. mask: frames x h x w bool, True where seen. first_frames: k x c x h x w, the first
    frame under different noise. prompt: tokens x width.
    """

    latents: torch.Tensor
    mask: torch.Tensor
    first_frames: torch.Tensor
    prompt: torch.Tensor


@torch.inference_mode()
def encode_example(
    pipe: CogVideoXImageToVideoPipeline,
    frames: np.ndarray,
    visible: np.ndarray,
    prompt: str,
    seed: int,
    first_frames: int = FIRST_FRAMES,
) -> Example:
    """frames: T x H x W x 3 uint8 with T = 4 k + 1, at the model's size; visible: T x H x W bool.

    The first frame is encoded several times, each with noise of its own whose strength's logarithm is normal, as
    CogVideoX adds it to conditions: a pool to draw from, so that the autoencoder is not needed while training.
    """
    vae, device, random = pipe.vae, pipe._execution_device, torch.Generator().manual_seed(seed)
    video = torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    latents = vae.encode(video.to(device, vae.dtype)).latent_dist.mode()[0].transpose(0, 1)
    strengths = torch.exp(NOISE_LOG_MEAN + NOISE_LOG_DEVIATION * torch.randn(first_frames, 1, 1, generator=random))
    noise = torch.randn((first_frames, *video.shape[1:2], *video.shape[3:]), generator=random)
    begins = []
    for strength, one in zip(strengths, noise, strict=True):
        noisy = (video[0, :, 0] + strength * one)[None, :, None]
        posterior = vae.encode(noisy.to(device, vae.dtype)).latent_dist
        # CogVideoX's pipeline and its trainer draw the condition's latents, too.
        begins.append(posterior.sample(random)[0, :, 0])
    factor = pipe.vae_scaling_factor_image
    # CogVideoX 1.5 was trained with the first frame divided by the factor.
    image_factor = 1 / factor if vae.config.invert_scale_latents else factor
    told, _ = pipe.encode_prompt(
        prompt, do_classifier_free_guidance=False, max_sequence_length=pipe.transformer.config.max_text_seq_length
    )
    assert told is not None
    mask = latent_mask(visible, *latents.shape[2:], frames_per_latent=pipe.vae_scale_factor_temporal)
    parts = latents * factor, torch.from_numpy(mask), torch.stack(begins) * image_factor, told[0]
    return Example(*(part.cpu().contiguous() for part in parts))


def save_examples(examples: Sequence[Example], path: Path) -> None:
    """All examples in one safetensors file, latents in half the size of float32."""
    tensors = {
        f"{index}.{field.name}": getattr(example, field.name)
        for index, example in enumerate(examples)
        for field in fields(Example)
    }
    write_atomically(path, save({name: t.bfloat16() if t.is_floating_point() else t for name, t in tensors.items()}))


def load_examples(path: Path) -> list[Example]:
    """What `save_examples` wrote."""
    tensors = load_file(path)
    count = 1 + max(int(name.partition(".")[0]) for name in tensors)
    return [
        Example(**{field.name: tensors[f"{index}.{field.name}"] for field in fields(Example)}) for index in range(count)
    ]
