# SPDX-License-Identifier: Apache-2.0
"""The architectures that `full_size.py` measures and counts, with random weights, in the product's own classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import diffusers
import numpy as np
import torch
from reangle.motion.examples import Example
from reangle.video_models.base import Shown
from reangle.video_models.cogvideox import CogVideoX
from reangle.video_models.memory import VideoModelSize
from reangle.video_models.published_sizes import (
    COGVIDEOX_LAYER_ARRAYS,
    COGVIDEOX_VAE_ARRAYS,
    COGVIDEOX_VAE_FRAMES,
    WAN_VAE_ARRAYS,
    WAN_VAE_FRAMES,
)
from reangle.video_models.wan import VAE_BYTES
from reangle.video_models.wan_first_frame import WanFirstFrame
from reangle.video_models.wan_vace import WanVace
from reangle.video_models.working_size import WorkingSize
from reangle.weights.pipelines import pipeline_class

from scripts.train import text
from scripts.train.video import scheduler

libraries: Any = diffusers  # its classes have wrong annotations
PROMPT = "CAMERA_ORBIT_LEFT Camera movement orbit left, a red ball in a room"
GROUP = 4
"""Frames in each latent after the first, of all these models."""


@dataclass(frozen=True)
class Architecture:
    """One model at one size, before its weights.

    network, autoencoder: arguments of diffusers' classes. size: of a window. words, text_width: tokens of a prompt and
    their width. text_layers: of the text encoder, which only the published way of learning CogVideoX runs; 0 for none.
    """

    model: type[CogVideoX | WanFirstFrame | WanVace]
    network: Mapping[str, Any]
    autoencoder: Mapping[str, Any]
    size: WorkingSize
    words: int
    text_width: int
    rank: int
    text_layers: int = 0

    @property
    def width(self) -> int:
        """Channels of a token."""
        return self.network["num_attention_heads"] * self.network["attention_head_dim"]

    @property
    def latent_shape(self) -> tuple[int, int, int, int]:
        """Frames, channels, rows and columns of a window's latents."""
        frames = (self.size.frames - 1) // GROUP + 1
        channels = self.network["out_channels"]
        return frames, channels, self.size.height // self.factor, self.size.width // self.factor

    @property
    def factor(self) -> int:
        """Pixels in a row of one latent."""
        return self.autoencoder.get("scale_factor_spatial", 8)

    @property
    def tokens(self) -> int:
        """Of one window; CogVideoX attends to the prompt together with them."""
        frames, _, rows, columns = self.latent_shape
        return frames * (rows // 2) * (columns // 2) + (self.words if self.model is CogVideoX else 0)


def _cogvideox(
    size: WorkingSize, heads: int, layers: int, channels: tuple[int, ...], words: int, text_width: int, **others: int
) -> Architecture:
    """heads: of 64 channels each."""
    network = {
        "num_attention_heads": heads,
        "attention_head_dim": 64,
        "in_channels": 32,
        "out_channels": 16,
        "num_layers": layers,
        "text_embed_dim": text_width,
        "sample_width": size.width // 8,
        "sample_height": size.height // 8,
        "sample_frames": size.frames,
        "max_text_seq_length": words,
        "use_rotary_positional_embeddings": True,
    }
    autoencoder = {
        "down_block_types": ("CogVideoXDownBlock3D",) * len(channels),
        "up_block_types": ("CogVideoXUpBlock3D",) * len(channels),
        "block_out_channels": channels,
        "latent_channels": 16,
        "sample_height": size.height,
        "sample_width": size.width,
        "scaling_factor": 0.7,
    }
    return Architecture(CogVideoX, network, autoencoder, size, words, text_width, **others)


def _wan_5b(
    size: WorkingSize, heads: int, layers: int, channels: tuple[int, int], words: int, rank: int
) -> Architecture:
    """heads: of 128 channels each. channels: of the autoencoder's first level, down and up."""
    network = _wan_network(heads, layers, 14336 * heads // 24, 48)
    autoencoder = {
        "base_dim": channels[0],
        "decoder_base_dim": channels[1],
        "z_dim": 48,
        "is_residual": True,
        "in_channels": 12,
        "out_channels": 12,
        "patch_size": 2,
        "scale_factor_spatial": 16,
        "latents_mean": [0.0] * 48,
        "latents_std": [1.0] * 48,
    }
    return Architecture(WanFirstFrame, network, autoencoder, size, words, 4096, rank)


def _vace(
    size: WorkingSize, heads: int, layers: int, wide: int, every: int, channels: int, words: int, rank: int
) -> Architecture:
    """wide: channels inside of a feed-forward part. every: layers for each one that reads the warped clip."""
    network = {**_wan_network(heads, layers, wide, 16), "vace_layers": list(range(0, layers, every))}
    return Architecture(WanVace, network, {"base_dim": channels}, size, words, 4096, rank)


def _wan_network(heads: int, layers: int, wide: int, latents: int) -> dict[str, Any]:
    return {
        "num_attention_heads": heads,
        "attention_head_dim": 128,
        "in_channels": latents,
        "out_channels": latents,
        "num_layers": layers,
        "ffn_dim": wide,
    }


_SMALL, _SMALLER = WorkingSize(25, 224, 128), WorkingSize(13, 160, 96)
_COGVIDEOX_SIZE, _WAN_SIZE, _VACE_SIZE = (
    WorkingSize(49, 720, 480),
    WanFirstFrame.published_working_size,
    WanVace.published_working_size,
)
ARCHITECTURES: Mapping[str, Mapping[str, Architecture]] = {
    "cogvideox-5b": {
        "full": _cogvideox(_COGVIDEOX_SIZE, 48, 42, (128, 256, 256, 512), 226, 4096, rank=128, text_layers=24),
        "small": _cogvideox(_SMALL, 4, 6, (32, 32, 64, 64), 64, 128, rank=32, text_layers=2),
    },
    "wan2.2-5b": {
        "full": _wan_5b(_WAN_SIZE, 24, 30, (160, 256), 512, rank=128),
        "small": _wan_5b(_SMALLER, 2, 6, (8, 8), 64, rank=32),
    },
    "wan-vace-1.3b": {
        "full": _vace(_VACE_SIZE, 12, 30, 8960, 2, 96, 512, rank=128),
        "small": _vace(_SMALLER, 2, 6, 1536, 2, 8, 64, rank=32),
    },
    "wan-vace-14b": {
        "full": _vace(_VACE_SIZE, 40, 40, 13824, 5, 96, 512, rank=128),
        "small": _vace(_SMALLER, 2, 6, 704, 5, 8, 64, rank=32),
    },
}
"""By suite, then size: as published, or small enough for a CPU."""
_CLASSES = {
    CogVideoX: ("CogVideoXTransformer3DModel", "AutoencoderKLCogVideoX", "CogVideoXImageToVideoPipeline"),
    WanFirstFrame: ("WanTransformer3DModel", "AutoencoderKLWan", "WanImageToVideoPipeline"),
    WanVace: ("WanVACETransformer3DModel", "AutoencoderKLWan", "WanVACEPipeline"),
}
"""diffusers' network, autoencoder and pipeline of each model."""


def build_network(architecture: Architecture) -> Any:
    """The transformer, on torch's default device with its default type."""
    return getattr(libraries, _CLASSES[architecture.model][0])(**architecture.network)


def build_autoencoder(architecture: Architecture) -> Any:
    return getattr(libraries, _CLASSES[architecture.model][1])(**architecture.autoencoder)


def build_model(architecture: Architecture, device: torch.device) -> Any:
    """The `VideoModel` with random weights in main memory, typed as when it is opened: bfloat16 for a GPU.

    device: that draws the weights; "meta" gives shapes alone.
    """
    torch.manual_seed(0)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    is_wan = architecture.model is not CogVideoX
    # Wan's autoencoder is opened in float32.
    vae = _drawn(lambda: build_autoencoder(architecture), torch.float32 if is_wan else dtype, device)
    network = _drawn(lambda: build_network(architecture), dtype, device)
    parts: dict[str, Any] = {"tokenizer": None, "text_encoder": None, "vae": vae.eval(), "transformer": network}
    if not is_wan:
        tokenizer = text.t5_tokenizer([PROMPT], architecture.words)
        encoder = _drawn(
            lambda: text.t5_encoder(len(tokenizer), architecture.text_width, architecture.text_layers), dtype, device
        )
        parts |= {"tokenizer": tokenizer, "text_encoder": encoder.eval(), "scheduler": scheduler()}
    else:
        _keep_precise(network)
        flow: dict[str, Any] = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0}
        parts["scheduler"] = libraries.UniPCMultistepScheduler(**flow)
    if architecture.model is WanFirstFrame:
        parts |= {"expand_timesteps": True, "image_encoder": None, "image_processor": None}
    pipe = pipeline_class(_CLASSES[architecture.model][2])(**parts)
    pipe.set_progress_bar_config(disable=True)
    return architecture.model(pipe, architecture.size) if is_wan else CogVideoX(pipe)


def _drawn(make: Callable[[], Any], dtype: torch.dtype, device: torch.device) -> Any:
    """One part, drawn on the device, where five thousand million random numbers take no time."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            part = make()
    finally:
        torch.set_default_dtype(before)
    return part.to("cpu") if device.type == "cuda" else part


def _keep_precise(network: Any) -> None:
    """Turn those parts to float32 that diffusers keeps so when it opens a checkpoint."""
    names = set(network._keep_in_fp32_modules or ())
    for name, weights in network.named_parameters():
        if names & set(name.split(".")):
            weights.data = weights.data.float()


def size_of(architecture: Architecture, bytes_each: int) -> VideoModelSize:
    """As `VideoModel.size_of`, of shapes alone; without the text encoder, which is gone before the rest is opened.

    bytes_each: of a weight as opened.
    """
    with torch.device("meta"):
        parts = build_network(architecture), build_autoencoder(architecture)
    weights, vae_weights = (sum(one.numel() for one in part.parameters()) for part in parts)
    model, network, coder = architecture.model, architecture.network, architecture.autoencoder
    pixels = architecture.size.width * architecture.size.height
    if model is CogVideoX:
        channels, vae_each = coder["block_out_channels"][0], bytes_each
        arrays = COGVIDEOX_LAYER_ARRAYS, COGVIDEOX_VAE_FRAMES, COGVIDEOX_VAE_ARRAYS
    else:
        channels, vae_each = (
            coder.get("decoder_base_dim", coder["base_dim"]) / coder.get("patch_size", 1) ** 2,
            VAE_BYTES,
        )
        arrays = model.layer_arrays, WAN_VAE_FRAMES, WAN_VAE_ARRAYS * VAE_BYTES // bytes_each
    return VideoModelSize(
        weights=weights,
        text_bytes=0,
        vae_bytes=vae_weights * vae_each,
        layers=network["num_layers"] + len(network.get("vace_layers", ())),
        width=architecture.width,
        tokens=architecture.tokens,
        widest=round(channels * pixels),
        lora_matrices=len(model.lora_targets),
        layer_arrays=arrays[0],
        vae_frames=arrays[1],
        vae_arrays=arrays[2],
    )


def random_example(architecture: Architecture) -> Example:
    """A clip to learn from, all of which was seen."""
    frames, channels, rows, columns = architecture.latent_shape
    latents = torch.randn(frames, channels, rows, columns)
    mask = torch.ones(frames, rows, columns, dtype=torch.bool)
    # VACE is shown latents of what is known and of what is not, and the mask in squares of 8 x 8 pixels.
    warp = torch.randn(1, frames, 2 * channels + architecture.factor**2, rows, columns)
    condition = warp if architecture.model.sees_warp else latents[:1]
    return Example(latents, mask, condition, torch.randn(architecture.words, architecture.text_width))


def shown(architecture: Architecture) -> Shown:
    """Black frames, the lower half of them known."""
    size = architecture.size
    frames = np.zeros((size.frames, size.height, size.width, 3), np.uint8)
    if not architecture.model.sees_warp:
        return Shown(frames[0])
    known = np.zeros(frames.shape[:3], bool)
    known[:, size.height // 2 :] = True
    return Shown(frames[0], frames, known)
