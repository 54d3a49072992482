# SPDX-License-Identifier: Apache-2.0
"""The published checkpoints, by their twins: opened, learned, resumed, sampled and decoded by the whole engine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from reangle.contract import JobRequest, from_data, new_job_id, to_data
from reangle.engines.plan import plan_job
from reangle.errors import UserError
from reangle.folders import GeneratedFolder, GeometryFolder, LoraFolder
from reangle.geometry.depth.dust3r_network import Dust3rNetwork
from reangle.geometry.spec import GEOMETRY
from reangle.geometry.video_geometry import VideoGeometry
from reangle.image_models.flux_fill import FluxFill
from reangle.media.write import read_images, write_images
from reangle.motion.examples import encode_example
from reangle.motion.settings import LearningSettings
from reangle.motion.trainer import Progress, learn
from reangle.runtime.execute import run_plan
from reangle.runtime.stage import PlannedStage
from reangle.runtime.store import Store
from reangle.starting.painting import paint
from reangle.starting.sampling import Sampling
from reangle.video_models.adapter import adapter_weights, add_adapter
from reangle.video_models.cogvideox import CogVideoX
from reangle.video_models.cogvideox_text import CogVideoXText
from reangle.video_models.memory import TIERS
from reangle.video_models.prompts import read_prompts
from reangle.weights.checkpoints import CHECKPOINTS
from reangle.weights.installed import InstalledWeights
from reangle.weights.registry import find_checkpoint, shards_of
from safetensors.torch import load_file, save_file

from tests.backend import twins
from tests.backend.preview_scene import camera, make_path
from tests.backend.tiny_checkpoints import textured_frames
from tests.backend.tiny_video import clip_of
from tests.backend.wan_twins import WAN_TWINS

TWINS = {**twins.TWINS, **WAN_TWINS}
COUNT = 12


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder with the twins in `models`."""
    data = tmp_path_factory.mktemp("published")
    with twins.narrow_dpt():
        for name, write in TWINS.items():
            write(data / "models" / name)
        yield data


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_has_the_published_files(name: str, published: Path) -> None:
    (known,) = (known for known in CHECKPOINTS if known.name == name)
    folder = find_checkpoint(name, published)
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    shards = {name for index in folder.glob("*/*.safetensors.index.json") for name in shards_of(index)}
    assert there - {"README.md"} == {*known.files, *shards}


def test_video_weights_open_with_their_tokenizer_and_the_authors_scheduler(published: Path) -> None:
    model = CogVideoX.open(published / "models" / "CogVideoX-5b-I2V", TIERS[0], "cpu")
    scheduler = model.pipe.scheduler
    assert type(scheduler).__name__ == "CogVideoXDPMScheduler"
    assert (scheduler.config.prediction_type, scheduler.config.rescale_betas_zero_snr) == ("v_prediction", True)
    words = twins.CAPTIONS[0]
    text = CogVideoXText.open(published / "models" / "CogVideoX-5b-I2V", "cpu")
    assert text.pipe.tokenizer.decode(text.pipe.tokenizer(words).input_ids, skip_special_tokens=True) == words
    assert text.encode(words).shape == (226, 32)
    assert (model.frames, model.size_for(1920, 1080)) == (twins.FRAMES, (twins.WIDTH, twins.HEIGHT))


def plan(data: Path) -> list[PlannedStage]:
    """A clip of 12 frames with the published depth and video weights, the published settings but few steps."""
    frames = textured_frames(COUNT, 64, 96)
    write_images(data / "clip", frames)
    files = [Store(data).add_file(path) for path in sorted((data / "clip").iterdir())]
    path = make_path(np.stack([camera(0.1 * index / COUNT) for index in range(COUNT)]))
    request = {
        "id": new_job_id(),
        "clip": {"files": [to_data(file) for file in files], "fps": 24.0},
        "geometry": {"camera": "still", "depth": "depth-anything"},
        "engine": "reangle",
        "reangle": {
            "suite": "cogvideox-5b",
            "caption": "a red ball",
            "shared_steps": 3,
            "path_steps": 2,
            "rank": 2,
            "sampling_steps": 2,
        },
        "paths": [to_data(path)],
    }
    return plan_job(from_data(JobRequest, request), data)


def test_published_weights_run_through_the_whole_engine(published: Path) -> None:
    stages, store, weights = plan(published), Store(published), InstalledWeights(published)
    done = run_plan(stages, store, weights)
    kinds = {stage.spec.kind: done[stage.id].folder for stage in stages}
    generated = GeneratedFolder(kinds["generate"])
    assert read_images(generated.frames).shape == (COUNT, 64, 96, 3)
    record = generated.record()
    assert (record.checkpoint, record.licence.split()[0]) == ("CogVideoX-5b-I2V", "CogVideoX")
    windows = 2
    assert len(record.losses) == windows * (3 + 2)
    assert np.isfinite(record.losses).all()
    lora = load_file(LoraFolder(kinds["learn"]).weights)
    assert {name.rsplit(".", 3)[1] for name in lora} >= {"to_q", "to_k", "to_v"}
    assert all(bool(value.isfinite().all()) for value in lora.values())
    ran: list[str] = []

    def note(stage: PlannedStage, fraction: float, message: str, *, cached: bool) -> None:
        if not cached:
            ran.append(stage.spec.kind)

    run_plan(plan(published), store, weights, note)
    assert not ran


