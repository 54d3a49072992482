# SPDX-License-Identifier: Apache-2.0
"""Train a video model's LoRA on one scene's clips."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.autograd.graph import save_on_cpu
from torch.utils.checkpoint import checkpoint

from reangle.motion.checkpoint import resume_training, save_training
from reangle.motion.examples import Example
from reangle.motion.loss import masked_loss
from reangle.motion.settings import LearningSettings
from reangle.video_models.base import VideoModel
from reangle.video_models.memory import TIERS, Tier
from reangle.video_models.precision import keep_float32
from reangle.video_models.quantized import adam

MEASURED_DRAWS = 4
"""Draws of which the loss is measured now and then. They never change, so what differs is what was learned."""
MOST_MEASURED, LEAST_MEASURED = 12, 3
"""How often, after the first time; a measurement takes as long as one or two steps."""


@dataclass(frozen=True)
class Progress:
    """After a step: its number from 1, the loss on fixed draws as last measured and as measured before the first step,
    steps per second since this process started, seconds left.
    """

    step: int
    loss: float
    first_loss: float
    rate: float
    eta_s: float


@dataclass(frozen=True)
class Learned:
    """losses: of each step, each on other draws. curve: (steps done, loss on the same draws each time), from step 0."""

    losses: list[float]
    curve: list[tuple[int, float]]


@dataclass(frozen=True, eq=False)
class Draw:
    """The random choices for one clip of one step.

    clip, variant: indices. shows_condition: whether the model gets it, if it can run without. time: as
    `VideoModel.training_time` takes it. noise: in the shape of the clip's latents.
    """

    clip: int
    variant: int
    shows_condition: bool
    time: int
    noise: torch.Tensor


def draw(examples: Sequence[Example], settings: LearningSettings, number: int, times: int) -> Draw:
    """Draw `number` of a training; it depends on the seed and the number alone, so a broken run resumes exactly.

    Every clip is used once before any repeats. times: of the model's training.
    """
    round_, place = divmod(number, len(examples))
    clip = int(np.random.default_rng([settings.seed, round_]).permutation(len(examples))[place])
    rng = np.random.default_rng([settings.seed, 1, number])
    shape = tuple(examples[clip].latents.shape)
    return Draw(
        clip=clip,
        variant=int(rng.integers(len(examples[clip].conditions))),
        shows_condition=bool(rng.random() >= settings.image_dropout),
        time=int(rng.integers(times)),
        noise=torch.from_numpy(rng.standard_normal(shape, np.float32)),
    )


def fixed_draws(examples: Sequence[Example], settings: LearningSettings, times: int) -> list[Draw]:
    """The draws of which the loss is measured: of clips and times spread over all there are, with the condition."""
    draws = []
    for index in range(MEASURED_DRAWS):
        clip = index * len(examples) // MEASURED_DRAWS
        rng = np.random.default_rng([settings.seed, 2, index])
        noise = torch.from_numpy(rng.standard_normal(tuple(examples[clip].latents.shape), np.float32))
        draws.append(Draw(clip, 0, True, (2 * index + 1) * times // (2 * MEASURED_DRAWS), noise))
    return draws


@torch.no_grad()
def fixed_loss(model: VideoModel, examples: Sequence[Example], draws: Sequence[Draw]) -> float:
    """The mean loss of these draws."""
    return float(np.mean([float(clip_loss(model, examples[one.clip], one)) for one in draws]))


def learn(
    model: VideoModel,
    examples: Sequence[Example],
    settings: LearningSettings,
    saved: Path,
    report: Callable[[Progress], None],
    tier: Tier = TIERS[0],
) -> Learned:
    """Train the LoRA that `add_adapter` put on the model.

    saved: the file of the unfinished training, resumed from if it exists. tier: how to save memory. Raises
    FloatingPointError if the loss is not finite.
    """
    transformer = model.transformer
    trained = [weights for weights in transformer.parameters() if weights.requires_grad]
    optimizer = adam(
        trained,
        small=tier.small_moments,
        lr=settings.rate,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
    )
    losses, curve = resume_training(saved, transformer, optimizer)
    draws = fixed_draws(examples, settings, model.times)
    gap = -(-settings.steps // min(MOST_MEASURED, max(LEAST_MEASURED, settings.steps // 10)))
    recompute(model, tier.recomputed)
    if transformer.device.type == "cpu":
        for layer in model.float32_layers:
            keep_float32(layer)
    if not curve:
        curve.append((0, fixed_loss(model, examples, draws)))
    transformer.train()
    started, before = time.monotonic(), len(losses)
    while len(losses) < settings.steps:
        step = len(losses)
        total = 0.0
        for part in range(settings.accumulation):
            number = step * settings.accumulation + part
            chosen = draw(examples, settings, number, model.times)
            with save_on_cpu(pin_memory=transformer.device.type == "cuda") if tier.parked else nullcontext():
                loss = clip_loss(model, examples[chosen.clip], chosen) / settings.accumulation
            loss.backward()
            total += loss.item()
        if not np.isfinite(total):
            raise FloatingPointError(f"the loss of step {step + 1} is {total}")
        torch.nn.utils.clip_grad_norm_(trained, settings.gradient_clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(total)
        done = len(losses)
        if done % gap == 0 or done == settings.steps:
            transformer.eval()
            curve.append((done, fixed_loss(model, examples, draws)))
            transformer.train()
        if done % settings.save_every == 0 and done < settings.steps:
            save_training(saved, transformer, optimizer, losses, curve)
        rate = (done - before) / max(time.monotonic() - started, 1e-6)
        report(Progress(done, curve[-1][1], curve[0][1], rate, (settings.steps - done) / rate))
    transformer.eval()
    return Learned(losses, curve)


def recompute(model: VideoModel, share: float) -> None:
    """Recompute the activations of this share of the layers in the backward pass: 0, or 1 / n for every n-th layer."""
    if share == 1:
        model.transformer.enable_gradient_checkpointing()
    elif share:
        for layer in model.layers[:: round(1 / share)]:
            layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)


def clip_loss(model: VideoModel, example: Example, chosen: Draw) -> torch.Tensor:
    """The loss of one clip for one draw, without the model's conditions."""
    noised = NoisedClip.of(model, example, chosen)
    prediction = predict(model, example, chosen, noised)
    target = model.target(noised.clean, noised.noise, noised.time)
    mask = example.mask & ~model.is_condition(len(example.mask))[:, None, None]
    return masked_loss(prediction, target, mask[None].to(prediction.device))


