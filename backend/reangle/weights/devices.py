# SPDX-License-Identifier: Apache-2.0
"""The device that models run on, and the precision of their weights there."""

from __future__ import annotations

import torch


def default_device() -> str:
    """The GPU if there is one, else the CPU."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def dtype_for(device: str) -> torch.dtype:
    """What weights are opened as: bfloat16 for a GPU, float32 for a CPU."""
    return torch.bfloat16 if device == "cuda" else torch.float32
