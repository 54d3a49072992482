# SPDX-License-Identifier: Apache-2.0
"""The stages that learn and generate, on a tiny checkpoint in a folder."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from preview_scene import BOX, MOVER, WALL, camera, film, make_path
from reangle.contract import CameraPath, PreviewSettings
from reangle.errors import UserError
from reangle.finishing.composite import composite
from reangle.folders import (
    CameraFolder,
    DecodedClip,
    FilledFolder,
    GeneratedFolder,
    GeometryFolder,
    LearnedClip,
    LoraFolder,
    StartFolder,
    UnfinishedLearning,
)
from reangle.folders.start import StartRecord
from reangle.generation.spec import GenerateParams
from reangle.generation.stage import generate
from reangle.geometry.video_geometry import VideoGeometry
from reangle.media.write import ImageWriter, read_images, write_image
from reangle.motion.dataset import MOVES
from reangle.motion.preview_image import fit_colours
from reangle.motion.settings import LearningSettings
from reangle.motion.spec import LearnParams
from reangle.motion.stage import learn_motion
from reangle.runtime.stage import StageContext, StageFolder, ignore_progress, ignore_training
from reangle.starting.tree import first_of
from reangle.video_models.memory import tier_named
from reangle.video_models.settings import SamplingSettings
from reangle.video_models.windows import plan_windows
from reangle.warping.video import Warper, warp_frames
from safetensors.torch import load_file

from tests.backend.tiny_checkpoints import decoded_clip, textured_frames
from tests.backend.tiny_video import tiny_pipeline, tiny_text

COUNT = 12
LEARNING = LearningSettings(steps=4, rank=2, alpha=2.0, rate=1e-2, save_every=1)
SHARED = LearnParams(caption="a room", learning=LEARNING)


@dataclass(frozen=True)
class Desk:
    """A clip of 12 frames of 96 x 64 with its geometry, and a model of 9 frames of 48 x 32."""

    folder: Path

    def learn(self, out: str, params: LearnParams, earlier: LoraFolder | None = None, **more: Any) -> LoraFolder:
        folder = LoraFolder(self.folder / out)
        learn_motion(self._context(params, folder, learn=earlier, **more))
        return folder

    def generate(
        self,
        out: str,
        params: GenerateParams,
        lora: LoraFolder | None,
        anchors: Sequence[Path] = (),
        **more: StageFolder | None,
    ) -> GeneratedFolder:
        folder = GeneratedFolder(self.folder / out)
        context = self._context(params, folder, learn=lora, **{"fill": FilledFolder(self.folder / "fill"), **more})
        generate(replace(context, files={"anchors": tuple((path.name, path) for path in anchors)}))
        return folder

    def start(self, out: str, path: CameraPath, picture: np.ndarray, *, changed: float = 0.0) -> StartFolder:
        """A starting image. changed: share of its seen pixels, as it says."""
        folder = StartFolder(self.folder / out)
        folder.path.mkdir()
        write_image(folder.image.with_suffix(""), picture)
        view = {"width": path.width, "height": path.height}
        matrices = {"K": path.K[0], "world_from_camera": path.world_from_camera[0]}
        folder.write_record(StartRecord(made_by="mini", seed=1, hidden=0.1, changed=changed, **view, **matrices))
        return folder

    def unfinished(self, out: str) -> UnfinishedLearning:
        return UnfinishedLearning(self.folder / f"{out} unfinished")

    def _context(
        self,
        params: Any,
        out: Any,
        report: Callable[[float, str], None] = ignore_progress,
        report_training: Callable[[float, str, bytes], None] = ignore_training,
        **inputs: StageFolder | None,
    ) -> StageContext[Any, Any]:
        unfinished = self.unfinished(out.path.name).path
        for folder in (out.path, unfinished):
            folder.mkdir(exist_ok=True)
        clip: dict[str, StageFolder] = {
            "decode": DecodedClip(self.folder / "decode"),
            "camera": CameraFolder(self.folder / "camera"),
            "geometry": GeometryFolder(self.folder / "geometry"),
        }
        return StageContext(
            params=params,
            out=out,
            inputs={role: folder for role, folder in (clip | inputs).items() if folder is not None},
            checkpoint=str(self.folder / "checkpoint"),
            report=report,
            report_training=report_training,
            unfinished=unfinished,
        )


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("desk")
    write_clip(folder)
    tiny_pipeline().save_pretrained(folder / "checkpoint")
    return Desk(folder)


def write_clip(folder: Path) -> None:
    """Write the outputs of the stages before `learn` and `generate`."""
    frames, geometry = film((WALL, BOX, MOVER), COUNT)
    decoded_clip(folder / "decode", list(frames))
    (folder / "geometry").mkdir()
    geometry.save(GeometryFolder(folder / "geometry"))
    with ImageWriter(FilledFolder(folder / "fill").frames) as writer:
        for frame in frames:
            writer.add(frame)


def aside(amount: float = 0.15) -> CameraPath:
    return make_path(np.stack([camera(amount * index / (COUNT - 1)) for index in range(COUNT)]))


@pytest.fixture(scope="module")
def shared(desk: Desk) -> LoraFolder:
    return desk.learn("shared", SHARED)


@pytest.fixture(scope="module")
def own(desk: Desk, shared: LoraFolder) -> LoraFolder:
    return desk.learn("own", replace(SHARED, path=aside()), shared)


def weights(folder: LoraFolder) -> dict[str, torch.Tensor]:
    return load_file(folder.weights)


def test_motion_is_learned_from_the_clip_and_its_warps(shared: LoraFolder) -> None:
    windows = 2
    record = shared.record()
    assert len(record.clips) == windows * (1 + 2 * len(MOVES))
    source = replace(record.clips[0], coverage=1.0)
    assert source == LearnedClip("source from 1", "a room", 1.0, True)
    assert len(record.losses) == windows * LEARNING.steps
    ((first, *_),) = record.curves
    assert first[0] == 0


def test_training_is_reported_with_preview_images(desk: Desk, shared: LoraFolder) -> None:
    reported: list[tuple[float, str, bytes]] = []

    def report(loss: float, message: str, picture: bytes) -> None:
        reported.append((loss, message, picture))

    again = desk.learn("shown", SHARED, report_training=report)
    assert again.record() == shared.record()
    assert round(reported[-1][0], 6) == again.record().curves[0][-1][1]
    message = r"Step 8 of 8, loss \d\.\d{3} \(\d\.\d{3} at first\), \d+\.\d\d steps a second, 0 s left\."
    assert re.fullmatch(message, reported[-1][1])
    picture = cv2.imdecode(np.frombuffer(reported[-1][2], np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    clip, estimate = np.split(picture.astype(float), 2)
    assert clip.shape == estimate.shape
    assert clip.std() > 5
    assert np.abs(clip - estimate).mean() > 1


def test_truncated_caption_is_reported() -> None:
    text = tiny_text()
    assert text.truncation("a red ball") is None
    words = "a green dog and a blue cat run on grass, fast"
    truncation = text.truncation(words)
    assert truncation is not None
    assert truncation.tokens == 16
    assert repr(truncation.rest) in truncation.note
    ids = text.pipe.tokenizer(words, truncation=True, max_length=16).input_ids
    assert text.pipe.tokenizer.decode(ids, skip_special_tokens=True) + truncation.rest == words


def test_only_the_truncated_caption_becomes_a_note(desk: Desk) -> None:
    notes: list[str] = []
    params = replace(SHARED, path=aside(), learning=replace(LEARNING, steps=1))
    desk.learn("noted", params, report=lambda _, message: notes.append(message))
    assert ["16 tokens" in note for note in notes if note] == [True]


def test_colours_are_recovered() -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (5, 8, 12, 3), np.uint8)
    mixed = rng.normal(size=(3, 4))
    small = np.stack([frames[0], frames[1:].mean(axis=0)])
    latents = torch.from_numpy((small @ mixed).transpose(0, 3, 1, 2))
    colours = fit_colours(latents, frames, group=4)
    assert np.allclose(latents.numpy().transpose(0, 2, 3, 1) @ colours[:4] + colours[4], small, atol=0.5)


def test_camera_phase_starts_from_the_shared_phase(shared: LoraFolder, own: LoraFolder) -> None:
    earlier, record = shared.record(), own.record()
    assert [clip.prompt.split()[0] for clip in record.clips[len(earlier.clips) :]] == ["CAMERA_TRUCK_RIGHT"] * 2
    assert record.clips[: len(earlier.clips)] == earlier.clips
    assert record.losses[: len(earlier.losses)] == earlier.losses
    before, after = weights(shared), weights(own)
    apart = max(float((after[name] - before[name]).abs().max()) for name in before)
    assert 0 < apart < 0.2
    assert any(float(value.abs().max()) > 0 for name, value in before.items() if "lora_B" in name)


def test_training_without_warps_and_without_masks(desk: Desk) -> None:
    one = replace(LEARNING, steps=1)
    alone = desk.learn("alone", replace(SHARED, learning=one, warps=False)).record()
    assert {clip.name.split()[0] for clip in alone.clips} == {"source"}
    masked, open_ = (
        desk.learn(f"masked {masked}", LearnParams(path=aside(0.6), learning=one, masked=masked)).record()
        for masked in (True, False)
    )
    assert open_.losses[0] > 1.05 * masked.losses[0]


def test_what_the_filters_leave_out_is_not_learned(desk: Desk) -> None:
    whole = VideoGeometry.load(GeometryFolder(desk.folder / "geometry"))
    confidence = np.ones_like(whole.depth)
    confidence[..., :48] = 0.2
    doubtful = GeometryFolder(desk.folder / "doubtful")
    doubtful.path.mkdir()
    replace(whole, confidence=confidence).save(doubtful)
    alone = replace(SHARED, learning=replace(LEARNING, steps=1), warps=False)

    def coverage(confidence_filter: float) -> float:
        params = replace(alone, preview=PreviewSettings(confidence_filter=confidence_filter))
        return desk.learn(f"filter {confidence_filter}", params, geometry=doubtful).record().clips[0].coverage

    assert coverage(0.1) == 1
    assert coverage(0.3) == pytest.approx(0.5, abs=0.05)


class KilledError(Exception):
    pass


def test_stopped_stage_resumes_to_the_same_lora(desk: Desk, shared: LoraFolder) -> None:
    def stop(share: float, words: str) -> None:
        if share == 2 / LEARNING.steps:
            raise KilledError

    with pytest.raises(KilledError):
        desk.learn("broken", SHARED, report=stop)
    assert not LoraFolder(desk.folder / "broken").lora.exists()
    broken = desk.learn("broken", SHARED)
    for name, value in weights(shared).items():
        assert torch.equal(weights(broken)[name], value), name


def test_camera_that_sees_too_little_is_refused(desk: Desk) -> None:
    with pytest.raises(UserError, match=r"sees too little of the clip \(\d+%"):
        desk.learn("blind", LearnParams(path=aside(900.0), learning=LEARNING))


def in_tier_of(desk: Desk, out: str, tier: str) -> None:
    """Make the stage start in this tier, as after running out of memory in the larger ones."""
    unfinished = desk.unfinished(out)
    unfinished.path.mkdir(exist_ok=True)
    unfinished.tier_file.write_text(json.dumps({"tier": tier}))


@pytest.mark.parametrize("tier", ["16 GB", "12 GB"])
def test_lora_trained_on_quantized_weights_opens_on_full_ones(desk: Desk, tier: str) -> None:
    in_tier_of(desk, f"small {tier}", tier)
    small = desk.learn(f"small {tier}", replace(SHARED, path=aside()))
    assert small.record().memory.startswith(f"{tier}: {(tier_named(tier).base == 'int8' and 8) or 4}-bit weights")
    pipe = tiny_pipeline()
    pipe.load_lora_weights(small.lora)
    assert any(float(value.abs().max()) > 0 for name, value in weights(small).items() if "lora_B" in name)


@pytest.mark.parametrize(("guided", "tier"), [(0.0, "ample"), (1.0, "ample"), (0.0, "16 GB"), (0.0, "12 GB")])
def test_generated_frames_have_the_requested_count_and_size(
    desk: Desk, own: LoraFolder, guided: float, tier: str
) -> None:
    sampling = SamplingSettings(steps=2, guidance=2.0)
    in_tier_of(desk, f"made {guided} {tier}", tier)
    params = GenerateParams(path=aside(), caption="a room", sampling=sampling, warp_guidance=guided, seed=3)
    out = desk.generate(f"made {guided} {tier}", params, own)
    frames = read_images(out.frames)
    assert frames.shape == (COUNT, 64, 96, 3)
    assert frames.std() > 1
    made = out.record()
    assert made.losses == own.record().losses
    assert made.prompt == own.record().clips[-1].prompt
    assert made.memory.startswith(tier)


@dataclass(frozen=True)
class Starts:
    """Starting images of a held camera: as the fill is, with another hole, and with another seen patch."""

    path: CameraPath
    plain: np.ndarray
    hole: np.ndarray
    patch: np.ndarray


@pytest.fixture(scope="module")
def starts(desk: Desk) -> Starts:
    path = make_path(np.stack([camera(0.8)] * COUNT))
    frames, geometry = film((WALL, BOX, MOVER), COUNT)
    (warped,) = warp_frames(Warper.of_clip(frames, geometry, PreviewSettings()), first_of(path))
    plain = read_images(FilledFolder(desk.folder / "fill").frames, 0, 1)[0]
    far_from_hole = cv2.erode(warped.known.astype(np.uint8), np.ones((21, 21))) > 0
    assert (~warped.known).mean() > 0.02
    assert far_from_hole.mean() > 0.02
    hole, patch = plain.copy(), plain.copy()
    hole[~warped.known] = (0, 255, 0)
    patch[far_from_hole] = (0, 255, 0)
    return Starts(path, plain, hole, patch)


def test_learning_begins_from_the_starting_image_in_holes_alone(desk: Desk, starts: Starts) -> None:
    """As generating does, but what an artist changed in the clip's own pixels is not in the clip that is learned."""
    params = replace(SHARED, path=starts.path, learning=replace(LEARNING, steps=1))
    fill = FilledFolder(desk.folder / "fill")

    def losses(name: str, picture: np.ndarray | None, changed: float = 0.0) -> tuple[float, ...]:
        start = None if picture is None else desk.start(f"{name} start", starts.path, picture, changed=changed)
        return desk.learn(f"learned {name}", params, fill=fill, start=start).record().losses

    without = losses("without", None)
    assert losses("plain", starts.plain) == without
    assert losses("hole", starts.hole) != without
    assert losses("patch", starts.patch, changed=0.5) == without


