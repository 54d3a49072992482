# SPDX-License-Identifier: Apache-2.0
"""Wan, by twins of its published checkpoints, trains, resumes and samples through the same code as CogVideoX."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from reangle.contract import JobRequest, from_data, new_job_id, to_data
from reangle.engines.plan import plan_job
from reangle.errors import UserError
from reangle.folders import FilledFolder, FinishedFolder, GeneratedFolder, LoraFolder, StartFolder, WarpFolder
from reangle.generation.guide import Guide
from reangle.generation.spec import GenerateParams
from reangle.generation.video import Task, Warp, generate_video
from reangle.generation.window import generate_latents
from reangle.media.write import read_images, write_images
from reangle.motion.dataset import whole
from reangle.motion.examples import Example, encode_example
from reangle.motion.settings import LearningSettings
from reangle.motion.trainer import NoisedClip, Progress, clip_loss, draw, learn
from reangle.runtime.execute import run_plan
from reangle.runtime.store import Store
from reangle.video_models.adapter import adapter_weights, add_adapter
from reangle.video_models.base import Prompt, Shown, VideoModel
from reangle.video_models.memory import TIERS
from reangle.video_models.model_view import ModelView
from reangle.video_models.settings import SamplingSettings
from reangle.video_models.wan_first_frame import WanFirstFrame
from reangle.video_models.wan_text import WanText
from reangle.video_models.wan_vace import WanVace
from reangle.video_models.windows import plan_windows
from reangle.weights.installed import InstalledWeights

from tests.backend.preview_scene import camera, make_path
from tests.backend.test_motion_stages import Desk, write_clip
from tests.backend.tiny_checkpoints import textured_frames
from tests.backend.tiny_video import clip_of
from tests.backend.twins import CAPTIONS, depth_anything_v2_small
from tests.backend.wan_twins import FIRST_FRAME, FRAMES, SIZES, VACE, write_small

libraries: Any = diffusers
LEARNING = LearningSettings(steps=4, rank=4, alpha=8.0, rate=1e-2, save_every=1, image_dropout=0.0)
SAMPLING = SamplingSettings(steps=4, guidance=2.0)
CLASSES: dict[str, type[Any]] = {FIRST_FRAME: WanFirstFrame, VACE: WanVace}
BOTH = pytest.mark.parametrize("name", CLASSES)

Folders = Callable[[str], Path]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """The folder of a small twin."""
    made = {name: write_small(name, tmp_path_factory.mktemp("wan") / name) for name in CLASSES}
    return made.__getitem__


@pytest.fixture(scope="module")
def prompt(folders: Folders) -> Prompt:
    text = WanText.open(folders(VACE), "cpu")
    return Prompt(text.encode(CAPTIONS[0]), text.encode(""))


def opened(folder: Path) -> Any:
    return CLASSES[folder.name].open(folder, TIERS[0], "cpu")


def frames_of(name: str, shift: int = 1) -> np.ndarray:
    width, height = SIZES[name]
    return np.stack(textured_frames(FRAMES, height, width, shift))


def half_hidden(frames: np.ndarray) -> np.ndarray:
    """The left half is hidden from the third frame on."""
    visible = np.ones(frames.shape[:3], bool)
    visible[2:, :, : frames.shape[2] // 2] = False
    return visible


def example_of(model: VideoModel, name: str, prompt: Prompt) -> Example:
    frames = frames_of(name)
    return encode_example(model, clip_of(frames, half_hidden(frames)), prompt.words, seed=0)


def shown_of(model: VideoModel, name: str) -> Shown:
    frames = frames_of(name)
    return Shown(frames[0], frames, half_hidden(frames)) if model.sees_warp else Shown(frames[0])


def unchanged(latents: torch.Tensor, done: int, time: torch.Tensor | None) -> torch.Tensor:
    return latents


@BOTH
def test_training_lowers_the_loss_on_the_same_samples(
    name: str, folders: Folders, prompt: Prompt, tmp_path: Path
) -> None:
    model = opened(folders(name))
    examples = [example_of(model, name, prompt)]
    model.keep_transformer()
    settings = replace(LEARNING, steps=40)
    add_adapter(model, settings.rank, settings.alpha, settings.seed)

    def loss() -> float:
        draws = [draw(examples, settings, number, model.times) for number in range(1000, 1016)]
        with torch.no_grad():
            return float(np.mean([float(clip_loss(model, examples[0], one)) for one in draws]))

    before = loss()
    learn(model, examples, settings, tmp_path / "saved", lambda _: None)
    assert loss() < 0.95 * before


class StoppedError(Exception):
    pass


@BOTH
def test_stopped_training_resumes_to_the_same_weights_and_diffusers_opens_them(
    name: str, folders: Folders, prompt: Prompt, tmp_path: Path
) -> None:
    def train(saved: Path, stop_after: int = 0) -> Any:
        model = opened(folders(name))
        examples = [example_of(model, name, prompt)]
        add_adapter(model, LEARNING.rank, LEARNING.alpha, LEARNING.seed)

        def report(progress: Progress) -> None:
            if progress.step == stop_after:
                raise StoppedError

        learn(model, examples, LEARNING, saved, report)
        return model

    whole = train(tmp_path / "whole.safetensors")
    with pytest.raises(StoppedError):
        train(tmp_path / "broken.safetensors", stop_after=2)
    resumed = adapter_weights(train(tmp_path / "broken.safetensors").transformer)
    assert all(torch.equal(value, resumed[key]) for key, value in adapter_weights(whole.transformer).items())
    # Of the attention over all frames alone.
    assert resumed
    assert {key.split(".")[2] for key in resumed} == {"attn1"}

    lora = LoraFolder(tmp_path / "lora")
    lora.path.mkdir()
    whole.save_lora(lora)
    plain = getattr(libraries, whole.pipeline).from_pretrained(folders(name), text_encoder=None, tokenizer=None)
    plain.load_lora_weights(str(lora.lora))
    ours = opened(folders(name))
    without = sampled(ours, name, prompt)
    ours.load_lora(lora)
    assert torch.equal(sampled(ours, name, prompt), from_the_pipeline(plain, ours, name, prompt))
    assert not torch.allclose(sampled(ours, name, prompt), without, atol=1e-3)


def sampled(model: Any, name: str, prompt: Prompt) -> torch.Tensor:
    width, height = SIZES[name]
    random = torch.Generator().manual_seed(5)
    noise = torch.randn((1, *model.latent_shape(width, height)), generator=random)
    return model.sample(shown_of(model, name), prompt, SAMPLING, noise, random, unchanged)


def from_the_pipeline(pipe: Any, model: Any, name: str, prompt: Prompt) -> torch.Tensor:
    """What diffusers makes of the same noise when it is called as its documentation says."""
    shown, (width, height) = shown_of(model, name), SIZES[name]
    given: dict[str, Any] = {"image": Image.fromarray(shown.first_frame)}
    if shown.frames is not None and shown.known is not None:
        holes = [np.where(one, 0, 255).astype(np.uint8) for one in shown.known]
        seen = np.where(shown.known[..., None], shown.frames, 128).astype(np.uint8)
        given = {"video": list(map(Image.fromarray, seen)), "mask": list(map(Image.fromarray, holes))}
    noise = torch.randn((1, *model.latent_shape(width, height)), generator=torch.Generator().manual_seed(5)).transpose(
        1, 2
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe(
        **given,
        prompt_embeds=prompt.words[None],
        negative_prompt_embeds=prompt.empty[None],
        width=width,
        height=height,
        num_frames=FRAMES,
        num_inference_steps=SAMPLING.steps,
        guidance_scale=SAMPLING.guidance,
        latents=noise,
        output_type="latent",
    ).frames.transpose(1, 2)


@BOTH
def test_training_sees_what_the_pipeline_shows(
    name: str, folders: Folders, prompt: Prompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first call of the transformer while sampling, and `predict` with the same noise and condition."""
    model = opened(folders(name))
    calls: list[dict[str, torch.Tensor]] = []
    run = model.transformer.forward

    def noted(**given: Any) -> Any:
        calls.append({key: value for key, value in given.items() if isinstance(value, torch.Tensor)})
        return run(**given)

    monkeypatch.setattr(model.transformer, "forward", noted)
    sampled(model, name, prompt)
    random = torch.Generator().manual_seed(5)
    width, height = SIZES[name]
    noise = torch.randn((1, *model.latent_shape(width, height)), generator=random)
    first = calls[0]
    (condition,) = model.encode_condition(shown_of(model, name), 1, random)
    with torch.no_grad():
        model.predict(noise, first["timestep"].max().reshape(1).clone(), condition.clone(), prompt.words.clone())
    same = calls[-1]
    first.pop("control_hidden_states_scale", None)
    assert first.keys() == same.keys()
    for key, value in first.items():
        torch.testing.assert_close(same[key].to(value), value, msg=key)


