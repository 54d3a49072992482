# SPDX-License-Identifier: Apache-2.0
"""The small decoder beside an image model (`AutoencoderTiny`), which shows its latents fast."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reangle.errors import UserError
from reangle.weights.pipelines import dtype_for

FOLDER = "tiny_decoder"
"""Of the small decoder within a checkpoint's folder."""


def open_sketcher(folder: Path, device: str) -> Any:
    """The `AutoencoderTiny` in a checkpoint's folder; None if there is none. Raises UserError for a damaged one."""
    place = folder / FOLDER
    if not (place / "config.json").is_file():
        return None
    from diffusers import AutoencoderTiny

    try:
        opened: Any = AutoencoderTiny.from_pretrained(place, dtype=dtype_for(device), local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else repr(error)
        raise UserError(
            f"The small decoder {place} cannot be opened: {reason}.", advice="Copy its folder again, or remove it."
        ) from error
    return opened.eval().requires_grad_(False).to(device)
