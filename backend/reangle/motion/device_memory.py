# SPDX-License-Identifier: Apache-2.0
"""Running a stage in as much memory as there is: choose a tier, and begin again with the next one if that runs out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import torch

from reangle.errors import RunAgainError, UserError
from reangle.folders import UnfinishedLearning
from reangle.runtime.data_folder import write_atomically
from reangle.runtime.stage import StageContext
from reangle.weights.memory import TIERS, DeviceMemory, Tier, choose_tier, size_of, tier_below, tier_named


def device_memory() -> DeviceMemory:
    """Of the device that models run on: the GPU if there is one, else the machine."""
    if torch.cuda.is_available():
        return DeviceMemory(float(torch.cuda.mem_get_info()[0]), 2, apart=True)
    return DeviceMemory(float(psutil.virtual_memory().available), 4, apart=False)


def in_tier(context: StageContext[Any, Any], rank: int, work: Callable[[Tier], None]) -> None:
    """Do the stage's work in the fastest tier that fits.

    Raises RunAgainError when memory runs out, having noted the next tier and dropped what was begun; UserError when
    there is no next one.
    """
    assert context.unfinished is not None
    unfinished = UnfinishedLearning(context.unfinished)
    noted = unfinished.tier_file
    known = noted.exists()
    tier = tier_named(json.loads(noted.read_text(encoding="utf-8"))["tier"]) if known else _choose(context, rank)
    try:
        work(tier)
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        below = tier_below(tier)
        if below is None:
            raise UserError(
                "There is not enough memory for this video model, not even with its weights in 4 bits.",
                advice="Close other programs, or choose the suite mini.",
            ) from error
        # What another tier has learned so far is not what this one would have.
        unfinished.training.unlink(missing_ok=True)
        write_atomically(noted, json.dumps({"tier": below.name}).encode())
        raise RunAgainError(f"Memory ran out; it begins again with less: {below.words}.") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device, or the machine, has no memory left."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)


def _choose(context: StageContext[Any, Any], rank: int) -> Tier:
    device = device_memory()
    tier = choose_tier(size_of(Path(context.checkpoint), bytes_each=device.bytes_each), rank, device)
    free = f"{device.free / 1e9:.1f} GB"
    if tier is None:
        tier = TIERS[-1]
        context.report(0.0, f"{free} are free, which may be too little for this video model.")
    elif tier is not TIERS[0]:
        context.report(0.0, f"{free} are free, so memory is saved: {tier.words}.")
    return tier
