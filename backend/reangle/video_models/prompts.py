# SPDX-License-Identifier: Apache-2.0
"""Read prompts before the video model is opened, with the part of its checkpoint that is needed for that alone."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path

import torch

from reangle.video_models.base import Prompt, TextEncoder, Truncation
from reangle.video_models.memory import TIERS, Tier
from reangle.weights.devices import default_device, dtype_for


def read_prompts(
    text: type[TextEncoder], folder: Path, prompts: Sequence[str], tier: Tier = TIERS[0]
) -> tuple[list[Prompt], Truncation | None]:
    """Each prompt as the model reads it, and what it does not read of the longest. folder: of the checkpoint.

    The encoder's memory is free afterwards.
    """
    device = default_device()
    # What waits in main memory keeps the precision of the device, and half of the size.
    encoder = text.open(folder, "cpu" if tier.prompts_apart else device, dtype_for(device))
    empty = encoder.encode("")
    known = {prompt: Prompt(encoder.encode(prompt), empty) for prompt in dict.fromkeys(prompts)}
    truncation = encoder.truncation(max(prompts, key=len))
    del encoder
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return [known[prompt] for prompt in prompts], truncation
