# SPDX-License-Identifier: Apache-2.0
"""Training on a tiny pipeline: the loss falls, killed runs resume to the same weights, diffusers opens the LoRA."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reangle.folders import LoraFolder
from reangle.motion.examples import Example, encode_example, load_examples, save_examples
from reangle.motion.settings import LearningSettings
from reangle.motion.trainer import Progress, clip_loss, draw, fixed_loss, learn
from reangle.video_models.adapter import adapter_weights, add_adapter
from reangle.video_models.base import VideoModel
from reangle.video_models.cogvideox import CogVideoX
from reangle.video_models.memory import TIERS, tier_named
from reangle.video_models.precision import keep_float32
from reangle.video_models.quantized import quantize

from tests.backend.tiny_checkpoints import textured_frames
from tests.backend.tiny_video import FRAMES, HEIGHT, PROMPTS, WIDTH, clip_of, read, tiny_model, tiny_pipeline

SETTINGS = LearningSettings(steps=6, rank=4, alpha=8.0, rate=1e-2, save_every=2)


def examples_of(model: VideoModel) -> list[Example]:
    examples = []
    for index, prompt in enumerate(PROMPTS):
        frames = np.stack(textured_frames(FRAMES, HEIGHT, WIDTH, shift=index, seed=index))
        visible = np.ones(frames.shape[:3], bool)
        visible[:, :, : 8 * index] = False
        examples.append(encode_example(model, clip_of(frames, visible), read(prompt).words, seed=index))
    return examples


def train(
    settings: LearningSettings, saved: Path, tier: str = "ample", stop_after: int | None = None
) -> tuple[CogVideoX, list[float]]:
    model = tiny_model()
    examples = examples_of(model)
    quantize(model, tier_named(tier).base)
    model.transformer.to("cpu")
    add_adapter(model, settings.rank, settings.alpha, settings.seed)

    def report(progress: Any) -> None:
        if progress.step == stop_after:
            os._exit(9)

    return model, learn(model, examples, settings, saved, report, tier_named(tier)).losses


@pytest.mark.parametrize("tier", ["ample", "16 GB", "12 GB"])
def test_killed_training_resumes_to_the_same_weights(tmp_path: Path, tier: str) -> None:
    whole, losses = train(SETTINGS, tmp_path / "whole.safetensors", tier)
    broken = tmp_path / "broken.safetensors"
    for stop_after in (3, 5):
        code = (
            "from pathlib import Path; from tests.backend.test_motion_training import SETTINGS, train; "
            f"train(SETTINGS, Path({str(broken)!r}), {tier!r}, stop_after={stop_after})"
        )
        root = Path(__file__).parents[2]
        variables = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "backend")])}
        ended = subprocess.run([sys.executable, "-c", code], env=variables, check=False)
        assert ended.returncode == 9
    parts, again = train(SETTINGS, broken, tier)
    assert again == pytest.approx(losses, rel=1e-6)
    for name, weights in adapter_weights(whole.transformer).items():
        assert torch.equal(weights, adapter_weights(parts.transformer)[name]), name


def test_accumulated_gradients_equal_one_step_of_their_mean(tmp_path: Path) -> None:
    two = replace(SETTINGS, steps=1, accumulation=2)
    accumulated, losses = train(two, tmp_path / "saved.safetensors")
    model = tiny_model()
    examples = examples_of(model)
    trained = add_adapter(model, two.rank, two.alpha, two.seed)
    model.transformer.train()
    keep_float32(model.transformer.patch_embed.proj)
    draws = [draw(examples, two, number, 1000) for number in (0, 1)]
    parts = [clip_loss(model, examples[d.clip], d) for d in draws]
    mean = torch.stack(parts).mean()
    mean.backward()
    torch.nn.utils.clip_grad_norm_(trained, two.gradient_clip)
    torch.optim.AdamW(trained, lr=two.rate, betas=two.betas, weight_decay=two.weight_decay).step()
    assert losses == pytest.approx([mean.item()])
    for name, weights in adapter_weights(model.transformer).items():
        # The order of summation differs, and AdamW's first step has the size of the rate for any gradient.
        torch.testing.assert_close(adapter_weights(accumulated.transformer)[name], weights, atol=2e-4, rtol=1e-3)


def test_all_tiers_train_to_similar_losses(tmp_path: Path) -> None:
    losses = {
        tier.name: np.mean(train(replace(SETTINGS, steps=8), tmp_path / f"{tier.name}.safetensors", tier.name)[1])
        for tier in TIERS
    }
    whole = losses.pop("ample")
    assert losses["80 GB"] == pytest.approx(whole, rel=1e-3)
    assert losses["24 GB"] == pytest.approx(whole, rel=1e-3)
    assert list(losses.values()) == pytest.approx([whole] * len(losses), rel=0.05)


def test_the_measured_loss_falls_while_the_model_learns(tmp_path: Path) -> None:
    model = tiny_model()
    examples = examples_of(model)
    settings = replace(SETTINGS, steps=40, image_dropout=0.0)
    add_adapter(model, settings.rank, settings.alpha, settings.seed)

    def loss() -> float:
        draws = [draw(examples, settings, number, 1000) for number in range(1000, 1016)]
        return fixed_loss(model, examples, draws)

    before = loss()
    reported: list[Progress] = []
    learned = learn(model, examples, settings, tmp_path / "s", reported.append)
    assert loss() < 0.9 * before
    steps, curve = zip(*learned.curve, strict=True)
    assert steps == (0, 10, 20, 30, 40)
    assert all(later < earlier for earlier, later in pairwise(curve))
    assert [one.loss for one in reported[9::10]] == list(curve[1:])
    assert {one.first_loss for one in reported} == {curve[0]}


def test_a_resumed_training_has_the_same_curve(tmp_path: Path) -> None:
    def train_until(saved: Path, last: int) -> list[tuple[int, float]]:
        model = tiny_model()
        examples = examples_of(model)
        add_adapter(model, SETTINGS.rank, SETTINGS.alpha, SETTINGS.seed)

        def report(progress: Progress) -> None:
            if progress.step == last:
                raise InterruptedError

        return learn(model, examples, SETTINGS, saved, report).curve

    whole = train_until(tmp_path / "whole", 0)
    with pytest.raises(InterruptedError):
        train_until(tmp_path / "broken", 5)
    np.testing.assert_allclose(train_until(tmp_path / "broken", 0), whole, rtol=1e-6)


def test_plain_diffusers_opens_the_lora(tmp_path: Path) -> None:
    """Rank 4 with alpha 8: without alpha, the loaded LoRA has half the effect."""
    model, _ = train(SETTINGS, tmp_path / "saved.safetensors")
    folder = LoraFolder(tmp_path)
    model.save_lora(folder)
    given = {
        "hidden_states": torch.randn(1, 3, 8, 8, 12),
        "encoder_hidden_states": torch.randn(1, 16, 32),
        "timestep": torch.tensor([500]),
        "image_rotary_emb": model._rotary(3, 4, 8, 12),
        "return_dict": False,
    }
    loaded = tiny_pipeline()
    with torch.no_grad():
        plain = loaded.transformer(**given)[0]
        loaded.load_lora_weights(folder.lora)
        learned, same = model.transformer(**given)[0], loaded.transformer(**given)[0]
    torch.testing.assert_close(same, learned)
    assert (learned - plain).abs().max() > 1e-3


def test_every_clip_is_used_once_before_any_repeats() -> None:
    examples = examples_of(tiny_model()) * 3
    seen = [draw(examples, SETTINGS, number, 1000).clip for number in range(12)]
    assert sorted(seen[:6]) == sorted(seen[6:]) == list(range(6))


def test_saved_examples_read_back(tmp_path: Path) -> None:
    examples = examples_of(tiny_model())
    save_examples(examples, tmp_path / "examples.safetensors")
    for before, after in zip(examples, load_examples(tmp_path / "examples.safetensors"), strict=True):
        assert torch.equal(before.mask, after.mask)
        for name in ("latents", "conditions", "prompt"):
            torch.testing.assert_close(
                getattr(after, name).float(), getattr(before, name).float(), rtol=1e-2, atol=1e-2
            )


def test_first_frame_condition_equals_the_pipelines() -> None:
    """Apart from noise, training and sampling give the transformer the same condition."""
    model = tiny_model()
    pipe, example = model.pipe, examples_of(model)[0]
    frame = np.stack(textured_frames(FRAMES, HEIGHT, WIDTH, shift=0, seed=0))[0]
    image = torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 127.5 - 1
    _, shown = pipe.prepare_latents(image, 1, 4, FRAMES, HEIGHT, WIDTH, torch.float32, torch.device("cpu"), None)
    assert shown.shape[1:] == example.latents.shape
    slope = (example.conditions.mean(dim=0) * shown[0, 0]).sum() / shown[0, 0].square().sum()
    assert slope.item() == pytest.approx(1, abs=0.1)


def test_patches_are_embedded_in_float32() -> None:
    """On some CPUs the bfloat16 convolution of these sizes is wrong."""
    torch.manual_seed(0)
    layer, values = torch.nn.Conv2d(16, 8, 4, stride=4), torch.randn(2, 16, 8, 12)
    exact = layer(values)
    keep_float32(layer)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(layer(values), exact, rtol=0, atol=0)


def test_mixed_precision_loss_is_close_to_float32(tmp_path: Path) -> None:
    model = tiny_model(channels=8, patch=4)
    pipe, examples = model.pipe, examples_of(model)
    add_adapter(model, 4, 8.0, 0)
    settings = replace(SETTINGS, steps=2)
    plain = []
    for number in range(2):
        chosen = draw(examples, settings, number, 1000)
        example = examples[chosen.clip]
        times = torch.tensor([chosen.time])
        clean, noise = example.latents[None], chosen.noise[None]
        shown = torch.zeros_like(clean)
        shown[0, 0] = example.conditions[chosen.variant] * float(chosen.shows_condition)
        with torch.no_grad():
            prediction = pipe.transformer(
                torch.cat([pipe.scheduler.add_noise(clean, noise, times), shown], dim=2),
                example.prompt[None],
                times,
                image_rotary_emb=model._rotary(*clean.shape[1:]),
                return_dict=False,
            )[0]
        error = (prediction - pipe.scheduler.get_velocity(clean, noise, times)) ** 2 * example.mask[None, :, None]
        plain.append(error.mean().item())
    still = replace(settings, rate=0.0, weight_decay=0.0)
    losses = learn(model, examples, still, tmp_path / "s", lambda _: None).losses
    assert losses == pytest.approx(plain, rel=0.02)
