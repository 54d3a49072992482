# SPDX-License-Identifier: Apache-2.0
"""The training clips, made by the real warper."""

from __future__ import annotations

import numpy as np
import pytest
from preview_scene import BOX, HEIGHT, MOVER, WALL, WIDTH, film
from reangle.engines.reangle import SHARED_CLIPS
from reangle.motion.dataset import MOVES, TrainingClip, infilled, preset_paths, training_clips
from reangle.video_models.model_view import ModelView
from reangle.video_models.windows import plan_windows
from reangle.warping.video import Warper

COUNT = 7


@pytest.fixture(scope="module")
def warper() -> Warper:
    frames, geometry = film((WALL, BOX, MOVER), COUNT)
    return Warper(frames, geometry, None)


def clips(warper: Warper, view: ModelView, length: int) -> list[TrainingClip]:
    return list(training_clips(warper, preset_paths(warper, 24), view, plan_windows(COUNT, length, 4), "a room"))


def test_training_clips_include_the_source_bit_for_bit(warper: Warper) -> None:
    same_size = ModelView.of(WIDTH, HEIGHT, WIDTH, HEIGHT)
    first, *warps = clips(warper, same_size, 9)
    assert np.array_equal(first.frames[:COUNT], warper.frames)
    assert first.visible[:COUNT].all()
    assert first.coverage == 1
    assert first.prompt == "CAMERA_STATIC Camera movement static, a room"
    assert len(warps) == sum(len(amounts) for _, amounts in MOVES) == SHARED_CLIPS - 1
    assert {clip.prompt.split()[0] for clip in warps} == {
        f"CAMERA_{kind.upper().replace('-', '_')}" for kind, _ in MOVES
    }
    assert all(0.4 < clip.coverage < 1 for clip in warps if "dolly" not in clip.name)


def test_frames_held_past_the_end_count_as_hidden(warper: Warper) -> None:
    for clip in clips(warper, ModelView.of(WIDTH, HEIGHT, WIDTH, HEIGHT), 9):
        assert clip.frames.shape[:1] == (9,)
        assert not clip.visible[COUNT:].any()
        assert np.array_equal(clip.frames[COUNT], clip.frames[COUNT - 1])


def test_pixels_beyond_the_border_count_as_hidden(warper: Warper) -> None:
    wide = ModelView.of(WIDTH, HEIGHT, 2 * WIDTH, HEIGHT)
    left, _ = wide.rim
    first = clips(warper, wide, 9)[0]
    assert not first.visible[:, :, : left - 1].any()
    assert first.visible[:COUNT, :, left + 1 : -left - 1].all()


def test_holes_are_filled_and_other_pixels_unchanged() -> None:
    rng = np.random.default_rng(0)
    rgb = rng.integers(100, 200, (20, 30, 3)).astype(np.uint8)
    known = rng.random((20, 30)) < 0.8
    rgb[~known] = 0
    filled = infilled(rgb, known)
    assert np.array_equal(filled[known], rgb[known])
    assert filled[~known].min() > 50
    assert (infilled(rgb, np.zeros_like(known)) == 128).all()
