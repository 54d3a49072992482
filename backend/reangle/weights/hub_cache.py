# SPDX-License-Identifier: Apache-2.0
"""Weights in the Hugging Face hub's cache on this machine. Never asks the network."""

from __future__ import annotations

from pathlib import Path

from reangle.weights.checkpoints import Checkpoint


def in_hub_cache(hub: str, known: Checkpoint | None) -> Path | None:
    """The newest complete snapshot of a repository, under any of its names."""
    for name in (hub, *(known.former_hubs if known else ())):
        if name.count("/") == 1 and (folder := _snapshot(name, known)):
            return folder
    return None


def _snapshot(hub: str, known: Checkpoint | None) -> Path | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = try_to_load_from_cache(hub, known.files[0] if known else "config.json")
    except HFValidationError:
        return None
    return Path(cached).parent if isinstance(cached, str) else None