def test_generating_begins_from_the_starting_image(desk: Desk, starts: Starts) -> None:
    """In holes, and as a whole if the artist changed what the clip shows."""
    params = GenerateParams(path=starts.path, sampling=SamplingSettings(steps=1, guidance=1.0), seed=3)

    def frames(name: str, picture: np.ndarray | None, changed: float = 0.0) -> np.ndarray:
        start = None if picture is None else desk.start(f"{name} begun", starts.path, picture, changed=changed)
        return read_images(desk.generate(f"generated {name}", params, None, start=start).frames)

    without = frames("without", None)
    assert np.array_equal(frames("plain", starts.plain), without)
    assert not np.array_equal(frames("hole", starts.hole), without)
    assert np.array_equal(frames("patch", starts.patch), without)
    assert not np.array_equal(frames("changed patch", starts.patch, changed=0.5), without)


def test_an_artists_later_image_lies_over_the_fill_of_its_own_frame(desk: Desk, tmp_path: Path) -> None:
    fill = FilledFolder(tmp_path / "fill")
    fill.path.mkdir()
    with ImageWriter(fill.frames) as writer:
        for grey in range(COUNT):
            writer.add(np.full((64, 96, 3), 20 * grey, np.uint8))
    place = plan_windows(COUNT, 9, 4).starts[1]
    picture = np.zeros((64, 96, 4), np.uint8)
    picture[:, :40] = (0, 0, 255, 255)  # OpenCV writes blue first
    cv2.imwrite(str(tmp_path / "later.png"), picture)
    sampling = SamplingSettings(steps=1, guidance=1.0)
    params = GenerateParams(path=aside(), sampling=sampling, anchors=(place,))
    out = desk.generate("anchored", params, None, [tmp_path / "later.png"], fill=fill)
    frame = read_images(out.frames)[place].astype(int)
    assert np.abs(frame[:, :32] - (255, 0, 0)).max() <= 2
    assert np.abs(frame[:, 48:] - 20 * place).max() <= 2
    with pytest.raises(UserError, match="no image for frame 3"):
        desk.generate("anchored elsewhere", replace(params, anchors=(2,)), None, [tmp_path / "later.png"])


