# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of a new camera's picture the clip shows, and the colours that tell it. No bpy."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from .cloud import LINEAR
from .contract import CameraPath, LookRequest, PreviewSettings, to_json
from .contract.lookahead import REMEMBERED, UNKNOWN

CHUNK = 8
"""Frames that are asked for at once: few, so that a camera that moves on waits for no more than these."""

HOLE_TINT = (0.8, 0.03, 0.02, 0.6)
ELSEWHERE_TINT = (0.02, 0.15, 0.8, 0.3)
"""Linear colours and opacity of what no frame shows, and of what only other frames show."""

_STOPS = (0.0, 0.03, 0.12, 0.35)
"""Unseen shares of the colours below; between them the colours mix."""
_COLOURS = ((0.20, 0.72, 0.45), (0.55, 0.75, 0.30), (0.95, 0.70, 0.15), (0.90, 0.22, 0.16))

Colour = tuple[float, float, float, float]


@dataclass(frozen=True)
class Coverage:
    """Shares of the picture for each output frame of a camera; NaN where they are not measured yet.

    digest: of the path, its lens and the settings that they were measured with. seen: pixels that the frame's own
    source frame shows. elsewhere: pixels that only other frames show.
    """

    digest: str
    seen: np.ndarray = field(compare=False)
    elsewhere: np.ndarray = field(compare=False)

    @classmethod
    def empty(cls, digest: str, frames: int) -> Coverage:
        return cls(digest, np.full(frames, np.nan), np.full(frames, np.nan))

    def with_frames(self, numbers: Sequence[int], seen: Sequence[float], elsewhere: Sequence[float]) -> Coverage:
        """A copy in which these output frames are measured."""
        both = self.seen.copy(), self.elsewhere.copy()
        for target, values in zip(both, (seen, elsewhere), strict=True):
            target[list(numbers)] = values
        return replace(self, seen=both[0], elsewhere=both[1])

    @property
    def unseen(self) -> np.ndarray:
        """Share of each frame that no frame of the clip shows; NaN where it is not measured."""
        return np.clip(1 - self.seen - self.elsewhere, 0, 1)

    @property
    def is_complete(self) -> bool:
        return not np.isnan(self.seen).any()

    def worst(self) -> int | None:
        """The output frame, from 0, of which the clip shows least; None before anything is measured."""
        unseen = self.unseen
        return None if np.isnan(unseen).all() else int(np.nanargmax(unseen))

    def mean_known(self) -> float:
        """Mean share that any frame shows, over the measured frames; NaN before anything is measured."""
        return float("nan") if np.isnan(self.seen).all() else float(1 - np.nanmean(self.unseen))


def digest_of(job: str, path: CameraPath, preview: PreviewSettings) -> str:
    """Tells whether coverage still belongs to a camera: of the import, all but the camera's name, and the settings."""
    text = job + to_json(LookRequest(replace(path, name="camera"), preview))
    return hashlib.sha256(text.encode()).hexdigest()


def part_of(path: CameraPath, numbers: Sequence[int]) -> CameraPath:
    """The path at some of its output frames."""
    frames, matrices, K = (
        tuple(values[number] for number in numbers) for values in (path.frames, path.world_from_camera, path.K)
    )
    return replace(path, frames=frames, world_from_camera=matrices, K=K)


def chunks(frames: int) -> list[list[int]]:
    """All output frames in chunks; each is spread over the whole path, so that the first gives an overview."""
    step = -(-frames // CHUNK)
    order = sorted(range(step), key=_reversed_bits)
    return [list(range(start, frames, step)) for start in order]


def _reversed_bits(number: int) -> int:
    return int(f"{number:016b}"[::-1], 2)


def colour_of(unseen: float) -> Colour:
    """Green where the clip shows all, through yellow, to red where much must be invented; grey if not measured."""
    if np.isnan(unseen):
        return (0.45, 0.45, 0.45, 0.6)
    red, green, blue = (float(np.interp(unseen, _STOPS, channel)) for channel in zip(*_COLOURS, strict=True))
    return (red, green, blue, 0.95)


def overlay(data: bytes, width: int, height: int, *, pixels: bool) -> np.ndarray:
    """What is drawn over the camera's view: height x width x 4 float32 in 0..1, linear as Blender's drawing expects it,
    rows from the bottom, alpha not multiplied.

    data: an answer to a request for a picture. pixels: with the picture's own colours, else holes are tinted alone.
    """
    answer = np.frombuffer(data, np.uint8).reshape(height, width, 4)[::-1]
    hole, elsewhere = answer[..., 3] == UNKNOWN, answer[..., 3] == REMEMBERED
    result = np.zeros((height, width, 4), np.float32)
    if pixels:
        result[..., :3] = LINEAR[answer[..., :3]]
        result[..., 3] = 1
        result[hole] = (*HOLE_TINT[:3], 1.0)
    else:
        result[hole], result[elsewhere] = HOLE_TINT, ELSEWHERE_TINT
    return result
