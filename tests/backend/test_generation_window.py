# SPDX-License-Identifier: Apache-2.0
"""Sampling one window, with and without guidance by a warp."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from reangle.generation.guide import Guide
from reangle.generation.video import Task, decode_frames, generate_video
from reangle.generation.window import generate_latents
from reangle.motion.examples import encode_example
from reangle.video_models.base import Shown, VideoModel
from reangle.video_models.settings import SamplingSettings
from reangle.video_models.windows import plan_windows

from tests.backend.tiny_checkpoints import textured_frames
from tests.backend.tiny_video import FRAMES, HEIGHT, PROMPTS, WIDTH, clip_of, read, tiny_model

SETTINGS = SamplingSettings(steps=4, guidance=2.0)


@pytest.fixture(scope="module")
def model() -> VideoModel:
    return tiny_model()


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return np.stack(textured_frames(FRAMES, HEIGHT, WIDTH, shift=2))


@pytest.fixture(scope="module")
def guide(model: VideoModel, frames: np.ndarray) -> Guide:
    visible = np.ones(frames.shape[:3], bool)
    visible[3:, :, : WIDTH // 2] = False
    example = encode_example(model, clip_of(frames, visible), read(PROMPTS[0]).words, seed=0)
    return Guide(example.latents, example.mask, strength=1.0)


def latents(model: VideoModel, frames: np.ndarray, guide: Guide | None, seed: int = 7) -> torch.Tensor:
    return generate_latents(model, Shown(frames[0]), read(PROMPTS[0]), SETTINGS, seed, [guide] if guide else [])


def test_full_guidance_reproduces_the_warp_only_where_visible(
    model: VideoModel, frames: np.ndarray, guide: Guide
) -> None:
    apart = (latents(model, frames, guide)[0] - guide.latents).abs().amax(dim=1)
    assert apart[guide.mask].max() == 0
    assert apart[~guide.mask].min() > 0


def test_zero_guidance_ignores_the_warp(model: VideoModel, frames: np.ndarray, guide: Guide) -> None:
    free = latents(model, frames, None)
    assert torch.equal(latents(model, frames, replace(guide, strength=0.0)), free)
    half = latents(model, frames, replace(guide, strength=0.5))
    assert not torch.equal(half, free)
    # After the guided steps, visible pixels may differ from the warp again.
    assert (half[0] - guide.latents).abs().amax(dim=1)[guide.mask].min() > 0


def test_seed_determines_the_window(model: VideoModel, frames: np.ndarray) -> None:
    first, again, other = (latents(model, frames, None, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_window_has_the_length_and_size_of_the_model(model: VideoModel, frames: np.ndarray) -> None:
    pictures = model.decode(latents(model, frames, None))
    assert pictures.shape == (FRAMES, HEIGHT, WIDTH, 3)
    assert pictures.dtype == np.uint8


def test_frames_do_not_depend_on_latents_that_are_left_out(model: VideoModel, frames: np.ndarray) -> None:
    window = latents(model, frames, None)
    several = torch.cat([window, window[:, 1:].flip(1)], dim=1)
    whole = model.decode(several)
    for count in (1, 2, model.group + 1, 2 * model.group + 1, len(whole)):
        assert np.array_equal(decode_frames(model, several, count, model.group), whole[:count])


def test_a_later_window_keeps_what_the_one_before_made(model: VideoModel, frames: np.ndarray) -> None:
    before = latents(model, frames, None)
    made = before[:, -1:]
    keep = Guide.to_keep(made[0], before.shape[1])
    window = generate_latents(model, Shown(frames[0]), read(PROMPTS[0]), SETTINGS, 8, [keep])
    assert torch.equal(window[:, 1:2], made.to(window.dtype))
    # What follows is made to go with it: it is not what this window would be on its own.
    assert not torch.equal(window[:, 2:], latents(model, frames, None, 8)[:, 2:])


def test_windows_join_without_a_change_of_what_the_first_made(model: VideoModel, frames: np.ndarray) -> None:
    task = Task(frames[0], read(PROMPTS[0]), plan_windows(14, model.frames, model.group), [], 3)
    shares: list[float] = []
    clip = generate_video(model, task, SETTINGS, shares.append)
    assert clip.shape == (14, HEIGHT, WIDTH, 3)
    assert shares[-1] == 1
    alone = generate_video(
        model, replace(task, windows=plan_windows(9, model.frames, model.group)), SETTINGS, shares.append
    )
    assert np.array_equal(clip[: len(alone)], alone)