class StoppedError(Exception):
    pass


def test_learning_stopped_half_way_resumes_to_the_same_weights(published: Path, tmp_path: Path) -> None:
    settings = LearningSettings(steps=4, rank=2, alpha=2.0, rate=1e-2, save_every=1)

    def train(saved: Path, stop_after: int = 0) -> dict[str, torch.Tensor]:
        folder = published / "models" / "CogVideoX-5b-I2V"
        (prompt,), _ = read_prompts(CogVideoX.text, folder, twins.CAPTIONS[:1])
        model = CogVideoX.open(folder, TIERS[0], "cpu")
        frames = np.stack(textured_frames(twins.FRAMES, twins.HEIGHT, twins.WIDTH))
        example = encode_example(model, clip_of(frames, np.ones(frames.shape[:3], bool)), prompt.words, seed=0)
        model.keep_transformer()
        add_adapter(model, settings.rank, settings.alpha, settings.seed)

        def report(progress: Progress) -> None:
            if progress.step == stop_after:
                raise StoppedError

        learn(model, [example], settings, saved, report, TIERS[0])
        return adapter_weights(model.transformer)

    whole = train(tmp_path / "whole.safetensors")
    with pytest.raises(StoppedError):
        train(tmp_path / "broken.safetensors", stop_after=2)
    resumed = train(tmp_path / "broken.safetensors")
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_both_names_of_a_dpt_weight_count_as_one(published: Path, tmp_path: Path) -> None:
    folder = published / "models" / "DUSt3R_ViTLarge_BaseDecoder_512_dpt"
    stored = load_file(folder / "model.safetensors")
    assert not any("scratch.layer_rn" in name for name in stored) or not any(
        "scratch.layer1_rn" in name for name in stored
    )
    network = Dust3rNetwork.load(folder, "cpu")
    frame = textured_frames(1, 64, 64)[0]
    encoded = network.encode([frame])[0]
    (maps,) = network.decode([(encoded, encoded)], 64, 64)
    assert maps.first_map.shape == (64, 64, 3)
    assert np.isfinite(maps.first_map).all()
    shutil.copytree(folder, tmp_path / "cut")
    stored.pop(next(name for name in stored if "layer" in name and "rn" in name))
    save_file(stored, tmp_path / "cut" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match="lacks 2 weights"):
        Dust3rNetwork.load(tmp_path / "cut", "cpu")


def test_point_maps_become_the_clips_geometry(published: Path) -> None:
    """Camera and depth of a clip by the stages that run DUSt3R, found by its name."""
    store = Store(published)
    frames = textured_frames(3, 64, 96, shift=3)
    write_images(published / "pair", frames)
    files = [store.add_file(path) for path in sorted((published / "pair").iterdir())]
    request = {
        "id": new_job_id(),
        "clip": {"files": [to_data(file) for file in files], "fps": 24.0},
        "geometry": {"camera": "dust3r", "depth": "dust3r"},
        "engine": "preview",
    }
    done = run_plan(plan_job(from_data(JobRequest, request), published), store, InstalledWeights(published))
    geometry = VideoGeometry.load(GeometryFolder(done[GEOMETRY.id()].folder))
    assert geometry.depth.shape[0] == len(frames)
    assert (geometry.depth[geometry.valid] > 0).all()
    assert geometry.valid.mean() > 0.1
    metadata = GeometryFolder(done[GEOMETRY.id()].folder).metadata()
    assert (metadata.checkpoint, metadata.licence) == (
        "DUSt3R_ViTLarge_BaseDecoder_512_dpt",
        "CC BY-NC-SA 4.0, not for commercial work",
    )


def test_fill_weights_paint_the_hole_alone(published: Path) -> None:
    model = FluxFill.open(published / "models" / "FLUX.1-Fill-dev", "cpu")
    assert model.pipe.transformer.config.guidance_embeds
    picture = textured_frames(1, 50, 70)[0]
    hole = np.zeros(picture.shape[:2], bool)
    hole[10:30, 20:50] = True
    filled = paint(model, picture, hole, "a room", Sampling.plain(2))[0]
    assert np.array_equal(filled[~hole], picture[~hole])
    assert not np.array_equal(filled[hole], picture[hole])
    assert np.array_equal(filled, paint(model, picture, hole, "a room", Sampling.plain(2))[0])


def changed(folder: Path, part: str, **values: object) -> Path:
    """Change a JSON file of a checkpoint."""
    path = folder / part
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("part", "values", "words"),
    [
        ("transformer/config.json", {"patch_size_t": 2, "ofs_embed_dim": 512}, "CogVideoX 1.5"),
        ("model_index.json", {"_class_name": "CogVideoXPipeline"}, "CogVideoXPipeline"),
    ],
)
def test_kin_of_the_video_weights_is_refused_before_any_work(
    part: str, values: dict[str, object], words: str, published: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "models" / "CogVideoX-5b-I2V"
    shutil.copytree(published / "models" / "Depth-Anything-V2-Small-hf", folder.parent / "Depth-Anything-V2-Small-hf")
    changed(shutil.copytree(published / "models" / folder.name, folder), part, **values)
    with pytest.raises(UserError, match=words) as caught:
        plan(tmp_path)
    assert "mini" in caught.value.advice