@dataclass(frozen=True, eq=False)
class NoisedClip:
    """A clip under a draw's noise, on the model's device, its conditions clean.

    clean, noise, noisy: 1 x frames x c x h x w. time: one element.
    """

    clean: torch.Tensor
    noise: torch.Tensor
    noisy: torch.Tensor
    time: torch.Tensor

    @classmethod
    def of(cls, model: VideoModel, example: Example, chosen: Draw) -> NoisedClip:
        device, time = model.transformer.device, model.training_time(chosen.time)
        clean, noise = example.latents[None].float().to(device), chosen.noise[None].to(device)
        is_condition = model.is_condition(len(example.latents)).to(device)[None, :, None, None, None]
        return cls(clean, noise, torch.where(is_condition, clean, model.add_noise(clean, noise, time)), time)


def predict(model: VideoModel, example: Example, chosen: Draw, noised: NoisedClip) -> torch.Tensor:
    """The model's prediction for one clip under one draw, 1 x frames x c x h x w, in mixed precision."""
    device = noised.noisy.device
    is_shown = chosen.shows_condition or model.needs_condition
    condition = example.conditions[chosen.variant].float().to(device) if is_shown else None
    with torch.autocast(device.type, dtype=torch.bfloat16):
        return model.predict(noised.noisy, noised.time, condition, example.prompt.to(device))
