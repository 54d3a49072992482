# SPDX-License-Identifier: Apache-2.0
"""What running a stage asks of the weights on this machine."""

from __future__ import annotations

from reangle.weights.identity import checkpoint_hash
from reangle.weights.registry import check_weights


class InstalledWeights:
    """The `Weights` of `reangle.runtime.execute`."""

    def checkpoint_hash(self, checkpoint: str) -> str:
        return checkpoint_hash(checkpoint) if checkpoint else ""

    def check_weights(self, checkpoint: str) -> None:
        check_weights(checkpoint)
