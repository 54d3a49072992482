# SPDX-License-Identifier: Apache-2.0
"""Teaching a transformer one scene's motion."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import CogVideoXDPMScheduler, CogVideoXTransformer3DModel
from torch.autograd.graph import save_on_cpu
from torch.utils.checkpoint import checkpoint

from reangle.motion.checkpoint import resume_training, save_training
from reangle.motion.examples import Example
from reangle.motion.loss import masked_velocity_loss
from reangle.motion.precision import keep_float32
from reangle.motion.quantized import adam
from reangle.motion.settings import LearningSettings
from reangle.weights.memory import TIERS, Tier

Rotary = tuple[torch.Tensor, torch.Tensor] | None


@dataclass(frozen=True)
class Progress:
    """After a step: its number from 1, its loss, steps per second since this process began, seconds left."""

    step: int
    loss: float
    rate: float
    eta_s: float


@dataclass(frozen=True, eq=False)
class Draw:
    """What one clip of one step is shown with. clip, first_frame: indices. time: 0 to 999. noise: as its latents."""

    clip: int
    first_frame: int
    shown: bool
    time: int
    noise: torch.Tensor


def draw(examples: Sequence[Example], settings: LearningSettings, number: int, times: int) -> Draw:
    """Draw `number` of a training: it depends on the seed and the number alone, so a broken run goes on exactly.

    Every clip comes once before any comes again. times: training steps of the noise schedule.
    """
    round_, place = divmod(number, len(examples))
    clip = int(np.random.default_rng([settings.seed, round_]).permutation(len(examples))[place])
    rng = np.random.default_rng([settings.seed, 1, number])
    shape = tuple(examples[clip].latents.shape)
    return Draw(
        clip=clip,
        first_frame=int(rng.integers(len(examples[clip].first_frames))),
        shown=bool(rng.random() >= settings.image_dropout),
        time=int(rng.integers(times)),
        noise=torch.from_numpy(rng.standard_normal(shape, np.float32)),
    )


def learn(
    transformer: CogVideoXTransformer3DModel,
    scheduler: CogVideoXDPMScheduler,
    rotary: Rotary,
    examples: Sequence[Example],
    settings: LearningSettings,
    saved: Path,
    report: Callable[[Progress], None],
    tier: Tier = TIERS[0],
) -> list[float]:
    """Train the transformer's LoRA (`add_adapter`) in place; returns the loss of every step.

    saved: where the unfinished training is kept; if it is there, it goes on from it. tier: how memory is saved. Raises
    FloatingPointError if the loss is no longer a number.
    """
    trained = [weights for weights in transformer.parameters() if weights.requires_grad]
    optimizer = adam(
        trained,
        small=tier.small_moments,
        lr=settings.rate,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
    )
    losses = resume_training(saved, transformer, optimizer)
    recompute(transformer, tier.recomputed)
    if transformer.device.type == "cpu":
        keep_float32(transformer.patch_embed.proj)
    transformer.train()
    began, before = time.monotonic(), len(losses)
    while len(losses) < settings.steps:
        step = len(losses)
        total = 0.0
        for part in range(settings.accumulation):
            number = step * settings.accumulation + part
            chosen = draw(examples, settings, number, scheduler.config["num_train_timesteps"])
            with save_on_cpu(pin_memory=transformer.device.type == "cuda") if tier.parked else nullcontext():
                loss = clip_loss(transformer, scheduler, rotary, examples[chosen.clip], chosen) / settings.accumulation
            loss.backward()
            total += loss.item()
        if not np.isfinite(total):
            raise FloatingPointError(f"the loss of step {step + 1} is {total}")
        torch.nn.utils.clip_grad_norm_(trained, settings.gradient_clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(total)
        done = len(losses)
        if done % settings.save_every == 0 and done < settings.steps:
            save_training(saved, transformer, optimizer, losses)
        rate = (done - before) / max(time.monotonic() - began, 1e-6)
        report(Progress(done, total, rate, (settings.steps - done) / rate))
    transformer.eval()
    return losses


def recompute(transformer: CogVideoXTransformer3DModel, share: float) -> None:
    """Compute the activations of this share of the layers again on the way back: 0, or 1 / n for every n-th layer."""
    if share == 1:
        transformer.enable_gradient_checkpointing()
    elif share:
        for block in transformer.transformer_blocks[:: round(1 / share)]:
            block.forward = partial(checkpoint, block.forward, use_reentrant=False)


def clip_loss(
    transformer: CogVideoXTransformer3DModel,
    scheduler: CogVideoXDPMScheduler,
    rotary: Rotary,
    example: Example,
    chosen: Draw,
) -> torch.Tensor:
    """The loss of one clip under one draw."""
    shown = Noised.of(scheduler, example, chosen, transformer.device)
    found = predicted_velocity(transformer, rotary, example, chosen, shown)
    velocity = scheduler.get_velocity(shown.clean, shown.noise, shown.times)
    return masked_velocity_loss(found, velocity, example.mask[None].to(transformer.device))


@dataclass(frozen=True, eq=False)
class Noised:
    """A clip under a draw's noise, on the model's device. clean, noise, noisy: 1 x frames x c x h x w. times: 1."""

    clean: torch.Tensor
    noise: torch.Tensor
    noisy: torch.Tensor
    times: torch.Tensor

    @classmethod
    def of(cls, scheduler: CogVideoXDPMScheduler, example: Example, chosen: Draw, device: torch.device) -> Noised:
        clean, noise = example.latents[None].float().to(device), chosen.noise[None].to(device)
        times = torch.tensor([chosen.time], device=device)
        return cls(clean, noise, scheduler.add_noise(clean, noise, times), times)


def predicted_velocity(
    transformer: CogVideoXTransformer3DModel, rotary: Rotary, example: Example, chosen: Draw, shown: Noised
) -> torch.Tensor:
    """What the model says of one clip under one draw: v, 1 x frames x c x h x w."""
    device = transformer.device
    condition = torch.zeros_like(shown.clean)
    condition[0, 0] = example.first_frames[chosen.first_frame].float().to(device) * float(chosen.shown)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        return transformer(
            hidden_states=torch.cat([shown.noisy, condition], dim=2),
            encoder_hidden_states=example.prompt[None].to(device),
            timestep=shown.times,
            image_rotary_emb=rotary,
            return_dict=False,
        )[0]
