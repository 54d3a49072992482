# SPDX-License-Identifier: Apache-2.0
"""Open a diffusers pipeline from a checkpoint's folder, on this machine alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from reangle.errors import UserError
from reangle.weights.memory_errors import is_out_of_memory


def default_device() -> str:
    """The GPU if there is one, else the CPU."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def dtype_for(device: str) -> torch.dtype:
    """What weights are opened as: bfloat16 for a GPU, float32 for a CPU."""
    return torch.bfloat16 if device == "cuda" else torch.float32


def open_pipeline(pipeline: Any, folder: Path, device: str, **parts: None) -> Any:
    """An instance of a pipeline class in main memory: bfloat16 for a GPU, float32 for a CPU.

    parts: those to leave out. Raises UserError if the folder does not hold one.
    """
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    for library in (diffusers_logging, transformers_logging):
        library.disable_progress_bar()
    try:
        opened = pipeline.from_pretrained(folder, dtype=dtype_for(device), local_files_only=True, **parts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        reason = str(error).splitlines()[0] if str(error) else repr(error)
        raise UserError(
            f"The checkpoint {folder} cannot be opened: {reason}.", advice="Copy all of its folders again."
        ) from error
    opened.set_progress_bar_config(disable=True)
    return opened
