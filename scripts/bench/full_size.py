# SPDX-License-Identifier: Apache-2.0
"""Measure time and memory of learning and generating at full size, and of the published recipe, in one run.

    python3.11 scripts/bench/full_size.py [--size full] [--tiers "24 GB" ...] [--steps 5]

The architecture of CogVideoX 5B image-to-video with random weights: the time of a step does not depend on them.
`small`, the default without a GPU, is the same classes at the mini suite's size. For each memory tier: seconds for a
LoRA step and for a denoising step with guidance, peak memory and the estimate of `video_models/memory.py`, and the
share of the rate that large matrix products reach on this device. The published way (Reangle-A-Video's trainer) encodes
video, first frame and prompt in every step, recomputes all activations, and keeps everything on the device.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import diffusers
import numpy as np
import torch
from reangle.generation.window import generate_latents
from reangle.motion.dataset import TrainingClip
from reangle.motion.examples import Example, encode_example
from reangle.motion.settings import LearningSettings
from reangle.motion.trainer import Progress, learn
from reangle.video_models.adapter import add_adapter
from reangle.video_models.base import Prompt, Shown
from reangle.video_models.cogvideox import CogVideoX
from reangle.video_models.cogvideox_text import CogVideoXText
from reangle.video_models.memory import TIERS, DeviceMemory, Tier, VideoModelSize, learning_bytes, tier_named
from reangle.video_models.published_sizes import COGVIDEOX_LAYER_ARRAYS, COGVIDEOX_VAE_ARRAYS, COGVIDEOX_VAE_FRAMES
from reangle.video_models.quantized import quantize
from reangle.video_models.settings import SamplingSettings

from scripts.train import text
from scripts.train.video import scheduler

libraries: Any = diffusers
PROMPT = "CAMERA_ORBIT_LEFT Camera movement orbit left, a red ball in a room"
PUBLISHED = replace(TIERS[2], name="published way", tiled=False)


@dataclass(frozen=True)
class Size:
    """frames, height and width of the clip; heads of 64 channels; the rest as in CogVideoX's configurations."""

    frames: int
    height: int
    width: int
    heads: int
    layers: int
    channels: tuple[int, ...]
    latents: int
    text_width: int
    text_layers: int
    text_tokens: int
    rank: int


FULL = Size(49, 480, 720, 48, 42, (128, 256, 256, 512), 16, 4096, 24, 226, 128)
SMALL = Size(25, 128, 224, 4, 6, (32, 32, 64, 64), 16, 128, 2, 64, 32)


