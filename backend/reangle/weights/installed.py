# SPDX-License-Identifier: Apache-2.0
"""Identity and integrity of the weights on this machine, for the runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reangle.runtime.stage import ignore_progress
from reangle.weights.checkpoints import size_in_words
from reangle.weights.identity import checkpoint_hash, known_checkpoint_hash
from reangle.weights.registry import check_weights

LARGE_BYTES = 500_000_000
"""Below this, reading weights takes too little time to be mentioned."""


class InstalledWeights:
    """The `Weights` of `reangle.runtime.execute`. data: the data folder."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def known_hash(self, checkpoint: str) -> str | None:
        return known_checkpoint_hash(checkpoint, self._data) if checkpoint else ""

    def checkpoint_hash(self, checkpoint: str, report: Callable[[float, str], None] = ignore_progress) -> str:
        if not checkpoint:
            return ""
        mentioned = False

        def on_bytes(done: int, total: int) -> None:
            nonlocal mentioned
            mention = total >= LARGE_BYTES and not mentioned
            mentioned |= mention
            message = f"Reads {size_in_words(total)} of weights, once, to identify them." if mention else ""
            report(done / max(total, 1), message)

        return checkpoint_hash(checkpoint, self._data, report=on_bytes)

    def check_weights(self, checkpoint: str) -> None:
        check_weights(checkpoint)
