# SPDX-License-Identifier: Apache-2.0
"""Run a stage with an image model in the free memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from reangle.image_models.memory import IMAGE_TIERS, ImageTier, choose_image_tier, opening_bytes
from reangle.image_models.registry import image_model_class
from reangle.runtime.stage import StageContext
from reangle.weights.identity import split_checkpoints
from reangle.weights.registry import kind_of
from reangle.weights.tiers import check_main_memory, device_memory, in_tiers, reported

WHAT = "image model"
NOTED = "image_memory.json"
"""In a stage's unfinished folder: the tier to use, once another one did not fit."""


def in_image_tier(
    context: StageContext[Any, Any], checkpoint: str, candidates: int, work: Callable[[ImageTier], None]
) -> None:
    """Do the stage's work, which opens this checkpoint, in the fastest tier that fits. candidates: of a step.

    Raises as `in_tiers` does, which a stage passes on: RunAgainError restarts it in a fresh process.
    """
    assert context.unfinished is not None

    def choose() -> ImageTier:
        folder, *beside = map(Path, split_checkpoints(checkpoint))
        device = device_memory()
        size = image_model_class(kind_of(folder)).size_of(folder, beside, bytes_each=device.bytes_each)
        main = float(psutil.virtual_memory().available + psutil.swap_memory().free)
        if device.apart:
            check_main_memory(opening_bytes(size, IMAGE_TIERS[-1], device), WHAT)
        return reported(IMAGE_TIERS, choose_image_tier(size, candidates, device, main), device, context.report, WHAT)

    in_tiers(IMAGE_TIERS, context.unfinished / NOTED, choose, work, WHAT)
