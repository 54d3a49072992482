# SPDX-License-Identifier: Apache-2.0
"""Sizes of the published video models in bfloat16, to estimate their memory before the download. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from reangle.video_models.memory import VideoModelSize
from reangle.weights.checkpoints import COGVIDEOX_5B, WAN_22_5B, WAN_VACE_1_3B, WAN_VACE_14B

COGVIDEOX_LAYER_ARRAYS, COGVIDEOX_VAE_FRAMES, COGVIDEOX_VAE_ARRAYS = 24, 9, 5
"""Fields of `VideoModelSize`; tests/backend/test_models_memory.py counts the arrays of a layer."""
WAN_LAYER_ARRAYS, VACE_LAYER_ARRAYS, WAN_VAE_FRAMES, WAN_VAE_ARRAYS = 43, 28, 4, 5
"""The same; tests/backend/test_wan_sizes.py counts them. A layer of Wan 2.2 scales and shifts each token, in float32.
"""
UMT5_BYTES = 11_361_820_672

_COGVIDEOX = VideoModelSize(
    weights=5_570_283_072,
    text_bytes=9_524_621_312,
    vae_bytes=431_221_142,
    layers=42,
    width=3072,
    tokens=13 * 30 * 45 + 226,
    widest=128 * 480 * 720,
    lora_matrices=4,
    layer_arrays=COGVIDEOX_LAYER_ARRAYS,
    vae_frames=COGVIDEOX_VAE_FRAMES,
    vae_arrays=COGVIDEOX_VAE_ARRAYS,
)
"""At 49 frames of 720 x 480, from its configuration and the sizes of its files."""

_WAN = VideoModelSize(
    weights=4_999_787_712,
    text_bytes=UMT5_BYTES,
    vae_bytes=2_818_754_672,
    layers=30,
    width=3072,
    tokens=13 * 22 * 40,
    widest=256 * 352 * 640,
    lora_matrices=4,
    layer_arrays=WAN_LAYER_ARRAYS,
    vae_frames=WAN_VAE_FRAMES,
    vae_arrays=2 * WAN_VAE_ARRAYS,
)
"""At 49 frames of 1280 x 704, its autoencoder in float32."""

_VACE = VideoModelSize(
    weights=2_153_972_032,
    text_bytes=UMT5_BYTES,
    vae_bytes=507_570_124,
    layers=30 + 15,
    width=1536,
    tokens=21 * 30 * 52,
    widest=96 * 480 * 832,
    lora_matrices=4,
    layer_arrays=VACE_LAYER_ARRAYS,
    vae_frames=WAN_VAE_FRAMES,
    vae_arrays=2 * WAN_VAE_ARRAYS,
)
"""At 81 frames of 832 x 480, its autoencoder in float32."""

PUBLISHED_SIZES: Mapping[str, VideoModelSize] = MappingProxyType(
    {
        COGVIDEOX_5B.name: _COGVIDEOX,
        WAN_22_5B.name: _WAN,
        WAN_VACE_1_3B.name: _VACE,
        WAN_VACE_14B.name: replace(_VACE, weights=17_337_592_896, layers=40 + 8, width=5120),
    }
)
"""By the checkpoint's name."""
