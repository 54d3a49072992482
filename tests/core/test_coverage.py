# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a camera before it is rendered."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reangle_blender.core.contract import CameraPath, PreviewSettings
from reangle_blender.core.contract.lookahead import MAX_LOOK_FRAMES
from reangle_blender.core.coverage import Coverage, chunks, colour_of, digest_of, overlay, part_of


def path(name: str = "left", x: float = 0.5, frames: int = 3) -> CameraPath:
    matrices = np.tile(np.eye(4), (frames, 1, 1))
    matrices[:, 0, 3] = x * np.arange(frames)
    K = ((50.0, 0.0, 24.0), (0.0, 50.0, 16.0), (0.0, 0.0, 1.0))
    return CameraPath(
        name=name,
        fps=24.0,
        width=48,
        height=32,
        frames=tuple(range(frames)),
        world_from_camera=matrices.tolist(),
        K=(K,) * frames,
    )


@given(st.integers(1, 4096))
def test_chunks_hold_each_frame_once_and_the_first_spans_the_path(frames: int) -> None:
    parts = chunks(frames)
    assert sorted(number for part in parts for number in part) == list(range(frames))
    assert all(1 <= len(part) <= MAX_LOOK_FRAMES for part in parts)
    assert parts[0][0] == 0
    assert parts[0][-1] >= frames - len(parts)


def test_measured_frames_are_told_from_others() -> None:
    empty = Coverage.empty("digest", 4)
    assert empty.worst() is None
    assert not empty.is_complete
    some = empty.with_frames([1, 3], [0.5, 0.9], [0.1, 0.1])
    assert np.isnan(empty.seen).all()  # the former one stays as it is
    assert some.worst() == 1
    assert some.mean_known() == pytest.approx(0.8)
    assert not some.is_complete
    whole = some.with_frames([0, 2], [1.0, 0.2], [0.0, 0.2])
    assert (whole.is_complete, whole.worst()) == (True, 2)


def test_digest_follows_what_changes_the_picture_and_not_the_name() -> None:
    one = digest_of("job", path(), PreviewSettings())
    assert digest_of("job", path(name="right"), PreviewSettings()) == one
    others = [
        digest_of("other", path(), PreviewSettings()),
        digest_of("job", path(x=0.5001), PreviewSettings()),
        digest_of("job", path(), PreviewSettings(memory=False)),
    ]
    assert len({one, *others}) == 4


def test_part_of_a_path_keeps_what_belongs_together() -> None:
    part = part_of(path(), [2, 0])
    assert part.frames == (2, 0)
    assert [matrix[0][3] for matrix in part.world_from_camera] == [1.0, 0.0]


def test_colours_turn_from_green_to_red() -> None:
    green, red = colour_of(0.0), colour_of(0.9)
    assert green[1] > green[0]
    assert red[0] > red[1]
    assert len(set(colour_of(float("nan"))[:3])) == 1


def test_overlay_tints_holes_or_shows_pixels_with_rows_from_the_bottom() -> None:
    answer = np.zeros((2, 3, 4), np.uint8)
    answer[0] = (255, 51, 0, 255)
    answer[1, 0] = (0, 0, 0, 0)
    answer[1, 1] = (10, 20, 30, 128)
    answer[1, 2] = (10, 20, 30, 255)
    holes = overlay(answer.tobytes(), 3, 2, pixels=False)
    assert (holes[1, :, 3] == 0).all()
    assert holes[0, 0].argmax() == 0
    assert holes[0, 1].argmax() == 2
    assert holes[0, 2, 3] == 0
    pixels = overlay(answer.tobytes(), 3, 2, pixels=True)
    np.testing.assert_allclose(pixels[1, 0], (1, 0.0331, 0, 1), atol=1e-4)
    assert (pixels[..., 3] == 1).all()
    assert pixels[0, 0, :3].argmax() == 0
