# SPDX-License-Identifier: Apache-2.0
"""Measure time and memory of learning and generating at full size, or count what they take.

    python3.11 scripts/bench/full_size.py [--model cogvideox-5b] [--size full] [--tiers "24 GB" ...] [--steps 5]
    python3.11 scripts/bench/full_size.py --count

The architectures of the published video models with random weights: the time of a step does not depend on them.
`small`, the default without a GPU, is the same classes at a size that takes seconds. For each memory tier: seconds for
a LoRA step and for a denoising step with guidance, peak memory and the estimate of `video_models/memory.py`, and
the share of the rate that large matrix products reach on this device. Of CogVideoX the published way, too:
Reangle-A-Video's trainer encodes video, first frame and prompt in every step, recomputes all activations, and keeps
everything on the device.

`--count` needs no GPU: operations, memory by tier, which card gets which tier, and disk of all models at full size.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import numpy as np
import torch
from reangle.generation.window import generate_latents
from reangle.motion.dataset import TrainingClip
from reangle.motion.examples import Example, encode_example
from reangle.motion.settings import LearningSettings
from reangle.motion.trainer import Progress, learn
from reangle.video_models.adapter import add_adapter
from reangle.video_models.base import Prompt
from reangle.video_models.cogvideox import CogVideoX
from reangle.video_models.cogvideox_text import CogVideoXText
from reangle.video_models.memory import TIERS, DeviceMemory, Tier, learning_bytes, tier_named
from reangle.video_models.quantized import quantize
from reangle.video_models.settings import SamplingSettings

from scripts.bench.full_size_count import by_formula, print_count
from scripts.bench.full_size_models import (
    ARCHITECTURES,
    PROMPT,
    Architecture,
    build_model,
    random_example,
    shown,
    size_of,
)

PUBLISHED = replace(TIERS[2], name="published way", tiled=False)


def matrix_rate(device: torch.device) -> float:
    """Operations per second of a large bfloat16 matrix product, two for each multiplication."""
    side = 8192 if device.type == "cuda" else 2048
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    best = float("inf")
    for _ in range(6):
        best = min(best, _timed(lambda: a @ b, device))
    return 2 * side**3 / best


def measure(
    architecture: Architecture, tier: Tier, steps: int, device: torch.device, *, published: bool
) -> dict[str, float]:
    """Seconds per step and peak memory in GB, of learning and of generating."""
    _reset(device)
    model = build_model(architecture, device)
    quantize(model, tier.base)
    if tier.tiled:
        model._tile()  # as opening a checkpoint does
    pipe, transformer = model.pipe, model.transformer
    # Far more steps than are run, so that the loss is not measured between them.
    rank = architecture.rank
    settings = LearningSettings(steps=100 * (steps + 1), rank=rank, alpha=rank, save_every=10**6)
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        if published:
            pipe.to(device)
            size = architecture.size
            frames = np.zeros((size.frames, size.height, size.width, 3), np.uint8)
            seen = np.ones(frames.shape[:3], bool)
            clip = TrainingClip("clip", frames, seen, frames[0], 1.0)
            text = CogVideoXText(pipe, architecture.words)
            examples: Any = _Encoded(lambda: encode_example(model, clip, text.encode(PROMPT), 0, variants=1))
        else:
            pipe.register_modules(text_encoder=None)
            transformer.to(device)
            examples = [random_example(architecture)]
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
    marks: list[float] = []

    def mark(_: float) -> None:
        _wait(device)
        marks.append(time.perf_counter())

    words = torch.randn(architecture.words, architecture.text_width)
    sampling = SamplingSettings(steps=steps + 1)
    generate_latents(model, shown(architecture), Prompt(words, torch.zeros_like(words)), sampling, 0, report=mark)
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


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure time and memory of learning and generating at full size.")
    parser.add_argument("--model", choices=ARCHITECTURES, default="cogvideox-5b", help="default: cogvideox-5b")
    parser.add_argument("--count", action="store_true", help="count what all models take instead; needs no GPU")
    parser.add_argument("--size", choices=("full", "small"), help="default: full with a GPU, else small")
    parser.add_argument("--tiers", nargs="+", choices=[tier.name for tier in TIERS], metavar="TIER")
    parser.add_argument("--steps", type=int, default=4, help="timed steps of each (default: 4)")
    args = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if args.count:
        figures = print_count(list(ARCHITECTURES))
    else:
        size = args.size or ("full" if device.type == "cuda" else "small")
        tiers = [tier_named(name) for name in args.tiers or [tier.name for tier in TIERS[size == "full" :]]]
        figures = print_measured(ARCHITECTURES[args.model][size], tiers, args.steps, device)
    print(json.dumps({"bench": "full_size", "figures": figures}))
    return 0


def print_measured(
    architecture: Architecture, tiers: Sequence[Tier], steps: int, device: torch.device
) -> dict[str, float]:
    """Measure in each tier, and CogVideoX in the published way, too. Returns the figures."""
    memory = DeviceMemory(0, 2 if device.type == "cuda" else 4, apart=device.type == "cuda")
    known, rate = size_of(architecture, memory.bytes_each), matrix_rate(device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    print(f"{name}: large matrix products {rate / 1e12:.2f} TFLOPS")
    print(f"Transformer: {known.weights / 1e6:.1f} million weights, {known.tokens} tokens")
    print(f"{'':16}{'LoRA step s':>12}{'of rate':>9}{'GB':>7}{'estimated':>10}{'denoise s':>11}{'of rate':>9}{'GB':>7}")
    figures: dict[str, float] = {"matrix_tflops": round(rate / 1e12, 3)}
    operations = by_formula(architecture)
    for tier in (*tiers, *([PUBLISHED] if architecture.model is CogVideoX else [])):
        measured = measure(architecture, tier, steps, device, published=tier is PUBLISHED)
        # What is recomputed gives nothing new, so it does not count as work.
        useful = operations.learning - operations.forward
        learned, denoised = useful / rate / measured["step_s"], 2 * operations.forward / rate / measured["denoise_s"]
        estimated = learning_bytes(known, tier, architecture.rank, memory) / 1e9
        print(
            f"{tier.name:16}{measured['step_s']:12.2f}{learned:9.0%}{measured['learn_gb']:7.1f}{estimated:10.1f}"
            f"{measured['denoise_s']:11.2f}{denoised:9.0%}{measured['generate_gb']:7.1f}",
            flush=True,
        )
        key = tier.name.replace(" ", "_").lower()
        figures |= {f"{what}_{key}": round(value, 4) for what, value in measured.items() if np.isfinite(value)}
        figures[f"rate_share_{key}"] = round(learned, 4)
    return figures


if __name__ == "__main__":
    sys.exit(main())
