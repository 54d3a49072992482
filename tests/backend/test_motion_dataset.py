# SPDX-License-Identifier: Apache-2.0
"""The training clips, made by the real warper."""

from __future__ import annotations

import numpy as np
import pytest
from preview_scene import BOX, HEIGHT, MOVER, WALL, WIDTH, film
from reangle.engines.video import SHARED_CLIPS
from reangle.motion.dataset import MOVES, TrainingClip, infilled, path_prompt, preset_paths, training_clips
from reangle.video_models.model_view import ModelView
from reangle.video_models.windows import plan_windows
from reangle.warping.video import Warper

COUNT = 7


@pytest.fixture(scope="module")
def warper() -> Warper:
    frames, geometry = film((WALL, BOX, MOVER), COUNT)
    return Warper(frames, geometry, None)


def clips(warper: Warper, view: ModelView, length: int) -> list[TrainingClip]:
    windows = plan_windows(COUNT, length, 4)
    return [clip for path in preset_paths(warper, 24) for clip in training_clips(warper, path, view, windows)]


def test_training_clips_include_the_source_bit_for_bit(warper: Warper) -> None:
    same_size = ModelView.of(WIDTH, HEIGHT, WIDTH, HEIGHT)
    first, *warps = clips(warper, same_size, 9)
    assert np.array_equal(first.frames[:COUNT], warper.frames)
    assert first.visible[:COUNT].all()
    assert first.coverage == 1
    assert np.array_equal(first.first_frame, warper.frames[0])
    assert len(warps) == 2 * len(MOVES) == SHARED_CLIPS - 1
    assert all(0.4 < clip.coverage < 1 for clip in warps if "dolly" not in clip.name)


def test_each_move_is_a_way_and_a_place_for_the_model(warper: Warper) -> None:
    words = [path_prompt(path, warper, "a room").partition(" ")[0] for path in preset_paths(warper, 24)]
    tokens = [kind.upper().replace("-", "_") for kind, _ in MOVES]
    moves = [f"CAMERA_{token}" for token in tokens] + [f"CAMERA_STATIC_FROM_{token}" for token in tokens]
    assert words == ["a", *moves]


def test_the_condition_is_filled_as_in_generation(warper: Warper) -> None:
    """A window's first frame keeps what the warp saw; the rest is the fill that generation starts from."""
    path = preset_paths(warper, 24)[len(MOVES) + 1]
    view, windows = ModelView.of(WIDTH, HEIGHT, WIDTH, HEIGHT), plan_windows(COUNT, 9, 4)
    fill = np.full((HEIGHT, WIDTH, 3), 77, np.uint8)
    (given,) = training_clips(warper, path, view, windows, [fill])
    (own,) = training_clips(warper, path, view, windows)
    known = given.visible[0]
    assert 0.5 < known.mean() < 1
    for clip in (given, own):
        assert np.array_equal(clip.first_frame[known], clip.frames[0][known])
    assert (given.first_frame[~known] == 77).all()
    assert np.array_equal(given.frames, own.frames)
    assert not np.array_equal(own.first_frame, own.frames[0])


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
