# SPDX-License-Identifier: Apache-2.0
"""Opening a video model: CogVideoX's image-to-video pipeline from a checkpoint's folder."""

from __future__ import annotations

import gc
from pathlib import Path

import torch
from diffusers import CogVideoXImageToVideoPipeline, CogVideoXTransformer3DModel
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from reangle.errors import UserError
from reangle.motion.device_memory import is_out_of_memory
from reangle.motion.quantized import quantize
from reangle.weights.memory import TIERS, Tier


def open_video_pipeline(
    folder: Path, tier: Tier = TIERS[0], device: str | None = None
) -> CogVideoXImageToVideoPipeline:
    """The pipeline, ready to run: bfloat16 on a GPU, float32 on a CPU.

    tier: how memory is saved. device: None takes the GPU if there is one. Raises UserError if the folder does not hold
    one.
    """
    for library in (diffusers_logging, transformers_logging):
        library.disable_progress_bar()
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        pipe = CogVideoXImageToVideoPipeline.from_pretrained(
            folder, dtype=torch.bfloat16 if device == "cuda" else torch.float32, local_files_only=True
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        reason = str(error).splitlines()[0] if str(error) else repr(error)
        raise UserError(
            f"The video checkpoint {folder} cannot be opened: {reason}.", advice="Copy all of its folders again."
        ) from error
    pipe.set_progress_bar_config(disable=True)
    quantize(pipe.transformer, tier.base)
    if tier.tiled:
        _tile(pipe)
    if tier.parts_apart and device == "cuda":
        pipe.enable_model_cpu_offload()
        return pipe
    return pipe.to(device)


def unread(pipe: CogVideoXImageToVideoPipeline, prompt: str) -> str:
    """One sentence on what the model does not read because the prompt is too long; "" if it reads all."""
    most = pipe.transformer.config.max_text_seq_length
    tokens = pipe.tokenizer(prompt, verbose=False).input_ids
    if len(tokens) <= most:
        return ""
    # The last token read is the end of the text.
    rest = pipe.tokenizer.decode(tokens[most - 1 : -1])
    return f"The video model reads the first {most} tokens of camera and caption, not {rest!r}. Shorten the caption."


def rotary_of(
    pipe: CogVideoXImageToVideoPipeline, height: int, width: int, latents: int
) -> tuple[torch.Tensor, torch.Tensor] | None:
    """The transformer's rotary positions for height x width pixels and so many latents; None if it uses none."""
    if not pipe.transformer.config.use_rotary_positional_embeddings:
        return None
    return pipe._prepare_rotary_positional_embeddings(height, width, latents, pipe._execution_device)


def alone(pipe: CogVideoXImageToVideoPipeline) -> CogVideoXTransformer3DModel:
    """The pipeline's transformer on the device that the pipeline works on, all else out of memory."""
    transformer, device = pipe.transformer, pipe._execution_device
    pipe.remove_all_hooks()
    pipe.register_modules(vae=None, text_encoder=None, transformer=None)
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return transformer.to(device)


def _tile(pipe: CogVideoXImageToVideoPipeline) -> None:
    """Let the autoencoder work on tiles of about half the picture's sides.

    By its own defaults tiles begin at fractions of a latent pixel for some sizes, and the latents come out too many: a
    quarter's overlap of sides that divide by four latent pixels is exact.
    """
    unit = 4 * pipe.vae_scale_factor_spatial
    height, width = (
        -(-side // (2 * unit)) * unit for side in (pipe.vae.config.sample_height, pipe.vae.config.sample_width)
    )
    pipe.vae.enable_tiling(
        tile_sample_min_height=height,
        tile_sample_min_width=width,
        tile_overlap_factor_height=0.25,
        tile_overlap_factor_width=0.25,
    )
