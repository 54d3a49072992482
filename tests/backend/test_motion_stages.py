# SPDX-License-Identifier: Apache-2.0
"""The stages that learn a clip's motion and generate with it, on a tiny checkpoint that is opened from its folder."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from preview_scene import BOX, MOVER, WALL, camera, film, make_path
from reangle.errors import UserError
from reangle.finishing.composite import over
from reangle.generation.stage import generate
from reangle.media.write import ImageWriter, read_images
from reangle.motion.adapter import WEIGHTS
from reangle.motion.dataset import MOVES
from reangle.motion.pipeline import unread
from reangle.motion.sight import colours_of
from reangle.motion.stage import LORA, learn_motion
from reangle.runtime.stage import StageContext
from reangle.weights.memory import tier_named
from safetensors.torch import load_file

from tests.backend.tiny_checkpoints import decoded_clip, textured_frames
from tests.backend.tiny_video import tiny_pipeline

COUNT = 12
LEARNING = {"steps": 4, "rank": 2, "alpha": 2.0, "rate": 1e-2, "save_every": 1}


@dataclass(frozen=True)
class Desk:
    """A clip of 12 frames of 96 x 64 with its geometry, and a model of 9 frames of 48 x 32."""

    folder: Path

    def run(
        self,
        function: Callable[[StageContext], None],
        out: str,
        report: Callable[[float, str], None] = lambda share, words: None,
        *,
        show: Callable[[float, str, bytes], None] = lambda loss, words, picture: None,
        inputs: dict[str, str] | None = None,
        **params: Any,
    ) -> Path:
        folders = [self.folder / part for part in (out, f"{out} unfinished")]
        for folder in folders:
            folder.mkdir(exist_ok=True)
        found = {
            role: self.folder / name
            for role, name in ({"decode": "decode", "geometry": "geometry"} | (inputs or {})).items()
        }
        checkpoint = str(self.folder / "checkpoint")
        params = {"warps": True, "masked": True} | params
        function(StageContext(params, found, {}, folders[0], checkpoint, report, folders[1], show))
        return folders[0]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("desk")
    frames, geometry = film((WALL, BOX, MOVER), COUNT)
    decoded_clip(folder / "decode", list(frames))
    (folder / "geometry").mkdir()
    geometry.save(folder / "geometry")
    tiny_pipeline().save_pretrained(folder / "checkpoint")
    with ImageWriter(folder / "preview" / "frames") as writer:
        for frame in frames:
            writer.add(frame)
    return Desk(folder)


def aside(amount: float = 0.15) -> dict[str, Any]:
    cameras = np.stack([camera(amount * index / (COUNT - 1)) for index in range(COUNT)])
    return make_path(cameras).model_dump(mode="json")


@pytest.fixture(scope="module")
def shared(desk: Desk) -> Path:
    return desk.run(learn_motion, "shared", caption="a room", path=None, learning=LEARNING)


@pytest.fixture(scope="module")
def own(desk: Desk, shared: Path) -> Path:
    return desk.run(
        learn_motion, "own", inputs={"learned": shared.name}, caption="a room", path=aside(), learning=LEARNING
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / LORA / WEIGHTS)


def about(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "learning.json").read_text())


def test_a_clip_is_learned_from_itself_and_its_warps(shared: Path) -> None:
    windows = 2
    assert len(about(shared)["clips"]) == windows * (1 + sum(len(amounts) for _, amounts in MOVES))
    assert about(shared)["clips"][0] | {"coverage": 1} == {
        "name": "source from 1",
        "prompt": "CAMERA_STATIC Camera movement static, a room",
        "coverage": 1,
        "used": True,
    }
    assert len(about(shared)["losses"]) == LEARNING["steps"]


def test_learning_is_shown(desk: Desk, shared: Path) -> None:
    told: list[tuple[float, str, bytes]] = []

    def show(loss: float, words: str, picture: bytes) -> None:
        told.append((loss, words, picture))

    again = desk.run(learn_motion, "shown", show=show, caption="a room", path=None, learning=LEARNING)
    assert [round(loss, 6) for loss, *_ in told] == about(again)["losses"] == about(shared)["losses"]
    assert re.fullmatch(r"Step 4 of 4, loss \d\.\d{3}, \d+\.\d\d steps a second, 0 s left\.", told[-1][1])
    picture = cv2.imdecode(np.frombuffer(told[-1][2], np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    clip, found = np.split(picture.astype(float), 2)
    assert clip.shape == found.shape
    assert clip.std() > 5
    assert np.abs(clip - found).mean() > 1


def test_what_the_model_does_not_read_of_a_caption_is_said() -> None:
    pipe = tiny_pipeline()
    assert unread(pipe, "a red ball") == ""
    words = "a green dog and a blue cat run on grass, fast"
    said = re.search(r"the first 16 tokens of camera and caption, not '(.+)'\.", unread(pipe, words))
    assert said is not None
    left_out = said.group(1)
    assert words.endswith(left_out)
    ids = pipe.tokenizer(words, truncation=True, max_length=16).input_ids
    assert pipe.tokenizer.decode(ids, skip_special_tokens=True) + left_out == words


def test_notes_are_for_what_the_artist_should_know(desk: Desk) -> None:
    notes: list[str] = []
    one = {**LEARNING, "steps": 1}
    desk.run(learn_motion, "noted", lambda _, words: notes.append(words), caption="a room", path=aside(), learning=one)
    assert ["16 tokens" in note for note in notes if note] == [True]


def test_colours_are_found_again() -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (5, 8, 12, 3), np.uint8)
    mixed = rng.normal(size=(3, 4))
    small = np.stack([frames[0], frames[1:].mean(axis=0)])
    latents = torch.from_numpy((small @ mixed).transpose(0, 3, 1, 2))
    colours = colours_of(latents, frames)
    assert np.allclose(latents.numpy().transpose(0, 2, 3, 1) @ colours[:4] + colours[4], small, atol=0.5)


def test_a_camera_goes_on_from_what_all_cameras_share(shared: Path, own: Path) -> None:
    before, clips = about(shared), about(own)["clips"]
    assert [clip["prompt"].split()[0] for clip in clips[len(before["clips"]) :]] == ["CAMERA_TRUCK_RIGHT"] * 2
    assert clips[: len(before["clips"])] == before["clips"]
    assert about(own)["losses"][: len(before["losses"])] == before["losses"]
    before, after = weights(shared), weights(own)
    apart = max(float((after[name] - before[name]).abs().max()) for name in before)
    assert 0 < apart < 0.2
    assert any(float(value.abs().max()) > 0 for name, value in before.items() if "lora_B" in name)


def test_the_clip_alone_can_be_learned_from_and_holes_can_be_left_in(desk: Desk) -> None:
    one = {**LEARNING, "steps": 1}
    alone = about(desk.run(learn_motion, "alone", caption="a room", path=None, learning=one, warps=False))
    assert {clip["name"].split()[0] for clip in alone["clips"]} == {"source"}
    masked, open_ = (
        about(desk.run(learn_motion, f"masked {masked}", caption="", path=aside(0.6), learning=one, masked=masked))
        for masked in (True, False)
    )
    assert open_["losses"][0] > 1.05 * masked["losses"][0]


class KilledError(Exception):
    pass


def test_a_stage_that_was_stopped_ends_with_the_same_lora(desk: Desk, shared: Path) -> None:
    def stop(share: float, words: str) -> None:
        if share == 2 / LEARNING["steps"]:
            raise KilledError

    with pytest.raises(KilledError):
        desk.run(learn_motion, "broken", stop, caption="a room", path=None, learning=LEARNING)
    assert not (desk.folder / "broken" / LORA).exists()
    broken = desk.run(learn_motion, "broken", caption="a room", path=None, learning=LEARNING)
    for name, value in weights(shared).items():
        assert torch.equal(weights(broken)[name], value), name


def test_a_camera_that_sees_too_little_is_told_so(desk: Desk) -> None:
    with pytest.raises(UserError, match=r"sees too little of the clip \(\d+%"):
        desk.run(learn_motion, "blind", caption="", path=aside(900.0), learning=LEARNING)


def in_tier_of(desk: Desk, out: str, tier: str) -> None:
    """As if memory had run out in the tiers before."""
    folder = desk.folder / f"{out} unfinished"
    folder.mkdir(exist_ok=True)
    (folder / "memory.json").write_text(json.dumps({"tier": tier}))


@pytest.mark.parametrize("tier", ["16 GB", "12 GB"])
def test_small_weights_learn_what_whole_ones_open(desk: Desk, tier: str) -> None:
    in_tier_of(desk, f"small {tier}", tier)
    small = desk.run(learn_motion, f"small {tier}", caption="a room", path=aside(), learning=LEARNING)
    assert about(small)["memory"].startswith(f"{tier}: {(tier_named(tier).base == 'int8' and 8) or 4}-bit weights")
    pipe = tiny_pipeline()
    pipe.load_lora_weights(small / LORA)
    assert any(float(value.abs().max()) > 0 for name, value in weights(small).items() if "lora_B" in name)


@pytest.mark.parametrize(("guided", "tier"), [(0.0, "ample"), (1.0, "ample"), (0.0, "16 GB"), (0.0, "12 GB")])
def test_a_camera_gets_as_many_frames_of_its_size_as_it_asked_for(
    desk: Desk, own: Path, guided: float, tier: str
) -> None:
    sampling = {"steps": 2, "guidance": 2.0}
    in_tier_of(desk, f"made {guided} {tier}", tier)
    out = desk.run(
        generate,
        f"made {guided} {tier}",
        inputs={"learned": own.name, "preview": "preview"},
        path=aside(),
        caption="a room",
        sampling=sampling,
        warp_guidance=guided,
        seed=3,
    )
    frames = read_images(out / "generated")
    assert frames.shape == (COUNT, 64, 96, 3)
    assert frames.std() > 1
    made = json.loads((out / "generation.json").read_text())
    assert made["losses"] == about(own)["losses"]
    assert made["prompt"] == about(own)["clips"][-1]["prompt"]
    assert made["memory"].startswith(tier)


def test_what_was_seen_lies_over_what_was_made_and_they_meet_without_a_step() -> None:
    truth = np.stack(textured_frames(1, 64, 96, shift=0))[0].astype(np.int64) // 2 + 64
    known = np.ones(truth.shape[:2], bool)
    known[20:44, 60:] = False
    warped = np.where(known[..., None], truth, 0).astype(np.uint8)
    # Made with another brightness and tint, which drift over the picture: detail is right, colours are not.
    drift = np.linspace(-10, -40, 96)[None, :, None] + np.array([8, 0, -8])
    depth = np.where(known, 5, 0).astype(np.float32)
    found = over(warped, known, depth, (truth + drift).astype(np.float32))
    assert np.array_equal(found[known], warped[known])
    assert np.abs(found.astype(float) - truth)[~known].max() < 8
    assert np.abs(drift[:, 60:]).min() > 8
    assert np.array_equal(over(warped, np.ones_like(known), depth, truth), warped)
    everywhere = over(warped, np.zeros_like(known), np.zeros_like(depth), truth.astype(np.float32))
    assert np.array_equal(everywhere, truth)


def test_what_tore_a_hole_open_lends_it_no_colour() -> None:
    known = np.ones((64, 96), bool)
    known[20:44, 40:44] = False
    warped = np.full((64, 96, 3), 200, np.uint8)
    warped[:, :40] = (255, 0, 0)
    depth = np.full(known.shape, 5, np.float32)
    depth[:, :40] = 2
    made = np.full((64, 96, 3), 180, np.float32)
    assert np.abs(over(warped, known, np.where(known, depth, 0), made)[~known].astype(int) - 200).max() <= 10
    # On one surface the red belongs there, too.
    assert over(warped, known, np.where(known, np.float32(5), 0), made)[~known].astype(int)[:, 1].min() < 100
