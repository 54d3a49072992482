# SPDX-License-Identifier: Apache-2.0
"""How a video model samples. Imports no torch."""

from __future__ import annotations

from pydantic.dataclasses import dataclass

from reangle.runtime.stage import STRICT


@dataclass(frozen=True, config=STRICT)
class SamplingSettings:
    """Defaults are Reangle-A-Video's: 50 steps, constant guidance 6.

    dynamic_guidance: change the guidance from step to step, as diffusers does it for CogVideoX: it jumps up and down,
    because its formula mixes times up to 999 with the count of steps. Other models ignore it.
    """

    steps: int = 50
    guidance: float = 6.0
    dynamic_guidance: bool = False
