# SPDX-License-Identifier: Apache-2.0
"""Run a stage with a video model in the free memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from reangle.folders import UnfinishedLearning
from reangle.runtime.stage import StageContext
from reangle.video_models.base import VideoModel
from reangle.video_models.memory import TIERS, Tier, choose_tier, opening_bytes
from reangle.weights.tiers import check_main_memory, device_memory, in_tiers, reported

WHAT = "video model"


def in_tier(
    context: StageContext[Any, Any], model: type[VideoModel], rank: int | None, work: Callable[[Tier], None]
) -> None:
    """Do the stage's work in the fastest tier that fits the model.

    rank: of the LoRA to train, 0 for one that is trained, None for none.

    Raises RunAgainError when memory runs out, after noting the next tier and dropping the unfinished training;
    UserError when there is no next tier.
    """
    assert context.unfinished is not None
    unfinished = UnfinishedLearning(context.unfinished)

    def drop() -> None:
        # A training from another tier is not the one that this tier would give.
        unfinished.training.unlink(missing_ok=True)

    in_tiers(TIERS, unfinished.tier_file, lambda: _choose(context, model, rank), work, WHAT, drop)


def _choose(context: StageContext[Any, Any], model: type[VideoModel], rank: int | None) -> Tier:
    device = device_memory()
    size = model.size_of(Path(context.checkpoint), bytes_each=device.bytes_each)
    if device.apart:
        check_main_memory(opening_bytes(size, device), WHAT)
    return reported(TIERS, choose_tier(size, rank, device), device, context.report, WHAT)
