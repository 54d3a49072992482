# SPDX-License-Identifier: Apache-2.0
"""Training clips: the clip itself and its warps to nearby cameras."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from reangle.contract import CameraPath
from reangle.contract.moves import Move
from reangle.motion.words import camera_prompt, path_words
from reangle.video_models.model_view import ModelView
from reangle.video_models.windows import Windows
from reangle.warping.moves import focus_depth_of, move_path
from reangle.warping.video import Warper, warp_frames

MOVES = (
    ("orbit-left", (5, 10)),
    ("orbit-right", (5, 10)),
    ("orbit-up", (3, 6)),
    ("orbit-down", (3, 6)),
    ("dolly-zoom-in", (8, 16)),
    ("dolly-zoom-out", (8, 16)),
)
"""The paper's six moves and their amounts over the clip: degrees, or percent of the focus depth."""
LEAST_COVERAGE = 0.4
"""Share of its picture that a warp must show on average; with less it teaches holes."""
INFILL_RADIUS = 3


@dataclass(frozen=True, eq=False)
class TrainingClip:
    """One window of one camera at the model's size.

    frames: T x H x W x 3 uint8. visible: T x H x W bool, False in frames held past the clip's end. coverage: share of
    visible pixels in the other frames.
    """

    name: str
    prompt: str
    frames: np.ndarray
    visible: np.ndarray
    coverage: float


def preset_paths(warper: Warper, fps: float) -> list[CameraPath]:
    """The source camera itself and the preset moves, at the clip's own size."""
    depth = focus_depth_of(warper.geometry)
    source = move_path(Move("orbit-left", 0.0, held=True), warper.geometry, warper.width, warper.height, fps, depth)
    moves = [Move(kind, amount, easing="linear") for kind, amounts in MOVES for amount in amounts]
    paths = [move_path(move, warper.geometry, warper.width, warper.height, fps, depth) for move in moves]
    return [replace(source, name="source"), *paths]


def training_clips(
    warper: Warper, paths: Sequence[CameraPath], view: ModelView, windows: Windows, caption: str
) -> Iterator[TrainingClip]:
    """Every window of every path, in order.

    windows: of the paths' frames. Holes are filled from around, because the autoencoder smears them over their
    neighbourhood; `visible` still marks them.
    """
    depth = focus_depth_of(warper.geometry)
    for path in paths:
        warped = list(warp_frames(warper, view.path(path)))
        seen = np.stack([one.visible | one.remembered for one in warped])
        filled = np.stack([infilled(one.rgb, known) for one, known in zip(warped, seen, strict=True)])
        prompt = camera_prompt(path_words(path, warper.geometry, depth), caption)
        for index in range(len(windows.starts)):
            frames, held = windows.frames(index), windows.is_held(index)
            visible = seen[frames] & ~held[:, None, None]
            name = path.name if len(windows.starts) == 1 else f"{path.name} from {windows.starts[index] + 1}"
            yield TrainingClip(name, prompt, filled[frames], visible, float(visible[~held].mean()))


def infilled(rgb: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The picture with unknown pixels continued from around; grey if nothing is known."""
    if not known.any():
        return np.full_like(rgb, 128)
    return cv2.inpaint(rgb, (~known).astype(np.uint8), INFILL_RADIUS, cv2.INPAINT_TELEA)
