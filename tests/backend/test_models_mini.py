# SPDX-License-Identifier: Apache-2.0
"""The weights that ship with the backend: complete, small, opened by the libraries' loaders, better than no network."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import cv2
import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from reangle.geometry.availability import weights_of
from reangle.geometry.depth.providers import depth_named
from reangle.image_models.registry import image_model_class
from reangle.starting.painting import paint
from reangle.starting.sampling import Sampling
from reangle.weights import shipped
from reangle.weights.checkpoints import CHECKPOINTS
from reangle.weights.suites import MINI
from reangle.weights.verify import verify

from scripts.train.scenes.draw import draw_scene
from scripts.train.scenes.raycast import render
from tests.backend.tiny_checkpoints import decoded_clip, run_geometry

WIDTH, HEIGHT, FRAMES = 224, 128, 9
libraries: Any = diffusers  # its pipelines have wrong annotations


def test_all_listed_files_exist_and_are_small_enough(tmp_path: Path) -> None:
    for known in (one for one in CHECKPOINTS if one.shipped):
        folder = shipped.check_shipped(known)
        card = (folder / "README.md").read_text(encoding="utf-8")
        assert "Apache-2.0" in card
        assert "## Training" in card
        bench = "geometry" if known.kind.role == "geometry" else "mini"
        assert f"scripts/bench/{bench}.py" in card
    assert sum(path.stat().st_size for path in (shipped.PACKAGE / "mini").rglob("*")) <= 48 * 2**20
    assert all(verdict.ok for verdict in verify(None, tmp_path))


def test_geometry_is_better_than_constant_depth() -> None:
    errors = []
    for seed in (0, 1, 3):
        scene = draw_scene(seed, frames=2, height=HEIGHT, targets=0)
        seen = render(scene, scene.source)
        errors.append((_error(_depth(seen.rgb), seen.depth), _error(np.ones_like(seen.depth), seen.depth)))
    learned, constant = np.mean(errors, axis=0)
    assert learned < 0.7 * constant


def _depth(frames: np.ndarray) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        clip = decoded_clip(Path(folder) / "clip", list(frames))
        checkpoint = weights_of(depth_named("mini"), None, Path(folder))
        return run_geometry(clip, Path(folder) / "out", depth="mini", checkpoint=checkpoint).depth


def _error(depth: np.ndarray, truth: np.ndarray) -> float:
    size = truth.shape[2], truth.shape[1]
    full = np.stack([cv2.resize(one, size) for one in depth])
    return float(np.mean(np.abs(full * np.median(truth / full) / truth - 1)))


@pytest.fixture(scope="module")
def first_frame() -> Image.Image:
    scene = draw_scene(3, frames=2, height=HEIGHT, targets=0)
    return Image.fromarray(render(scene, scene.source, [0]).rgb[0])


def test_the_video_pipeline_opens_unchanged_and_keeps_its_first_frame(first_frame: Image.Image) -> None:
    pipe = libraries.CogVideoXImageToVideoPipeline.from_pretrained(
        shipped.check_shipped(MINI.main), dtype=torch.float32
    )
    pipe.set_progress_bar_config(disable=True)
    made = pipe(
        image=first_frame,
        prompt="a ball slides left",
        height=HEIGHT,
        width=WIDTH,
        num_frames=FRAMES,
        num_inference_steps=4,
        guidance_scale=1.0,
        max_sequence_length=pipe.transformer.config.max_text_seq_length,
        generator=torch.Generator().manual_seed(0),
        output_type="np",
    ).frames[0]
    assert made.shape == (FRAMES, HEIGHT, WIDTH, 3)
    given = np.asarray(first_frame, np.float32) / 255
    assert np.abs(made[0] - given).mean() < 0.5 * np.abs(given - given.mean((0, 1))).mean()


def test_the_fill_pipeline_opens_unchanged_and_keeps_known_pixels(first_frame: Image.Image) -> None:
    pipe = libraries.FluxFillPipeline.from_pretrained(shipped.check_shipped(MINI.image), dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    hole = np.zeros((HEIGHT, WIDTH), np.uint8)
    hole[40:80, 90:130] = 255
    made = pipe(
        prompt="a ball in a room",
        image=first_frame,
        mask_image=Image.fromarray(hole),
        height=HEIGHT,
        width=WIDTH,
        num_inference_steps=4,
        max_sequence_length=64,
        generator=torch.Generator().manual_seed(0),
        output_type="np",
    ).images[0]
    given = np.asarray(first_frame, np.float32) / 255
    known = hole == 0
    assert np.abs(made - given)[known].mean() < 0.5 * np.abs(given - given.mean((0, 1)))[known].mean()


def test_hole_is_filled_and_known_pixels_are_unchanged(first_frame: Image.Image) -> None:
    model = image_model_class(MINI.image.kind).open(shipped.check_shipped(MINI.image), "cpu")
    picture = np.asarray(first_frame)[:100, :150].copy()
    hole = np.zeros(picture.shape[:2], bool)
    hole[40:80, 90:130] = True
    picture[hole] = (255, 0, 255)
    filled = paint(model, picture, hole, "a ball in a room", Sampling.plain(4))[0]
    assert picture.shape[0] % model.multiple
    assert np.array_equal(filled[~hole], picture[~hole])
    around = np.asarray(first_frame)[:100, :150].astype(float)
    assert np.abs(filled[hole] - around[hole]).mean() < 0.5 * np.abs(picture[hole] - around[hole]).mean()


def test_the_small_decoder_shows_what_the_full_one_does_at_half_size(first_frame: Image.Image) -> None:
    model = image_model_class(MINI.image.kind).open(shipped.check_shipped(MINI.image), "cpu")
    frame = np.asarray(first_frame)
    latents = model.encode(np.stack([frame, frame[:, ::-1], 255 - frame]))
    sketched, full = model.sketch(latents), model.decode(latents)
    assert sketched.shape == (3, HEIGHT // 2, WIDTH // 2, 3)
    for small, large in zip(sketched, full, strict=True):
        halved = cv2.resize(large, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
        error = ((small.astype(float) - halved) ** 2).mean()
        assert 10 * np.log10(255**2 / error) > 28
