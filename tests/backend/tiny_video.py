# SPDX-License-Identifier: Apache-2.0
"""CogVideoX with the real classes, tiny and random."""

from __future__ import annotations

from typing import Any

import diffusers
import numpy as np
import torch
from reangle.motion.dataset import TrainingClip
from reangle.video_models.base import Prompt
from reangle.video_models.cogvideox import CogVideoX
from reangle.video_models.cogvideox_text import CogVideoXText

from scripts.train import text
from scripts.train.video import scheduler

libraries: Any = diffusers  # its classes have wrong annotations
FRAMES, HEIGHT, WIDTH, TOKENS = 9, 32, 48, 16
PROMPTS = (
    "CAMERA_STATIC Camera movement static, a red ball",
    "CAMERA_ORBIT_LEFT Camera movement orbit left, a red ball",
)


def tiny_model(channels: int = 4, patch: int = 2) -> CogVideoX:
    """`tiny_pipeline` as a video model."""
    return CogVideoX(tiny_pipeline(channels, patch))


def tiny_text() -> CogVideoXText:
    """The text encoder of `tiny_pipeline`."""
    return CogVideoXText(tiny_pipeline(), TOKENS)


def read(prompt: str) -> Prompt:
    text = tiny_text()
    return Prompt(text.encode(prompt), text.encode(""))


def clip_of(frames: np.ndarray, visible: np.ndarray) -> TrainingClip:
    return TrainingClip("clip", frames, visible, frames[0], float(visible.mean()))


def tiny_pipeline(channels: int = 4, patch: int = 2) -> Any:
    """9 frames of 48 x 32 in latents of 3 x 8 x 12; the same weights each time."""
    torch.manual_seed(0)
    vae = libraries.AutoencoderKLCogVideoX(
        down_block_types=("CogVideoXDownBlock3D",) * 3,
        up_block_types=("CogVideoXUpBlock3D",) * 3,
        block_out_channels=(8, 8, 8),
        latent_channels=channels,
        layers_per_block=1,
        norm_num_groups=2,
        sample_height=HEIGHT,
        sample_width=WIDTH,
        scaling_factor=0.7,
    )
    # Like the posterior of a trained encoder, a narrow one.
    vae.encoder.conv_out.conv.bias.data[channels:] = -12.0
    transformer = libraries.CogVideoXTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=2 * channels,
        out_channels=channels,
        time_embed_dim=8,
        text_embed_dim=32,
        num_layers=2,
        patch_size=patch,
        sample_height=HEIGHT // 4,
        sample_width=WIDTH // 4,
        sample_frames=FRAMES,
        max_text_seq_length=TOKENS,
        use_rotary_positional_embeddings=True,
    )
    tokenizer = text.t5_tokenizer(PROMPTS, TOKENS)
    encoder = text.t5_encoder(len(tokenizer), 32, 1)
    pipe = libraries.CogVideoXImageToVideoPipeline(
        tokenizer=tokenizer, text_encoder=encoder.eval(), vae=vae.eval(), transformer=transformer, scheduler=scheduler()
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe
