# SPDX-License-Identifier: Apache-2.0
"""Training clips encoded once: latents, mask, condition and prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save

from reangle.motion.dataset import TrainingClip
from reangle.motion.masks import latent_mask
from reangle.runtime.data_folder import write_atomically
from reangle.video_models.base import Shown, VideoModel

VARIANTS = 4
"""Of a condition, for training to draw from."""


@dataclass(frozen=True, eq=False)
class Example:
    """One clip to learn from.

    latents: frames x c x h x w. mask: frames x h x w bool, True where the clip was seen. conditions: random variants of
    what the model is shown. prompt: tokens x width.
    """

    latents: torch.Tensor
    mask: torch.Tensor
    conditions: torch.Tensor
    prompt: torch.Tensor


@torch.inference_mode()
def encode_example(
    model: VideoModel, clip: TrainingClip, prompt: torch.Tensor, seed: int, variants: int = VARIANTS
) -> Example:
    """prompt: tokens x width, of the clip's camera.

    The condition is encoded in several variants for training to draw from, which so needs no autoencoder.
    """
    latents = model.encode_frames(clip.frames)
    conditions = model.encode_condition(_shown(model, clip), variants, torch.Generator().manual_seed(seed))
    parts = latents, latents_seen(model, clip.visible, latents), conditions, prompt
    return Example(*(part.cpu().contiguous() for part in parts))


def _shown(model: VideoModel, clip: TrainingClip) -> Shown:
    if not model.sees_warp:
        return Shown(clip.first_frame)
    return Shown(clip.first_frame, clip.frames, with_more_holes(clip.visible))


def with_more_holes(visible: np.ndarray) -> np.ndarray:
    """T x H x W bool: also hidden where the mirror image is.

    A model that is shown all that the loss asks for would only learn to copy; holes of the same shapes elsewhere make
    it paint what the clip does show.
    """
    return visible & visible[:, :, ::-1]


def latents_seen(model: VideoModel, visible: np.ndarray, latents: torch.Tensor) -> torch.Tensor:
    """frames x h x w bool: where all of a latent pixel was seen. visible: T x H x W bool, of the encoded frames."""
    return torch.from_numpy(latent_mask(visible, *latents.shape[2:], group=model.group))


def save_examples(examples: Sequence[Example], path: Path) -> None:
    """Write all examples into one safetensors file, floats as bfloat16."""
    tensors = {
        f"{index}.{field.name}": getattr(example, field.name)
        for index, example in enumerate(examples)
        for field in fields(Example)
    }
    write_atomically(path, save({name: t.bfloat16() if t.is_floating_point() else t for name, t in tensors.items()}))


def load_examples(path: Path) -> list[Example]:
    """Read what `save_examples` wrote."""
    tensors = load_file(path)
    count = 1 + max(int(name.partition(".")[0]) for name in tensors)
    return [
        Example(**{field.name: tensors[f"{index}.{field.name}"] for field in fields(Example)}) for index in range(count)
    ]
