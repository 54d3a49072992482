# SPDX-License-Identifier: Apache-2.0
"""Count operations, memory and disk of the published video models; needs no GPU and no weights.

Operations are counted twice: by a formula, and by torch on the product's own classes with tensors that have a shape and
no content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from reangle.motion.trainer import recompute
from reangle.video_models.adapter import add_adapter
from reangle.video_models.cogvideox import CogVideoX
from reangle.video_models.memory import (
    TIERS,
    DeviceMemory,
    VideoModelSize,
    choose_tier,
    generating_bytes,
    learning_bytes,
)
from reangle.video_models.published_sizes import PUBLISHED_SIZES
from reangle.video_models.wan_first_frame import WanFirstFrame
from reangle.weights.recipes import recipe_named
from reangle.weights.suites import Suite, suite_named
from torch.utils.flop_counter import FlopCounterMode

from scripts.bench.full_size_models import ARCHITECTURES, Architecture, build_model, random_example

CARDS = (8, 12, 16, 24, 32, 48, 80, 96)
"""GB of memory, of graphics cards that are sold."""
DESKTOP_BYTES = 0.5e9
"""Of a card's memory, for the driver and the desktop."""
RATE = 80e12
"""Operations a second: half of what an RTX 4090 can do."""


_OPERATIONS = f"""\
Operations in 10^15 (PFLOP), counted by torch. Denoise: a step with guidance, two calls of the network. LoRA: a step,
forward, backward and recomputed. Frame, megapixel: of output, with the recipe's number of denoising steps. Seconds: of
a frame at {RATE / 1e12:.0f} TFLOPS. Formula: its denoising step and its LoRA step beside torch's.
"""
_MEMORY = """
Memory of a graphics card in GB, estimated by video_models/memory.py: learning a LoRA / generating.
"""
_CARDS = """
Tier that a card gets, chosen by video_models/memory.py: the fastest in which what the recipe does fits, learning and
generating or generating alone. none: the card is too small.
"""


@dataclass(frozen=True)
class Operations:
    """Of one window, two for each multiplication. forward: one call of the network, without a LoRA. learning: one step
    of a LoRA, with all activations recomputed.
    """

    forward: float
    learning: float


def by_formula(architecture: Architecture) -> Operations:
    """Multiplications by matrices and in attention; what is left out is below three per cent."""
    network, d, tokens, words = architecture.network, architecture.width, architecture.tokens, architecture.words
    layers, control = network["num_layers"], len(network.get("vace_layers", ()))
    # Squares of 2 x 2 latents into tokens and back, and the prompt's width.
    once = tokens * 4 * d * (network["in_channels"] + network["out_channels"]) + words * architecture.text_width * d
    to_words, from_words = 0, 0
    if architecture.model is CogVideoX:
        # Four matrices of attention, and the feed-forward part with 4 d.
        matrices = layers * tokens * 12 * d**2
    else:
        # Attention to the prompt has two matrices for each token and two for each word.
        matrices = (layers + control) * tokens * (6 * d**2 + 2 * d * network["ffn_dim"])
        matrices += (control + 1 if control else 0) * tokens * d**2
        to_words = (layers + control) * tokens * 2 * words * d
        from_words = (layers + control) * words * 2 * d**2
        # In Wan 2.2 each token has a time of its own.
        once += words * d**2 + (tokens * 7 * d**2 if architecture.model is WanFirstFrame else 0)
    attention = (layers + control) * tokens * 2 * tokens * d
    lora = (layers + control) * len(architecture.model.lora_targets) * tokens * 2 * d * architecture.rank
    forward = matrices + attention + to_words + from_words
    # Frozen matrices need no gradients of their own, so their backward pass is as long as the forward one; attention's
    # is twice as long, and so is that of a LoRA. Words do not depend on it.
    backward = matrices + 2 * attention + to_words + 2 * lora
    return Operations(2.0 * (forward + once), 2.0 * (2 * (forward + lora) + backward + once))


