# SPDX-License-Identifier: Apache-2.0
"""The small decoder beside an image model (`AutoencoderTiny`), which shows its latents fast."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reangle.weights.pipelines import open_network

FOLDER = "tiny_decoder"
"""Of the small decoder within a checkpoint's folder."""


def open_sketcher(folder: Path, device: str) -> Any:
    """The `AutoencoderTiny` in a checkpoint's folder; None if there is none. Raises UserError for a damaged one."""
    place = folder / FOLDER
    if not (place / "config.json").is_file():
        return None
    from diffusers import AutoencoderTiny

    opened: Any = open_network(AutoencoderTiny, place, device, "Copy the small decoder's folder again, or remove it.")
    return opened.to(device)
