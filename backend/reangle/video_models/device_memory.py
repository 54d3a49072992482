# SPDX-License-Identifier: Apache-2.0
"""Run a stage in the free memory: choose a tier, and restart with the next one if memory runs out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import torch

from reangle.errors import RunAgainError, UserError
from reangle.folders import UnfinishedLearning
from reangle.runtime.allocator import keep_freed_memory
from reangle.runtime.data_folder import write_atomically
from reangle.runtime.stage import StageContext
from reangle.video_models.base import VideoModel
from reangle.video_models.memory import TIERS, DeviceMemory, Tier, choose_tier, opening_bytes, tier_below, tier_named
from reangle.weights.memory_errors import is_out_of_memory


def device_memory() -> DeviceMemory:
    """The GPU's memory if there is one, else the machine's."""
    if torch.cuda.is_available():
        return DeviceMemory(float(torch.cuda.mem_get_info()[0]), 2, apart=True)
    return DeviceMemory(float(psutil.virtual_memory().available), 4, apart=False)


def in_tier(context: StageContext[Any, Any], model: type[VideoModel], rank: int, work: Callable[[Tier], None]) -> None:
    """Do the stage's work in the fastest tier that fits the model. rank: of the LoRA to train, 0 for none.

    Raises RunAgainError when memory runs out, after noting the next tier and dropping the unfinished training;
    UserError when there is no next tier.
    """
    assert context.unfinished is not None
    unfinished = UnfinishedLearning(context.unfinished)
    noted = unfinished.tier_file
    known = noted.exists()
    tier = tier_named(json.loads(noted.read_text(encoding="utf-8"))["tier"]) if known else _choose(context, model, rank)
    if not torch.cuda.is_available():
        keep_freed_memory()
    try:
        work(tier)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        below = tier_below(tier)
        if below is None:
            raise UserError(
                "There is not enough memory for this video model, even with its weights in 4 bits.",
                advice="Close other programs, or choose the suite mini.",
            ) from error
        # A training from another tier is not the one that this tier would give.
        unfinished.training.unlink(missing_ok=True)
        write_atomically(noted, json.dumps({"tier": below.name}).encode())
        raise RunAgainError(f"Memory ran out; the stage restarts with less: {below.words}.") from error


def _choose(context: StageContext[Any, Any], model: type[VideoModel], rank: int) -> Tier:
    device = device_memory()
    size = model.size_of(Path(context.checkpoint), bytes_each=device.bytes_each)
    if device.apart:
        _check_main_memory(opening_bytes(size, device))
    tier = choose_tier(size, rank, device)
    free = f"{device.free / 1e9:.1f} GB"
    if tier is None:
        tier = TIERS[-1]
        context.report(0.0, f"Only {free} of memory are free, which may be too little for this video model.")
    elif tier is not TIERS[0]:
        context.report(0.0, f"{free} of memory are free; to save some: {tier.words}.")
    return tier


def _check_main_memory(needed: float) -> None:
    free = psutil.virtual_memory().available + psutil.swap_memory().free
    if free < needed:
        raise UserError(
            f"Opening this video model takes {needed / 1e9:.1f} GB of main memory, and {free / 1e9:.1f} GB are free.",
            advice="Close other programs, enlarge the system's swap, or choose the suite mini.",
        )