def by_torch(architecture: Architecture) -> Operations:
    """Counted by `FlopCounterMode`."""
    meta = torch.device("meta")
    model = build_model(architecture, meta)
    with meta:
        example = random_example(architecture)
        time = torch.tensor([500.0])
        if architecture.model is CogVideoX:
            # It would make its rotary positions without autocast, which does not know this device.
            size, (frames, _, *latents) = architecture.size, architecture.latent_shape
            rotary = model.pipe._prepare_rotary_positional_embeddings(size.height, size.width, frames, meta)
            model._rotary_of[frames, *latents] = rotary
    noisy, condition = example.latents[None], example.conditions[0]
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        model.predict(noisy, time, condition, example.prompt)
    with meta:
        add_adapter(model, architecture.rank, architecture.rank, 0)
    recompute(model, 1.0)
    model.transformer.train()
    with FlopCounterMode(display=False) as learning:
        model.predict(noisy, time, condition, example.prompt).sum().backward()
    return Operations(forward.get_total_flops(), learning.get_total_flops())


def print_count(names: Sequence[str]) -> dict[str, float]:
    """names: suites. Returns the main figures."""
    suites = {name: suite for name in names if (suite := suite_named(name)) is not None}
    sizes = {name: PUBLISHED_SIZES[suite.main.name] for name, suite in suites.items()}
    figures = _print_operations(sizes)
    _print_memory(sizes)
    _print_cards(sizes)
    _print_disk(suites)
    return figures


def _print_operations(sizes: Mapping[str, VideoModelSize]) -> dict[str, float]:
    figures: dict[str, float] = {}
    print(_OPERATIONS)
    print(
        f"{'':15}{'frames x size':>17}{'tokens':>8}{'weights':>9}{'denoise':>9}{'LoRA':>7}{'steps':>7}{'frame':>7}"
        f"{'megapixel':>11}{'seconds':>9}{'formula':>16}"
    )
    for name, size in sizes.items():
        architecture = ARCHITECTURES[name]["full"]
        counted, formula = by_torch(architecture), by_formula(architecture)
        window, steps = architecture.size, recipe_named(name).sampling_steps
        denoise, learning = 2 * counted.forward / 1e15, counted.learning / 1e15
        frame = denoise * steps / window.frames
        megapixel = frame / (window.width * window.height / 1e6)
        beside = f"{formula.forward / counted.forward - 1:+.1%} {formula.learning / counted.learning - 1:+.1%}"
        print(
            f"{name:15}{f'{window.frames} x {window.width}x{window.height}':>17}{size.tokens:8}"
            f"{size.weights / 1e9:8.2f}B{denoise:9.2f}{learning:7.2f}{steps:7}{frame:7.2f}{megapixel:11.2f}"
            f"{frame * 1e15 / RATE:9.1f}{beside:>16}",
            flush=True,
        )
        key = name.replace("-", "_").replace(".", "_")
        figures |= {
            f"denoise_pflop_{key}": round(denoise, 4),
            f"lora_step_pflop_{key}": round(learning, 4),
            f"frame_pflop_{key}": round(frame, 4),
        }
    return figures


def _print_memory(sizes: Mapping[str, VideoModelSize]) -> None:
    print(_MEMORY)
    print(f"{'':10}" + "".join(f"{name:>16}" for name in sizes))
    for tier in TIERS:
        cells = ""
        for name, size in sizes.items():
            rank = recipe_named(name).rank
            learning, generating = (
                need(size, tier, rank, _card(0)) / 1e9 for need in (learning_bytes, generating_bytes)
            )
            cells += f"{f'{learning:.0f} / {generating:.0f}':>16}"
        print(f"{tier.name:10}{cells}")


def _print_cards(sizes: Mapping[str, VideoModelSize]) -> None:
    print(_CARDS)
    print(f"{'card':10}" + "".join(f"{name:>16}" for name in sizes))
    for gigabytes in CARDS:
        card = _card(gigabytes * 2**30 - DESKTOP_BYTES)
        cells = ""
        for name, size in sizes.items():
            chosen = choose_tier(size, recipe_named(name).learned_rank, card)
            cells += f"{chosen.name if chosen else 'none':>16}"
        print(f"{f'{gigabytes} GB':10}{cells}")


def _print_disk(suites: Mapping[str, Suite]) -> None:
    print("\nDisk in GB: the video model / its whole suite.\n")
    for name, suite in suites.items():
        whole = sum(part.size for part in suite.parts)
        print(f"{name:15}{suite.main.size / 1e9:8.1f} /{whole / 1e9:6.1f}")


def _card(free: float) -> DeviceMemory:
    return DeviceMemory(free, bytes_each=2, apart=True)
