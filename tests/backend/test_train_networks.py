# SPDX-License-Identifier: Apache-2.0
"""Training scripts: resuming, independent examples of a batch, and the list of shipped weights."""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reangle.image_models.sketches import open_sketcher
from reangle.weights.checkpoints import MINI_IMAGE
from reangle.weights.shipped import shipped_folder

from scripts.train import disocclusion, geometry, harness, image_tiny_decoder, scene_samples, ship, video_inpainting


def options(out: Path, steps: int = 6, **more: object) -> argparse.Namespace:
    parser = harness.arguments("", batch=2, rate=1e-2, out=out)
    return argparse.Namespace(**{**vars(parser.parse_args([])), "steps": steps, "threads": 0, **more})


class StoppedError(Exception):
    pass


def tiny(layout: torch.memory_format = torch.channels_last) -> torch.nn.Sequential:
    """Convolutions of three channels and a matrix: 3 x 5 x 5 to 2."""
    convolutions = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Conv2d(4, 4, 3))
    for kernel in (weights for weights in convolutions.parameters() if weights.ndim == 4):
        kernel.data = kernel.data.contiguous(memory_format=layout)
    return torch.nn.Sequential(convolutions, torch.nn.Flatten(), torch.nn.Linear(4, 2))


def train(out: Path, stop_at: int | None = None, layout: torch.memory_format = torch.channels_last) -> harness.Run:
    torch.manual_seed(0)
    run = harness.Run(options(out), {"model": tiny(layout)})

    def loss_of(rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        if run.step == stop_at:
            raise StoppedError
        inputs = torch.from_numpy(rng.standard_normal((2, 3, 5, 5), np.float32))
        return (run.modules["model"](inputs + torch.randn(2, 3, 5, 5)) - 1).square().mean(), {}

    run.train(loss_of)
    return run


def test_stopped_run_resumes_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "SAVE_EVERY_S", 0)
    whole = train(tmp_path / "whole")
    with pytest.raises(StoppedError):
        train(tmp_path / "parts", stop_at=3)
    parts = train(tmp_path / "parts")
    assert parts.step == whole.step == 6
    for name in ("modules", "averages"):
        for mine, theirs in zip(
            getattr(parts, name)["model"].parameters(), getattr(whole, name)["model"].parameters(), strict=True
        ):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=0)
    steps = [json.loads(line)["step"] for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert steps[-1] == 6


def test_run_can_start_from_the_weights_of_another(tmp_path: Path) -> None:
    first = train(tmp_path / "first")
    again = harness.Run(
        options(tmp_path / "again", start_from=tmp_path / "first"),
        {"model": tiny()},
    )
    assert again.step == 0
    for mine, theirs in zip(again.modules["model"].parameters(), first.averages["model"].parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_gradients_that_are_never_finite_end_the_run(tmp_path: Path) -> None:
    run = harness.Run(options(tmp_path, steps=100), {"model": tiny()})

    def loss_of(rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        output = run.modules["model"](torch.ones(2, 3, 5, 5)).sum()
        return (output - output.detach()).abs().sqrt(), {}  # 0, with an endless slope

    with pytest.raises(SystemExit, match="gradients in a row are not finite"):
        run.train(loss_of)


def test_convolutions_train_alike_in_every_memory_layout(tmp_path: Path) -> None:
    torch.manual_seed(0)
    untrained = tiny().state_dict()
    last = train(tmp_path / "last").modules["model"].state_dict()
    first = train(tmp_path / "first", layout=torch.contiguous_format).modules["model"].state_dict()
    for name, weights in untrained.items():
        moved, alike = ((after[name] - weights).flatten() for after in (last, first))
        assert moved.abs().max() > 1e-5
        assert torch.cosine_similarity(moved, alike, dim=0) > 0.98


def test_run_that_trains_other_weights_is_not_resumed(tmp_path: Path) -> None:
    train(tmp_path)
    frozen = tiny()
    frozen[0].requires_grad_(False)
    with pytest.raises(SystemExit, match=r"trains other weights.*--start-from"):
        harness.Run(options(tmp_path), {"model": frozen})


def test_loss_ignores_the_unit_and_is_smallest_for_the_truth() -> None:
    truth = torch.rand(2, 2, 8, 8, 3) + 0.5
    sure = torch.full((2, 2, 8, 8), 3.0)
    best, error = geometry.confidence_loss(truth * 7, sure, truth)
    assert float(error) == pytest.approx(0, abs=1e-5)
    worse, error = geometry.confidence_loss(truth + 0.2 * torch.rand_like(truth), sure, truth)
    assert worse > best
    assert float(error) > 0.01


def test_mirrored_depth_map_gives_mirrored_points() -> None:
    depth = np.arange(1, 1 + 6 * 8, dtype=np.float32).reshape(6, 8)
    K = np.array([[5.0, 0, 4], [0, 5, 3], [0, 0, 1]])
    plain, mirrored = (geometry.camera_points(depth, K, 4, flip) for flip in (False, True))
    np.testing.assert_allclose(mirrored[:, ::-1] * (-1, 1, 1), plain, rtol=1e-6)
    np.testing.assert_allclose(plain[0, 0], np.array([(0.5 - 4) / 5, (0.5 - 2) / 5, 1]) * depth[1, 0], rtol=1e-6)


def test_disocclusion_is_what_the_new_camera_sees_behind_an_edge() -> None:
    """A near square before a far wall: a camera that steps right looks behind the square's right edge."""
    depth = np.full((48, 64), 8.0, np.float32)
    depth[16:32, 24:40] = 2.0
    rgb = np.where(depth[..., None] < 4, np.array((200, 0, 0), np.uint8), np.array((0, 0, 200), np.uint8))
    K = np.array([[40.0, 0, 32], [0, 40, 24], [0, 0, 1]])
    aside = np.eye(4)
    aside[0, 3] = 0.4
    warped, hole = disocclusion.disocclusion(rgb, depth, K, np.eye(4), aside, K)
    # The square moves 8 pixels left, the wall 2: 6 pixels of wall beside the square's right edge are unknown.
    assert hole[20:28, 33:37].all()
    assert not hole[20:28, 12:30].any()
    assert (warped[24, 20] == (200, 0, 0)).all()
    assert (warped[hole] == 0).all()


def test_shipped_files_are_listed_with_their_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ship, "SUITE", tmp_path)
    for role in ship.ROLES:
        (tmp_path / role / "part").mkdir(parents=True)
        (tmp_path / role / "part" / "a.json").write_text("{}")
        (tmp_path / role / "README.md").write_text("a card")
    ship.write_list()
    listed = json.loads((tmp_path / "suite.json").read_text())["checkpoints"]
    assert set(listed) == set(ship.ROLES)
    assert list(listed["video"]["files"]) == ["part/a.json"]
    assert listed["video"]["files"]["part/a.json"]["size"] == 2
    monkeypatch.setattr(ship, "LIMIT", 10)
    with pytest.raises(SystemExit, match="more than"):
        ship.write_list()


@pytest.mark.slow
def test_a_small_decoder_is_trained_and_ships_beside_the_image_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--steps", "3", "--pictures", "4", "--batch", "2", "--out", str(tmp_path / "run")]
    monkeypatch.setattr("sys.argv", ["image_tiny_decoder.py", *options])
    image_tiny_decoder.main()
    monkeypatch.setattr(image_tiny_decoder, "OUT", tmp_path / "run")
    monkeypatch.setattr(ship, "SUITE", tmp_path)
    ship.ship_tiny_decoder()
    trained = harness.load_average(image_tiny_decoder.network(), tmp_path / "run", "model")
    shipped = open_sketcher(tmp_path / "image", "cpu")
    latents = torch.randn(1, image_tiny_decoder.CHANNELS, 8, 12, generator=torch.Generator().manual_seed(0))
    decoders: tuple[Any, Any] = shipped, trained
    with torch.no_grad():
        made, wanted = (one.decode(latents).sample.float() for one in decoders)
    assert made.shape == (1, 3, 16, 24)
    torch.testing.assert_close(made, wanted, rtol=0, atol=0.01)
    known = open_sketcher(shipped_folder(MINI_IMAGE), "cpu")
    assert set(shipped.config) == set(known.config)


def test_averages_alone_are_enough_to_go_on_elsewhere(tmp_path: Path) -> None:
    train(tmp_path / "here")
    whole = harness.load_average(tiny(), tmp_path / "here", "model")
    (tmp_path / "here" / "state.pt").unlink()
    carried = harness.load_average(tiny(), tmp_path / "here", "model")
    for mine, theirs in zip(carried.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-6)


def test_new_scenes_give_the_samples_that_their_fields_promise() -> None:
    mini = shipped_folder(MINI_IMAGE)
    makers = {
        "clips": (scene_samples.Clips(mini / "tokenizer_2"), scene_samples.CLIP_FIELDS, 2),
        "holes": (scene_samples.Holes(mini / "tokenizer", mini / "tokenizer_2"), scene_samples.HOLE_FIELDS, 9),
    }
    made = {}
    for name, (make, fields, count) in makers.items():
        samples = list(itertools.islice(make(3), count))
        for sample in samples:
            assert {key: (values.shape[1:], values.dtype.name) for key, values in sample.items()} == fields
        made[name] = samples
    first, second = (sample["rgb"] for sample in made["clips"])
    assert (first != second).any()
    for sample in made["holes"]:
        hole, apart = sample["hole"], np.abs(sample["known"].astype(int) - sample["truth"])
        assert 0 < hole.mean() < 0.7
        assert np.median(apart[~hole]) < 4


def test_an_untrained_inpainter_changes_nothing_and_an_exact_one_finds_the_truth() -> None:
    parts = video_inpainting.Parts.shipped()
    network: Any = video_inpainting.network()
    rng = np.random.default_rng(0)
    filled, truth = (rng.integers(0, 255, (5, 128, 224, 3), np.uint8) for _ in range(2))
    known = np.ones(filled.shape[:3], bool)
    known[2, 8:12, 4:8] = False
    mask = video_inpainting.mask_latents(known)
    assert (mask > 0).sum() == mask[1, 1, 2, 1] == 1
    fill = video_inpainting.encode(parts.vae, filled)
    same = video_inpainting.Inpainter(parts, network, 0.5).inpaint(filled, known, "a red box", steps=1)
    np.testing.assert_array_equal(same, video_inpainting.decode(parts.vae, fill))

    clean = (video_inpainting.encode(parts.vae, truth) - fill) / 0.5
    schedule = video_inpainting.scheduler()

    def exact(shown: torch.Tensor, _words: torch.Tensor, time: torch.Tensor, **_: Any) -> tuple[torch.Tensor]:
        alpha = schedule.alphas_cumprod[time]
        noise = (shown[:, :, :8] - alpha.sqrt() * clean) / (1 - alpha).sqrt()
        return (alpha.sqrt() * noise - (1 - alpha).sqrt() * clean,)

    network.forward = exact
    found = video_inpainting.Inpainter(parts, network, 0.5).inpaint(filled, known, "a red box", steps=4)
    np.testing.assert_allclose(found, video_inpainting.decode(parts.vae, fill + clean * 0.5), atol=2)
