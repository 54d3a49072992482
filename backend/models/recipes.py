# SPDX-License-Identifier: Apache-2.0
"""How each suite's video model wants to learn and to generate, where the artist does not say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """Fields as in `contract.ReangleSettings`. The defaults are the paper's for CogVideoX-5B (Reangle-A-Video, section
    4); it has one phase of 400 steps, here the shared one, and nothing is held or mixed in.
    """

    shared_steps: int = 400
    path_steps: int = 100
    rank: int = 128
    alpha: float = 128.0
    rate: float = 1e-4
    sampling_steps: int = 50
    guidance: float = 6.0
    dynamic_guidance: bool = True
    warp_guidance: float = 0.0
    fill_share: float = 0.0


RECIPES = {
    "mini": Recipe(
        shared_steps=60,
        path_steps=100,
        rank=32,
        alpha=32.0,
        rate=3e-3,
        sampling_steps=8,
        guidance=1.0,
        dynamic_guidance=False,
        warp_guidance=1.0,
        fill_share=0.7,
    ),
}
"""By suite; the paper's serves all others."""
