# SPDX-License-Identifier: Apache-2.0
"""Twins of Wan's published checkpoints: tiny and random, laid out file for file and flag for flag."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers
import torch
from transformers import T5Tokenizer, UMT5Config, UMT5EncoderModel

from tests.backend.twins import save_pipeline, save_t5_tokenizer

libraries: Any = diffusers  # its classes have wrong annotations
FRAMES = 9
FIRST_FRAME, VACE = "Wan2.2-TI2V-5B-Diffusers", "Wan2.1-VACE-1.3B-diffusers"
SIZES = {FIRST_FRAME: (96, 64), VACE: (48, 32)}
"""Width and height that `write_small` lets a twin work in. The published ones make 49 frames of 1280 x 704 and 81 of
832 x 480.
"""


def first_frame(folder: Path) -> Path:
    """Wan-AI/Wan2.2-TI2V-5B-Diffusers: its index names the pipeline without an image, its times are those of tokens,
    and its autoencoder makes 48 channels of pixels in squares of 2 x 2.
    """
    torch.manual_seed(0)
    mean, std = [0.1, -0.1, 0.2, 0.0] * 12, [0.5, 0.6, 0.4, 0.5] * 12
    vae = libraries.AutoencoderKLWan(
        base_dim=8,
        decoder_base_dim=8,
        z_dim=48,
        dim_mult=[1, 2, 2, 2],
        num_res_blocks=1,
        is_residual=True,
        in_channels=12,
        out_channels=12,
        patch_size=2,
        scale_factor_spatial=16,
        latents_mean=mean,
        latents_std=std,
    )
    transformer = libraries.WanTransformer3DModel(in_channels=48, out_channels=48, ffn_dim=64, **_NARROW)
    index = {"boundary_ratio": None, "expand_timesteps": True, "transformer_2": [None, None]}
    return _save(folder, "WanPipeline", transformer, vae, 5.0, index)


def vace(folder: Path, *, layers: int = 3, control: tuple[int, ...] = (0, 2)) -> Path:
    """Wan-AI/Wan2.1-VACE-1.3B-diffusers: every second layer has one beside it that reads the warped clip."""
    torch.manual_seed(1)
    vae = libraries.AutoencoderKLWan(base_dim=8, dim_mult=[1, 2, 2, 2], num_res_blocks=1)
    sizes: dict[str, Any] = {**_NARROW, "num_layers": layers}
    transformer = libraries.WanVACETransformer3DModel(ffn_dim=64, vace_layers=list(control), **sizes)
    # A layer that is not trained adds little; these do.
    for block in transformer.vace_blocks:
        torch.nn.init.normal_(block.proj_out.weight, std=0.5)
    return _save(folder, "WanVACEPipeline", transformer, vae, 3.0, {})


def vace_14b(folder: Path) -> Path:
    """Wan-AI/Wan2.1-VACE-14B-diffusers: every fifth layer has one beside it."""
    return vace(folder, layers=6, control=(0, 5))


WAN_TWINS = {FIRST_FRAME: first_frame, VACE: vace, "Wan2.1-VACE-14B-diffusers": vace_14b}
"""By the published name."""


def write_small(name: str, folder: Path) -> Path:
    """A twin that works in few frames and pixels."""
    WAN_TWINS[name](folder)
    width, height = SIZES[name]
    size = {"frames": FRAMES, "width": width, "height": height}
    (folder / "working_size.json").write_text(json.dumps(size), encoding="utf-8")
    return folder


_NARROW: dict[str, Any] = {
    "num_attention_heads": 2,
    "attention_head_dim": 16,
    "text_dim": 32,
    "freq_dim": 16,
    "num_layers": 2,
}


def _save(folder: Path, pipeline: str, transformer: Any, vae: Any, flow_shift: float, index: dict[str, Any]) -> Path:
    words = save_t5_tokenizer(folder / "tokenizer", 512)
    T5Tokenizer.from_pretrained(folder / "tokenizer").save_pretrained(folder / "tokenizer")
    encoder = UMT5EncoderModel(
        UMT5Config(
            vocab_size=words, d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2, feed_forward_proj="gated-gelu",
        )
    )  # fmt: skip
    # Like the posterior of a trained encoder, a narrow one.
    vae.quant_conv.bias.data[vae.config.z_dim :] = -12.0
    scheduler = libraries.UniPCMultistepScheduler(
        flow_shift=flow_shift, prediction_type="flow_prediction", use_flow_sigmas=True
    )
    save_pipeline(
        folder,
        pipeline,
        {"scheduler": scheduler, "text_encoder": encoder.eval(), "transformer": transformer, "vae": vae.eval()},
        tokenizers={"tokenizer": "T5TokenizerFast"},
        shards={"text_encoder": 3, "transformer": 3},
    )
    path = folder / "model_index.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **index}), encoding="utf-8")
    return folder
