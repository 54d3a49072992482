# SPDX-License-Identifier: Apache-2.0
"""Default settings for learning and generating, for each suite. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """Fields as in `contract.ReangleSettings`. The defaults are the paper's for CogVideoX-5B (Reangle-A-Video, section
    4): one phase of 400 steps (here the shared one), no warp guidance and no preview fill. Steps are for each window of
    the model's length.
    """

    shared_steps: int = 400
    path_steps: int = 100
    rank: int = 128
    alpha: float = 128.0
    rate: float = 1e-4
    sampling_steps: int = 50
    guidance: float = 6.0
    dynamic_guidance: bool = False
    warp_guidance: float = 0.0
    fill_share: float = 0.0

    @property
    def learned_rank(self) -> int | None:
        """Rank of the LoRA; None if nothing is learned."""
        return self.rank if self.shared_steps or self.path_steps else None


@dataclass(frozen=True)
class Pace:
    """Approximate seconds for parts of a job on the suite's target machine, for the progress estimate.

    frame: warp and encode one frame. step: one training step. sample: one sampling step, per frame. window: frames that
    the model makes at once. group: frames of one latent.
    """

    frame: float
    step: float
    sample: float
    window: int
    group: int = 4


RECIPES = {
    "mini": Recipe(
        shared_steps=0,
        path_steps=5,
        rank=32,
        alpha=32.0,
        rate=3e-3,
        sampling_steps=8,
        guidance=1.0,
        warp_guidance=1.0,
        fill_share=0.7,
    ),
    # Wan's authors sample with guidance 5.
    "wan2.2-5b": Recipe(guidance=5.0),
    # VACE was trained on warped clips, so it learns nothing of this one.
    **dict.fromkeys(("wan-vace-1.3b", "wan-vace-14b"), Recipe(shared_steps=0, path_steps=0, guidance=5.0)),
}
"""By suite; other suites use the paper's settings."""


def recipe_named(suite: str) -> Recipe:
    """The default settings of a suite, or of a folder's weights."""
    return RECIPES.get(suite.casefold(), Recipe())


PACES = {"mini": Pace(frame=0.14, step=0.16, sample=0.02, window=25)}
"""By suite, on two cores."""
LARGE = Pace(frame=0.05, step=4.0, sample=0.05, window=49)
"""For all other suites, on one large GPU: `sample` is measured (H200, scripts/bench/full_size.py), the rest not."""
