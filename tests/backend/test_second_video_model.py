# SPDX-License-Identifier: Apache-2.0
"""A flow-matching model in one file trains, resumes and samples through the same code as CogVideoX."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reangle.generation.guide import Guide
from reangle.generation.spec import GenerateParams
from reangle.generation.video import Task, generate_video
from reangle.generation.window import generate_latents
from reangle.media.write import read_images
from reangle.motion.examples import Example, encode_example
from reangle.motion.settings import LearningSettings
from reangle.motion.spec import LearnParams
from reangle.motion.trainer import NoisedClip, clip_loss, draw, learn, predict
from reangle.video_models.adapter import adapter_weights, add_adapter
from reangle.video_models.base import Prompt, VideoModel
from reangle.video_models.settings import SamplingSettings
from reangle.video_models.windows import plan_windows

from tests.backend.test_motion_stages import COUNT, Desk, aside, write_clip
from tests.backend.tiny_checkpoints import textured_frames
from tests.backend.tiny_video import PROMPTS, clip_of
from tests.backend.tiny_wan import FRAMES, HEIGHT, WIDTH, TinyWan, TinyWanText, register, tiny_wan_pipeline

LEARNING = LearningSettings(steps=6, rank=4, alpha=8.0, rate=1e-2, save_every=2, image_dropout=0.0)
SAMPLING = SamplingSettings(steps=4, guidance=2.0)


def tiny_wan() -> VideoModel:
    return TinyWan(tiny_wan_pipeline(PROMPTS))


def read(prompt: str) -> Prompt:
    text = TinyWanText(tiny_wan_pipeline(PROMPTS))
    return Prompt(text.encode(prompt), text.encode(""))


def example_of(model: VideoModel, shift: int = 1) -> Example:
    """A clip whose left half is hidden from the fourth frame on."""
    frames = np.stack(textured_frames(FRAMES, HEIGHT, WIDTH, shift))
    visible = np.ones(frames.shape[:3], bool)
    visible[3:, :, : WIDTH // 2] = False
    return encode_example(model, clip_of(frames, visible), read(PROMPTS[1]).words, seed=0)


def train(settings: LearningSettings, saved: Path, stop_after: int | None = None) -> tuple[VideoModel, list[float]]:
    model = tiny_wan()
    examples = [example_of(model)]
    add_adapter(model, settings.rank, settings.alpha, settings.seed)

    def report(progress: Any) -> None:
        if progress.step == stop_after:
            os._exit(9)

    return model, learn(model, examples, settings, saved, report).losses


@pytest.fixture(scope="module")
def model() -> VideoModel:
    return tiny_wan()


def test_training_lowers_the_loss_on_the_same_samples(tmp_path: Path) -> None:
    model = tiny_wan()
    examples = [example_of(model)]
    settings = replace(LEARNING, steps=40)
    add_adapter(model, settings.rank, settings.alpha, settings.seed)

    def loss() -> float:
        draws = [draw(examples, settings, number, model.times) for number in range(1000, 1016)]
        with torch.no_grad():
            return float(np.mean([float(clip_loss(model, examples[0], one)) for one in draws]))

    before = loss()
    learn(model, examples, settings, tmp_path / "saved", lambda _: None)
    assert loss() < 0.9 * before


def test_killed_training_resumes_to_the_same_weights(tmp_path: Path) -> None:
    whole, losses = train(LEARNING, tmp_path / "whole.safetensors")
    broken = tmp_path / "broken.safetensors"
    code = (
        "from pathlib import Path; from tests.backend.test_second_video_model import LEARNING, train; "
        f"train(LEARNING, Path({str(broken)!r}), stop_after=3)"
    )
    root = Path(__file__).parents[2]
    folders = [str(root), str(root / "backend"), str(root / "tests" / "backend")]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    assert subprocess.run([sys.executable, "-c", code], env=variables, check=False).returncode == 9
    assert broken.exists()
    resumed, again = train(LEARNING, broken)
    assert again == pytest.approx(losses, rel=1e-6)
    for name, weights in adapter_weights(whole.transformer).items():
        assert torch.equal(weights, adapter_weights(resumed.transformer)[name]), name


def test_condition_is_clean_and_has_no_loss(model: VideoModel) -> None:
    example = example_of(model)
    chosen = draw([example], LEARNING, 0, model.times)
    noised = NoisedClip.of(model, example, chosen)
    assert torch.equal(noised.noisy[:, 0], noised.clean[:, 0])
    assert not torch.equal(noised.noisy[:, 1], noised.clean[:, 1])
    only_first = replace(example, mask=torch.arange(len(example.mask))[:, None, None].expand_as(example.mask) == 0)
    assert float(clip_loss(model, only_first, chosen)) == 0
    assert float(clip_loss(model, example, chosen)) > 0


def test_clean_estimate_inverts_the_noise(model: VideoModel) -> None:
    example = example_of(model)
    chosen = draw([example], LEARNING, 0, model.times)
    noised = NoisedClip.of(model, example, chosen)
    target = model.target(noised.clean, noised.noise, noised.time)
    torch.testing.assert_close(model.clean_estimate(target, noised.noisy, noised.time), noised.clean)


def test_training_inputs_equal_the_pipelines(model: VideoModel) -> None:
    """One step of the pipeline from known noise is one call of `predict` at the schedule's first time."""
    example = example_of(model)
    noise = torch.randn(example.latents.shape, generator=torch.Generator().manual_seed(1))
    chosen = replace(draw([example], LEARNING, 0, model.times), noise=noise, time=model.times - 1)
    noised = NoisedClip.of(model, example, chosen)
    with torch.no_grad():
        velocity = predict(model, example, chosen, noised).float()
    frame = textured_frames(FRAMES, HEIGHT, WIDTH, 1)[0]
    settings = SamplingSettings(steps=1, guidance=1.0)
    random = torch.Generator()
    sampled = model.sample(frame, read(PROMPTS[1]), settings, noise[None], random, lambda latents, done, time: latents)
    torch.testing.assert_close(sampled[:, 1:], (noised.noisy - velocity)[:, 1:], rtol=0.05, atol=0.05)
    torch.testing.assert_close(sampled[:, 0], noised.clean[:, 0])


