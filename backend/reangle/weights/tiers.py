# SPDX-License-Identifier: Apache-2.0
"""Run a model in the free memory: the fastest tier that fits, and anew in the next if memory runs out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import psutil
import torch

from reangle.errors import RunAgainError, UserError
from reangle.runtime.allocator import keep_freed_memory
from reangle.runtime.data_folder import write_atomically
from reangle.weights.memory_errors import is_out_of_memory
from reangle.weights.sizes import DeviceMemory


class NamedTier(Protocol):
    """One way to run a model. words: a description for logs and manifests."""

    @property
    def name(self) -> str: ...

    @property
    def words(self) -> str: ...


Tier = TypeVar("Tier", bound=NamedTier)


def device_memory() -> DeviceMemory:
    """The GPU's memory if there is one, else the machine's."""
    if torch.cuda.is_available():
        return DeviceMemory(float(torch.cuda.mem_get_info()[0]), 2, apart=True)
    return DeviceMemory(float(psutil.virtual_memory().available), 4, apart=False)


def in_tiers(
    tiers: Sequence[Tier],
    noted: Path,
    choose: Callable[[], Tier],
    work: Callable[[Tier], None],
    what: str,
    drop_unfinished: Callable[[], None] = lambda: None,
) -> None:
    """Do the work in the tier that was noted after memory ran out, else in the one that `choose` gives.

    tiers: the fastest first. noted: the file of that note. what: "video model", for messages. drop_unfinished: forgets
    what another tier began. Raises RunAgainError when memory runs out, after noting the next tier; UserError when there
    is no next tier.
    """
    named = {tier.name: tier for tier in tiers}
    tier = named[json.loads(noted.read_text(encoding="utf-8"))["tier"]] if noted.exists() else choose()
    if not torch.cuda.is_available():
        keep_freed_memory()
    try:
        work(tier)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        place = tiers.index(tier) + 1
        if place == len(tiers):
            raise UserError(
                f"There is not enough memory for this {what}, even with its weights in 4 bits.",
                advice="Close other programs, or choose the suite mini.",
            ) from error
        below = tiers[place]
        drop_unfinished()
        write_atomically(noted, json.dumps({"tier": below.name}).encode())
        raise RunAgainError(f"Memory ran out; the stage restarts with less: {below.words}.") from error


def reported(
    tiers: Sequence[Tier],
    fitting: Tier | None,
    device: DeviceMemory,
    report: Callable[[float, str], None],
    what: str,
) -> Tier:
    """The fitting tier, else the last one; a note for the artist says so unless it is the fastest."""
    free = f"{device.free / 1e9:.1f} GB"
    if fitting is None:
        report(0.0, f"Only {free} of memory are free, which may be too little for this {what}.")
        return tiers[-1]
    if fitting is not tiers[0]:
        report(0.0, f"{free} of memory are free; to save some: {fitting.words}.")
    return fitting


def check_main_memory(needed: float, what: str) -> None:
    """Raises UserError if main memory, with swap, has not this many bytes free to open a model."""
    free = psutil.virtual_memory().available + psutil.swap_memory().free
    if free < needed:
        raise UserError(
            f"Opening this {what} takes {needed / 1e9:.1f} GB of main memory, and {free / 1e9:.1f} GB are free.",
            advice="Close other programs, enlarge the system's swap, or choose the suite mini.",
        )