def build(size: Size, device: torch.device) -> Any:
    """The pipeline with random weights, bfloat16 on a GPU, in main memory."""
    torch.manual_seed(0)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    tokenizer = text.t5_tokenizer([PROMPT], size.text_tokens)

    def in_main_memory(make: Callable[[], Any]) -> Any:
        """One part, drawn on the device, where five thousand million random numbers take no time."""
        before = torch.get_default_dtype()
        torch.set_default_dtype(dtype)
        try:
            with device:
                part = make()
        finally:
            torch.set_default_dtype(before)
        return part if device.type == "meta" else part.to("cpu")

    vae = in_main_memory(
        lambda: libraries.AutoencoderKLCogVideoX(
            down_block_types=("CogVideoXDownBlock3D",) * len(size.channels),
            up_block_types=("CogVideoXUpBlock3D",) * len(size.channels),
            block_out_channels=size.channels,
            latent_channels=size.latents,
            sample_height=size.height,
            sample_width=size.width,
            scaling_factor=0.7,
        )
    )
    transformer = in_main_memory(
        lambda: libraries.CogVideoXTransformer3DModel(
            num_attention_heads=size.heads,
            attention_head_dim=64,
            in_channels=2 * size.latents,
            out_channels=size.latents,
            num_layers=size.layers,
            text_embed_dim=size.text_width,
            sample_width=size.width // 8,
            sample_height=size.height // 8,
            sample_frames=size.frames,
            max_text_seq_length=size.text_tokens,
            use_rotary_positional_embeddings=True,
        )
    )
    encoder = in_main_memory(lambda: text.t5_encoder(len(tokenizer), size.text_width, size.text_layers))
    pipe = libraries.CogVideoXImageToVideoPipeline(
        tokenizer=tokenizer, text_encoder=encoder.eval(), vae=vae.eval(), transformer=transformer, scheduler=scheduler()
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def matrix_rate(device: torch.device) -> float:
    """Operations per second of a large bfloat16 matrix product, two for each multiplication."""
    side = 8192 if device.type == "cuda" else 2048
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    best = float("inf")
    for _ in range(6):
        best = min(best, _timed(lambda: a @ b, device))
    return 2 * side**3 / best


def forward_operations(size: VideoModelSize) -> float:
    """Operations of the transformer on one clip: 12 d^2 multiplications per token and layer, 2 T d for attention."""
    each = 12 * size.width**2 + 2 * size.tokens * size.width
    return 2.0 * size.layers * size.tokens * each


def measure(size: Size, tier: Tier, steps: int, device: torch.device, *, published: bool) -> dict[str, float]:
    """Seconds per step and peak memory in GB, of learning and of generating."""
    _reset(device)
    model = CogVideoX(build(size, device))
    quantize(model, tier.base)
    pipe, transformer = model.pipe, model.transformer
    # Far more steps than are run, so that the loss is not measured between them.
    settings = LearningSettings(steps=100 * (steps + 1), rank=size.rank, alpha=size.rank, save_every=10**6)
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        if published:
            pipe.to(device)
            frames = np.zeros((size.frames, size.height, size.width, 3), np.uint8)
            seen = np.ones(frames.shape[:3], bool)
            clip = TrainingClip("clip", frames, seen, frames[0], 1.0)
            text = CogVideoXText(pipe, size.text_tokens)
            examples: Any = _Encoded(lambda: encode_example(model, clip, text.encode(PROMPT), 0, variants=1))
        else:
            pipe.register_modules(text_encoder=None)
            transformer.to(device)
            examples = [_random_example(size)]
        add_adapter(model, settings.rank, settings.alpha, settings.seed)
        _reset(device)

        def report(progress: Progress) -> None:
            _wait(device)
            times.append(time.perf_counter())
            if len(times) > steps:
                raise _EnoughError
            if published:
                examples.forget()

        saved = Path(folder) / "training.safetensors"
        with suppress(_EnoughError):
            learn(model, examples, settings, saved, report, tier)
    measured = {"step_s": float(np.median(np.diff(times))), "learn_gb": _peak_gb(device)}
    transformer.disable_gradient_checkpointing()
    transformer.eval()
    _reset(device)
    pipe.to(device)
    picture = np.zeros((size.height, size.width, 3), np.uint8)
    marks: list[float] = []

    def mark(_: float) -> None:
        _wait(device)
        marks.append(time.perf_counter())

    words = torch.randn(size.text_tokens, size.text_width)
    sampling = SamplingSettings(steps=steps + 1)
    generate_latents(model, Shown(picture), Prompt(words, torch.zeros_like(words)), sampling, 0, report=mark)
    measured |= {"denoise_s": float(np.median(np.diff(marks))), "generate_gb": _peak_gb(device)}
    return measured


class _EnoughError(Exception):
    """Enough steps are timed."""


class _Encoded:
    """One clip, encoded on request and again after `forget`."""

    def __init__(self, encode: Callable[[], Example]) -> None:
        self._encode = encode
        self._kept: Example | None = None

    def forget(self) -> None:
        self._kept = None

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Example:
        self._kept = self._kept or self._encode()
        return self._kept


def _random_example(size: Size) -> Example:
    frames = (size.frames - 1) // 4 + 1
    rows, columns = size.height // 8, size.width // 8
    latents = torch.randn(frames, size.latents, rows, columns)
    mask = torch.ones(frames, rows, columns, dtype=torch.bool)
    return Example(latents, mask, latents[:1], torch.randn(size.text_tokens, size.text_width))


def _timed(work: Callable[[], object], device: torch.device) -> float:
    _wait(device)
    started = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _reset(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _peak_gb(device: torch.device) -> float:
    return torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else float("nan")


def _measured(size: Size, device: torch.device) -> VideoModelSize:
    pipe = build(size, torch.device("meta"))  # shapes alone, without memory
    counts = {
        name: sum(weights.numel() for weights in getattr(pipe, name).parameters())
        for name in ("transformer", "text_encoder", "vae")
    }
    each = 2 if device.type == "cuda" else 4
    frames, patches = (size.frames - 1) // 4 + 1, (size.height // 16) * (size.width // 16)
    return VideoModelSize(
        weights=counts["transformer"],
        text_bytes=counts["text_encoder"] * each,
        vae_bytes=counts["vae"] * each,
        layers=size.layers,
        width=size.heads * 64,
        tokens=frames * patches + size.text_tokens,
        widest=size.channels[0] * size.height * size.width,
        lora_matrices=len(CogVideoX.lora_targets),
        layer_arrays=COGVIDEOX_LAYER_ARRAYS,
        vae_frames=COGVIDEOX_VAE_FRAMES,
        vae_arrays=COGVIDEOX_VAE_ARRAYS,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure time and memory of learning and generating at full size.")
    parser.add_argument("--size", choices=("full", "small"), help="default: full with a GPU, else small")
    parser.add_argument("--tiers", nargs="+", choices=[tier.name for tier in TIERS], metavar="TIER")
    parser.add_argument("--steps", type=int, default=4, help="timed steps of each (default: 4)")
    args = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    size = FULL if (args.size or ("full" if device.type == "cuda" else "small")) == "full" else SMALL
    tiers = [tier_named(name) for name in args.tiers or [tier.name for tier in TIERS[1 if size is FULL else 0 :]]]
    memory = DeviceMemory(0, 2 if device.type == "cuda" else 4, apart=device.type == "cuda")
    known, rate = _measured(size, device), matrix_rate(device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    print(f"{name}: large matrix products {rate / 1e12:.2f} TFLOPS")
    print(f"Transformer: {known.weights / 1e6:.1f} million weights, {known.tokens} tokens")
    print(f"{'':16}{'LoRA step s':>12}{'of rate':>9}{'GB':>7}{'estimated':>10}{'denoise s':>11}{'of rate':>9}{'GB':>7}")
    figures: dict[str, float] = {"matrix_tflops": round(rate / 1e12, 3)}
    forward = forward_operations(known)
    for tier in (*tiers, PUBLISHED):
        published = tier is PUBLISHED
        measured = measure(size, tier, args.steps, device, published=published)
        # Forward and backward to the activations: frozen weights need no gradients.
        learned, denoised = 2 * forward / rate / measured["step_s"], 2 * forward / rate / measured["denoise_s"]
        estimated = learning_bytes(known, tier, size.rank, memory) / 1e9
        print(
            f"{tier.name:16}{measured['step_s']:12.2f}{learned:9.0%}{measured['learn_gb']:7.1f}{estimated:10.1f}"
            f"{measured['denoise_s']:11.2f}{denoised:9.0%}{measured['generate_gb']:7.1f}",
            flush=True,
        )
        key = tier.name.replace(" ", "_").lower()
        figures |= {f"{what}_{key}": round(value, 4) for what, value in measured.items() if np.isfinite(value)}
        figures[f"rate_share_{key}"] = round(learned, 4)
    print(json.dumps({"bench": "full_size", "figures": figures}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