def test_full_guidance_reproduces_the_warp_where_visible(model: VideoModel) -> None:
    frames = np.stack(textured_frames(FRAMES, HEIGHT, WIDTH, 1))
    example = example_of(model)
    guide = Guide(example.latents, example.mask, strength=1.0)
    made = generate_latents(model, frames[0], read(PROMPTS[1]), SAMPLING, 7, [guide])
    apart = (made[0] - guide.latents).abs().amax(dim=1)
    assert apart[guide.mask].max() < 1e-5
    assert apart[~guide.mask].min() > 1e-3


def test_windows_join_to_clips_of_any_length(model: VideoModel) -> None:
    windows = plan_windows(14, model.frames, model.group)
    first_frame = textured_frames(1, HEIGHT, WIDTH, 0)[0]
    shares: list[float] = []
    made = generate_video(model, Task(first_frame, read(PROMPTS[0]), windows, [], 3), SAMPLING, shares.append)
    assert made.shape == (14, HEIGHT, WIDTH, 3)
    assert shares[-1] == 1


def test_stages_run_the_model_of_the_checkpoints_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)
    write_clip(tmp_path)
    tiny_wan_pipeline(PROMPTS).save_pretrained(tmp_path / "checkpoint")
    desk, path = Desk(tmp_path), aside()
    learning = replace(LEARNING, steps=3)
    lora = desk.learn("learned", LearnParams(caption="a room", path=path, learning=learning))
    assert len(lora.record().losses) == 2 * 3
    params = GenerateParams(path=path, caption="a room", sampling=SAMPLING, warp_guidance=0.5)
    assert read_images(desk.generate("made", params, lora).frames).shape == (COUNT, path.height, path.width, 3)