def test_a_first_frame_is_clean_and_has_no_loss(folders: Folders, prompt: Prompt) -> None:
    model = opened(folders(FIRST_FRAME))
    example = example_of(model, FIRST_FRAME, prompt)
    chosen = draw([example], LEARNING, 0, model.times)
    noised = NoisedClip.of(model, example, chosen)
    assert torch.equal(noised.noisy[:, 0], noised.clean[:, 0])
    assert not torch.equal(noised.noisy[:, 1], noised.clean[:, 1])
    only_first = replace(example, mask=torch.arange(len(example.mask))[:, None, None].expand_as(example.mask) == 0)
    assert float(clip_loss(model, only_first, chosen)) == 0
    assert float(clip_loss(model, example, chosen)) > 0


def test_an_inpainter_learns_to_paint_what_the_clip_shows(folders: Folders, prompt: Prompt) -> None:
    """In training it sees less than the loss asks for."""
    model = opened(folders(VACE))
    example = example_of(model, VACE, prompt)
    mask_channels = example.conditions[0][:, 32:]
    assert mask_channels.shape[1] == 64
    shown = (mask_channels == 0).all(dim=1)
    assert not shown[1:].any()
    assert example.mask[1:].any()
    assert shown[0].all()


@BOTH
def test_clean_estimate_inverts_the_noise(name: str, folders: Folders, prompt: Prompt) -> None:
    model = opened(folders(name))
    example = example_of(model, name, prompt)
    noised = NoisedClip.of(model, example, draw([example], LEARNING, 0, model.times))
    target = model.target(noised.clean, noised.noise, noised.time)
    torch.testing.assert_close(model.clean_estimate(target, noised.noisy, noised.time), noised.clean)


