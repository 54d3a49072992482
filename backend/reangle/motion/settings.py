# SPDX-License-Identifier: Apache-2.0
"""How motion is learned."""

from __future__ import annotations

from pydantic.dataclasses import dataclass

from reangle.runtime.stage import STRICT


@dataclass(frozen=True, config=STRICT)
class LearningSettings:
    """Defaults are the paper's (Reangle-A-Video, section 4 and its published code).

    steps: of the optimizer, for each window that a path's frames fill; each takes `accumulation` clips. rank, alpha: of
    the LoRA. rate: constant. image_dropout: share of draws without the first frame, for models that run without one.
    seed: decides the LoRA's first weights and every draw.
    """

    steps: int = 400
    rank: int = 128
    alpha: float = 128.0
    rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 1e-3
    gradient_clip: float = 1.0
    accumulation: int = 1
    image_dropout: float = 0.05
    seed: int = 42
    save_every: int = 50
