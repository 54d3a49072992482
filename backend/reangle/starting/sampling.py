# SPDX-License-Identifier: Apache-2.0
"""Sample an image model, choosing between candidates: stochastic control guidance.

Method: Huang et al., Symbolic Music Generation with Non-Differentiable Rule Guided Diffusion (stochastic control
guidance), ICML 2024, as in Reangle-A-Video, section 3.3, in the terms of rectified flows.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from reangle.image_models.base import Conditions, Held, ImageModel

Scores = Callable[[np.ndarray], np.ndarray]
"""n x h x w x 3 uint8 pictures -> n floats, higher where a picture agrees better with the views before it."""


@dataclass(frozen=True)
class Sampling:
    """How a picture is sampled.

    steps: of denoising. candidates: S, drawn in each guided step; 1 is plain stochastic sampling. fresh_noise: h, the
    share of fresh noise in each guided step's noise, 0 to 1; 0 is deterministic, and so guides nothing. guided_from,
    guided_to: shares of the denoising between which steps are guided.
    """

    steps: int
    candidates: int
    fresh_noise: float
    guided_from: float = 0.0
    guided_to: float = 1.0

    @classmethod
    def plain(cls, steps: int) -> Sampling:
        """Deterministic, without candidates."""
        return cls(steps, candidates=1, fresh_noise=0.0)

    def is_guided(self, step: int) -> bool:
        """Whether a step, from 0, draws candidates. The last one has nothing to choose between."""
        place = step / self.steps
        return self.fresh_noise > 0 and self.guided_from <= place < self.guided_to and step < self.steps - 1

    @property
    def guided_steps(self) -> int:
        return sum(map(self.is_guided, range(self.steps)))


@dataclass(eq=False)
class Trace:
    """What guidance did. scores: of each guided step's candidates. calls: of the network, for one candidate each."""

    scores: list[list[float]] = field(default_factory=list[list[float]])
    chosen: list[int] = field(default_factory=list[int])
    calls: int = 0


def sample(
    model: ImageModel,
    conditions: Conditions,
    width: int,
    height: int,
    sampling: Sampling,
    seed: int,
    scores: Scores | None = None,
    report: Callable[[float], None] = lambda share: None,
) -> tuple[torch.Tensor, Trace]:
    """Clean latents of a picture, 1 x c x h x w, and what guidance did.

    In a guided step S candidates of the next latents are drawn. Each goes through the network once, which gives both
    the estimate of its clean picture that is scored and the velocity from which the next step goes on, so that an
    unguided step costs one call and a guided one S. scores: None draws a single candidate. The seed decides all.
    """
    random = torch.Generator().manual_seed(seed)
    noise = torch.randn((1, *model.latent_shape(width, height)), generator=random)
    levels = model.noise_levels(sampling.steps, width, height)
    latents, trace = noise * levels[0], Trace()
    velocity: torch.Tensor | None = None
    for step, (level, following) in enumerate(itertools.pairwise(levels)):
        if velocity is None:
            velocity = model.velocity(latents, level, conditions)
            trace.calls += 1
        clean, noisy = latents - level * velocity, latents + (1 - level) * velocity
        if not sampling.is_guided(step):
            latents = hold((1 - following) * clean + following * noisy, following, conditions.held, noise)
            velocity = None
        else:
            count = sampling.candidates if scores is not None else 1
            kept = (1 - sampling.fresh_noise**2) ** 0.5
            fresh = torch.randn((count, *latents.shape[1:]), generator=random)
            mixed = kept * noisy + sampling.fresh_noise * fresh
            drawn = hold((1 - following) * clean + following * mixed, following, conditions.held, noise)
            velocities = model.velocity(drawn, following, conditions)
            trace.calls += count
            best = 0
            if scores is not None and count > 1:
                judged = scores(model.sketch(drawn - following * velocities))
                best = int(np.argmax(judged))
                trace.scores.append([float(score) for score in judged])
                trace.chosen.append(best)
            latents, velocity = drawn[best : best + 1], velocities[best : best + 1]
        report((step + 1) / sampling.steps)
    return latents, trace


def hold(latents: torch.Tensor, level: float, held: Held | None, noise: torch.Tensor) -> torch.Tensor:
    """The latents with known ones in their place, under noise of this level; unchanged where the model holds none."""
    if held is None:
        return latents
    known = (1 - level) * held.latents.to(latents) + level * noise.to(latents)
    return torch.where(held.hole.to(latents.device), latents, known)