def test_visible_pixels_cover_generated_ones_without_a_seam() -> None:
    truth = np.stack(textured_frames(1, 64, 96, shift=0))[0].astype(np.int64) // 2 + 64
    known = np.ones(truth.shape[:2], bool)
    known[20:44, 60:] = False
    warped = np.where(known[..., None], truth, 0).astype(np.uint8)
    # Generated with another brightness and tint, which vary over the image: detail is right, colours are not.
    drift = np.linspace(-10, -40, 96)[None, :, None] + np.array([8, 0, -8])
    depth = np.where(known, 5, 0).astype(np.float32)
    combined = composite(warped, known, depth, (truth + drift).astype(np.float32))
    assert np.array_equal(combined[known], warped[known])
    assert np.abs(combined.astype(float) - truth)[~known].max() < 8
    assert np.abs(drift[:, 60:]).min() > 8
    assert np.array_equal(composite(warped, np.ones_like(known), depth, truth), warped)
    everywhere = composite(warped, np.zeros_like(known), np.zeros_like(depth), truth.astype(np.float32))
    assert np.array_equal(everywhere, truth)


def test_hole_takes_no_colour_from_the_surface_in_front() -> None:
    known = np.ones((64, 96), bool)
    known[20:44, 40:44] = False
    warped = np.full((64, 96, 3), 200, np.uint8)
    warped[:, :40] = (255, 0, 0)
    depth = np.full(known.shape, 5, np.float32)
    depth[:, :40] = 2
    made = np.full((64, 96, 3), 180, np.float32)
    assert np.abs(composite(warped, known, np.where(known, depth, 0), made)[~known].astype(int) - 200).max() <= 10
    # On a single surface, red is right, too.
    assert composite(warped, known, np.where(known, np.float32(5), 0), made)[~known].astype(int)[:, 1].min() < 100
