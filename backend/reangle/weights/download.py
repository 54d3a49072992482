# SPDX-License-Identifier: Apache-2.0
"""Weights from the Hugging Face hub: its cache on this machine, and downloads."""

from __future__ import annotations

from pathlib import Path

from reangle.errors import UserError
from reangle.weights.checkpoints import Checkpoint, Role

WITHOUT: dict[Role, str] = {
    "geometry": "Without it, geometry `mini` works, and depth from files (geometry `files`: EXR Z, 16-bit PNG or npz)",
    "video": "Without it, the engine `preview` works, which needs no weights",
    "image": "Without it, the engine `preview` works, which needs no weights",
}
"""What works without a checkpoint of each role."""


def in_hub_cache(hub: str, known: Checkpoint | None) -> Path | None:
    """The newest complete snapshot in the hub's cache; never asks the network."""
    if hub.count("/") != 1:
        return None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = try_to_load_from_cache(hub, known.files[0] if known else "config.json")
    except HFValidationError:
        return None
    return Path(cached).parent if isinstance(cached, str) else None


def download(hub: str, known: Checkpoint | None) -> Path | None:
    """Download a repository into the hub's cache; None if `hub` is no repository's name. Raises UserError."""
    if hub.count("/") != 1:
        return None
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(hub, allow_patterns=list(known.files) if known else ["*.json", "*.safetensors"]))
    except Exception as error:  # any of the hub's, the network's or the disk's errors
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        without = WITHOUT[known.kind.role if known else "geometry"]
        raise UserError(
            f"{hub} could not be downloaded: {reason}.",
            advice=f"Check the network, or copy the files by hand. {without}.",
        ) from error
