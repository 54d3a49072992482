# SPDX-License-Identifier: Apache-2.0
"""Trouble with a new camera, told before a video model starts: from shares per frame to a few sentences.

docs/lab/trouble.md has the figures from which the thresholds are chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from reangle.folders import FrameTrouble, Trouble

UNSEEN, LARGEST_HOLE = 0.3, 0.12
FOLDED, STRETCHED, TORN, UNCERTAIN, UNFILMED = 0.02, 0.05, 0.03, 0.25, 0.03
"""Shares of the picture from which a frame is in trouble."""

GAP = 6
"""Frames in trouble that are at most so far apart become one run."""

MOST_RUNS = 2
"""Runs of one kind that are told; the worst ones."""


class _Kind(NamedTuple):
    """name: of the trouble. amount: of a frame, as a multiple of the threshold. words: from the worst frame."""

    name: str
    amount: Callable[[FrameTrouble], float]
    threshold: float
    words: Callable[[FrameTrouble], str]


def _unseen(frame: FrameTrouble) -> str:
    if frame.unseen == 1:
        return (
            "This camera shows nothing of the clip: its picture is all invented. Turn it towards the point cloud, or "
            "move it out of the surface that it is in."
        )
    return (
        f"{_percent(frame.unseen)} of the picture was never seen; the largest hole is {_percent(frame.hole)} of it. "
        "Move the camera less, or use a part of the clip that shows more."
    )


_KINDS = (
    _Kind("unseen", lambda frame: max(frame.unseen / UNSEEN, frame.hole / LARGEST_HOLE), 1.0, _unseen),
    _Kind(
        "folded",
        lambda frame: frame.folded,
        FOLDED,
        lambda frame: (
            f"Smooth surface folds over itself in {_percent(frame.folded)} of the picture, so its depth may "
            "be wrong. Choose another source of depth, or move the camera less."
        ),
    ),
    _Kind(
        "stretched",
        lambda frame: frame.stretched,
        STRETCHED,
        lambda frame: (
            f"Surface is stretched over {_percent(frame.stretched)} of the picture, because the clip shows "
            "it from the side or its depth is wrong. Move the camera less, or choose another source of depth."
        ),
    ),
    _Kind(
        "torn",
        lambda frame: frame.torn,
        TORN,
        lambda frame: (
            f"Gaps of {_percent(frame.torn)} of the picture open where the clip shows no edge, so the depth "
            "may break there. Lower the edge filter, or choose another source of depth."
        ),
    ),
    _Kind(
        "uncertain",
        lambda frame: frame.uncertain,
        UNCERTAIN,
        lambda frame: (
            f"The depth of {_percent(frame.uncertain)} of the picture is uncertain. Look at the result there "
            "first, or move the camera less."
        ),
    ),
    _Kind(
        "unfilmed",
        lambda frame: frame.unfilmed,
        UNFILMED,
        lambda frame: (
            f"Moving things in {_percent(frame.unfilmed)} of the picture turn a side to this camera that no frame "
            "shows. Move the camera less."
        ),
    ),
)


@dataclass(frozen=True)
class _Run:
    first: int
    last: int


def find_trouble(frames: Sequence[FrameTrouble]) -> tuple[Trouble, ...]:
    """The trouble of a camera, by kind and frame. frames: one for each output frame."""
    found: list[Trouble] = []
    for kind in _KINDS:
        amounts = np.array([kind.amount(frame) for frame in frames])
        told = [_told(kind, frames, amounts, run) for run in _runs(amounts >= kind.threshold)]
        worst = sorted(told, key=lambda trouble: -amounts[trouble.worst_frame - 1])[:MOST_RUNS]
        found += sorted(worst, key=lambda trouble: trouble.first_frame)
    return tuple(found)


def _runs(flags: np.ndarray) -> list[_Run]:
    """Runs of frames, from 0, with gaps of less than GAP frames closed."""
    numbers = np.flatnonzero(flags)
    if not len(numbers):
        return []
    breaks = np.flatnonzero(np.diff(numbers) > GAP)
    starts, ends = numbers[[0, *(breaks + 1)]], numbers[[*breaks, -1]]
    return [_Run(int(first), int(last)) for first, last in zip(starts, ends, strict=True)]


def _told(kind: _Kind, frames: Sequence[FrameTrouble], amounts: np.ndarray, run: _Run) -> Trouble:
    worst = run.first + int(np.argmax(amounts[run.first : run.last + 1]))
    frame = frames[worst]
    return Trouble(
        kind=kind.name,
        first_frame=run.first + 1,
        last_frame=run.last + 1,
        worst_frame=worst + 1,
        amount=float(getattr(frame, kind.name)),
        words=kind.words(frame),
    )


def _percent(share: float) -> str:
    return f"{max(round(100 * share), 1)} %"


def largest_hole(known: np.ndarray) -> float:
    """The largest connected unknown region (pixels that share a side), as a share of the picture. known: H x W bool."""
    unknown = np.where(known, np.uint8(0), np.uint8(1))
    count, _, areas, _ = cv2.connectedComponentsWithStats(unknown, connectivity=4)
    return float(areas[1:, cv2.CC_STAT_AREA].max() / known.size) if count > 1 else 0.0
