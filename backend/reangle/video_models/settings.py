# SPDX-License-Identifier: Apache-2.0
"""How a video model samples. Imports no torch."""

from __future__ import annotations

from pydantic.dataclasses import dataclass

from reangle.runtime.stage import STRICT


@dataclass(frozen=True, config=STRICT)
class SamplingSettings:
    """Defaults are Reangle-A-Video's: 50 steps, guidance 6 that grows from 1 as the noise falls (dynamic).

    A model without dynamic guidance uses constant guidance.
    """

    steps: int = 50
    guidance: float = 6.0
    dynamic_guidance: bool = True