@BOTH
def test_full_guidance_reproduces_the_warp_where_visible(name: str, folders: Folders, prompt: Prompt) -> None:
    model = opened(folders(name))
    example = example_of(model, name, prompt)
    guide = Guide(example.latents, example.mask, strength=1.0)
    made = generate_latents(model, shown_of(model, name), prompt, SAMPLING, 7, [guide])
    apart = (made[0] - guide.latents).abs().amax(dim=1)
    known = guide.mask & ~model.is_condition(len(guide.mask))[:, None, None]
    assert apart[known].max() < 1e-5
    assert apart[1:][~guide.mask[1:]].min() > 1e-3


def test_an_inpainter_sees_the_clip_and_nothing_in_its_holes(folders: Folders, prompt: Prompt) -> None:
    model = opened(folders(VACE))
    frames = frames_of(VACE)
    known = half_hidden(frames)

    def made(pictures: np.ndarray) -> torch.Tensor:
        return generate_latents(model, Shown(pictures[0], pictures, known), prompt, SAMPLING, 7)

    other = np.where(known[..., None], frames, 255 - frames)
    assert torch.equal(made(frames), made(other))
    assert not torch.allclose(made(frames), made(np.where(known[..., None], 255 - frames, frames)), atol=1e-2)


@BOTH
def test_windows_join_to_clips_of_any_length(
    name: str, folders: Folders, prompt: Prompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = opened(folders(name))
    windows = plan_windows(14, model.frames, model.group)
    width, height = SIZES[name]
    frames = np.stack(textured_frames(14, height, width, 1))
    warp = Warp(frames, np.zeros(frames.shape[:3], bool)) if model.sees_warp else None
    shown: list[Shown] = []
    sample = model.sample

    def noted(one: Shown, *rest: Any) -> torch.Tensor:
        shown.append(one)
        return sample(one, *rest)

    monkeypatch.setattr(model, "sample", noted)
    task = Task(frames[0], prompt, windows, [], 3, warp=warp)
    made = generate_video(model, task, SAMPLING, lambda _: None)
    assert made.shape == (14, height, width, 3)
    assert len(shown) == len(windows.starts) == 3
    if warp is not None:
        first, second = shown[0].known, shown[1].known
        assert first is not None
        assert second is not None
        assert not first.any()
        # What the window before made is known; the clip past its end is not.
        known = second.all(axis=(1, 2))
        assert known.tolist() == [True] * (1 + 4 * windows.shared(1)) + [False] * (8 - 4 * windows.shared(1))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with small twins of both suites' weights, and a clip."""
    data = tmp_path_factory.mktemp("installed")
    for name in CLASSES:
        write_small(name, data / "models" / name)
    depth_anything_v2_small(data / "models" / "Depth-Anything-V2-Small-hf")
    write_images(data / "clip", textured_frames(12, 64, 96))
    return data


def request_for(data: Path, engine: str, suite: str, **settings: Any) -> JobRequest:
    files = [Store(data).add_file(path) for path in sorted((data / "clip").iterdir())]
    path = make_path(np.stack([camera(0.1 * index / 12) for index in range(12)]))
    return from_data(
        JobRequest,
        {
            "id": new_job_id(),
            "clip": {"files": [to_data(file) for file in files], "fps": 24.0},
            "geometry": {"camera": "still", "depth": "depth-anything"},
            "engine": engine,
            "reangle": {"suite": suite, "caption": "a red ball", "sampling_steps": 2, "rank": 2, **settings},
            "paths": [to_data(path)],
        },
    )


@pytest.mark.parametrize(
    ("engine", "suite", "settings", "kinds"),
    [
        ("reangle", "wan2.2-5b", {"shared_steps": 2, "path_steps": 2, "warp_guidance": 0.5}, 2),
        ("inpaint", "wan-vace-1.3b", {}, 0),
        ("inpaint", "wan-vace-1.3b", {"path_steps": 2}, 1),
    ],
)
def test_the_whole_engine_runs(engine: str, suite: str, settings: dict[str, Any], kinds: int, installed: Path) -> None:
    stages = plan_job(request_for(installed, engine, suite, **settings), installed)
    assert [stage.spec.kind for stage in stages].count("learn") == kinds
    done = run_plan(stages, Store(installed), InstalledWeights(installed))
    folder = {stage.spec.kind: done[stage.id].folder for stage in stages}
    generated = GeneratedFolder(folder["generate"])
    assert generated.record().licence == "Apache-2.0"
    made, warped = read_images(FinishedFolder(folder["finish"]).frames), WarpFolder(folder["warp"])
    _, visible, remembered, _ = map(read_images, warped.images)
    known = (visible | remembered) > 0
    fill = read_images(FilledFolder(folder["fill"]).frames)
    assert made.shape == (12, 64, 96, 3)
    assert np.array_equal(made[known], fill[known])
    assert not np.array_equal(made[~known], fill[~known])


def test_an_inpainter_begins_with_the_starting_image(folders: Folders, tmp_path: Path) -> None:
    write_clip(tmp_path)
    shutil.copytree(folders(VACE), tmp_path / "checkpoint")
    desk, path = Desk(tmp_path), make_path(np.stack([camera(0.6)] * 12))
    params = GenerateParams(path=path, caption="a room", sampling=SAMPLING)
    picture = np.full((path.height, path.width, 3), (200, 40, 90), np.uint8)
    model = opened(folders(VACE))
    view = ModelView.of(path.width, path.height, *model.size_for(path.width, path.height))
    # As the autoencoder gives it back.
    expected = view.cut(model.decode(model.encode_frames(whole(picture, view)[None])[None])[0]).astype(int)

    def apart(name: str, start: StartFolder | None) -> float:
        frames = read_images(desk.generate(name, params, None, start=start).frames)
        return float(np.abs(frames[0] - expected).mean())

    # Where the artist changed what the clip shows, the image is the first frame as a whole; else it fills holes.
    painted, changed = (desk.start(f"start {share}", path, picture, changed=share) for share in (0.0, 0.5))
    differences = apart("changed", changed), apart("painted", painted), apart("without", None)
    assert 10 * differences[0] < differences[1] < differences[2], differences


def test_an_engine_refuses_the_other_ones_weights(installed: Path) -> None:
    with pytest.raises(UserError, match="inpaint") as caught:
        plan_job(request_for(installed, "reangle", "wan-vace-1.3b"), installed)
    assert "engine inpaint" in caught.value.advice
    with pytest.raises(UserError, match="reangle") as caught:
        plan_job(request_for(installed, "inpaint", "wan2.2-5b"), installed)
    assert "engine reangle" in caught.value.advice
    with pytest.raises(UserError, match="wan-vace"):
        plan_job(request_for(installed, "inpaint", "mini"), installed)
