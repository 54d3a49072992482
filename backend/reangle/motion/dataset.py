# SPDX-License-Identifier: Apache-2.0
"""Training clips: the clip itself and its warps to nearby cameras."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from reangle.contract import CameraPath
from reangle.contract.moves import Move
from reangle.finishing.fill import Filler
from reangle.motion.words import camera_prompt, path_words
from reangle.video_models.model_view import ModelView
from reangle.video_models.windows import Windows
from reangle.warping.background import background_views
from reangle.warping.moves import focus_depth_of, move_path
from reangle.warping.types import WarpedFrame
from reangle.warping.video import Warper, warp_frames

MOVES = (
    ("orbit-left", 10),
    ("orbit-right", 10),
    ("orbit-up", 6),
    ("orbit-down", 6),
    ("dolly-in", 16),
    ("dolly-out", 16),
)
"""The paper's six moves, whose zooms move the camera at a fixed lens, and their amounts: degrees, or percent of the
focus depth. Each is learned as a way that the camera goes and as a place where it stands.
"""
LEAST_COVERAGE = 0.4
"""Share of its picture that a warp must show on average; with less it teaches holes."""
INFILL_RADIUS = 3


@dataclass(frozen=True, eq=False)
class TrainingClip:
    """One window of one camera at the model's size.

    frames: T x H x W x 3 uint8. visible: T x H x W bool, False in frames held past the clip's end. first_frame: H x W x
    3 uint8, the condition. coverage: share of visible pixels in the frames that are not held.
    """

    name: str
    frames: np.ndarray
    visible: np.ndarray
    first_frame: np.ndarray
    coverage: float


def preset_paths(warper: Warper, fps: float) -> list[CameraPath]:
    """The source camera itself and the preset moves, at the clip's own size."""
    depth = focus_depth_of(warper.geometry)
    source = move_path(Move("orbit-left", 0.0, held=True), warper.geometry, warper.width, warper.height, fps, depth)
    moves = [Move(kind, amount, easing="linear", held=held) for held in (False, True) for kind, amount in MOVES]
    paths = [move_path(move, warper.geometry, warper.width, warper.height, fps, depth) for move in moves]
    return [replace(source, name="source"), *paths]


def path_prompt(path: CameraPath, warper: Warper, caption: str) -> str:
    """The prompt for a camera, of any size, of this clip."""
    return camera_prompt(path_words(path, warper.geometry, focus_depth_of(warper.geometry)), caption)


def training_clips(
    warper: Warper, path: CameraPath, view: ModelView, windows: Windows, fill: Sequence[np.ndarray] | None = None
) -> Iterator[TrainingClip]:
    """Every window of a path, in order.

    windows: of the path's frames. fill: the first frame of each window without holes, at the path's own size, of which
    the condition takes what the warp does not show, as in generation; None fills it here. In the other frames holes are
    continued from around, because the autoencoder smears them over their neighbourhood; `visible` still marks them.
    """
    inner = view.path(path)
    warped = list(warp_frames(warper, inner))
    seen = np.stack([one.known for one in warped])
    filled = np.stack([infilled(one.rgb, known) for one, known in zip(warped, seen, strict=True)])
    if fill is None:
        conditions = _filled(warper, inner, warped, windows.starts)
    else:
        conditions = [with_fill(warped[start], one, view) for start, one in zip(windows.starts, fill, strict=True)]
    for index, start in enumerate(windows.starts):
        frames, held = windows.frames(index), windows.is_held(index)
        visible = seen[frames] & ~held[:, None, None]
        name = path.name if len(windows.starts) == 1 else f"{path.name} from {start + 1}"
        yield TrainingClip(name, filled[frames], visible, conditions[index], float(visible[~held].mean()))


def _filled(warper: Warper, path: CameraPath, warped: Sequence[WarpedFrame], chosen: Sequence[int]) -> list[np.ndarray]:
    """The chosen frames of a warped path, filled as the preview fills them."""
    unknown = [float(1 - one.known.mean()) if frame in chosen else 0.0 for frame, one in enumerate(warped)]
    filler = Filler(background_views(warper, path, unknown))
    K, cameras = np.asarray(path.K), np.asarray(path.world_from_camera)
    return [
        filler.fill(warped[frame].rgb, warped[frame].known, warped[frame].depth, K[frame], cameras[frame])
        for frame in chosen
    ]


def with_fill(warped: WarpedFrame, fill: np.ndarray, view: ModelView) -> np.ndarray:
    """A warped frame at the model's size, its holes from `fill`, the same frame at the camera's size without holes.

    What lies beyond the camera's picture is continued from it.
    """
    filled, within = view.paste(fill)
    return infilled(np.where(warped.known[..., None], warped.rgb, filled), warped.known | within)


def whole(picture: np.ndarray, view: ModelView) -> np.ndarray:
    """A picture of the camera's size at the model's; what lies beyond it is continued from it."""
    return infilled(*view.paste(picture))


def infilled(rgb: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The picture with unknown pixels continued from around; grey if nothing is known."""
    if not known.any():
        return np.full_like(rgb, 128)
    return cv2.inpaint(rgb, (~known).astype(np.uint8), INFILL_RADIUS, cv2.INPAINT_TELEA)
