# SPDX-License-Identifier: Apache-2.0
"""Open a diffusers pipeline or network from a checkpoint's folder, on this machine alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from reangle.errors import UserError
from reangle.weights.devices import dtype_for
from reangle.weights.memory_errors import is_out_of_memory


def pipeline_class(name: str) -> Any:
    """A pipeline's class in diffusers. Importing it warns that torchvision is missing, which nothing here needs."""
    import diffusers
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        return getattr(diffusers, name)
    finally:
        logging.set_verbosity(before)


def open_pipeline(
    pipeline: Any,
    folder: Path,
    device: str,
    dtype: torch.dtype | None = None,
    precise: Sequence[str] = (),
    **parts: None,
) -> Any:
    """An instance of a pipeline class in main memory: bfloat16 for a GPU, float32 for a CPU, or `dtype`.

    precise: parts that are float32 in any case. parts: those to leave out. Raises UserError if the folder does not hold
    one.
    """
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    for library in (diffusers_logging, transformers_logging):
        library.disable_progress_bar()
    chosen = dtype or dtype_for(device)
    dtypes = {"default": chosen, **dict.fromkeys(precise, torch.float32)} if precise else chosen
    opened = _opened(pipeline, folder, dtypes, "Copy all of its folders again.", parts)
    opened.set_progress_bar_config(disable=True)
    return opened


def open_network(network: Any, folder: Path, device: str, advice: str) -> Any:
    """An instance of a diffusers network class in main memory, typed as by `open_pipeline`, frozen.

    Raises UserError with this advice if the folder does not hold one.
    """
    return _opened(network, folder, dtype_for(device), advice, {}).eval().requires_grad_(False)


def _opened(
    kind: Any, folder: Path, dtype: torch.dtype | dict[str, torch.dtype], advice: str, parts: Mapping[str, None]
) -> Any:
    try:
        return kind.from_pretrained(folder, dtype=dtype, local_files_only=True, **parts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        reason = str(error).splitlines()[0] if str(error) else repr(error)
        raise UserError(f"The checkpoint {folder} cannot be opened: {reason}.", advice=advice) from error
