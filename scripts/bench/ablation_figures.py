# SPDX-License-Identifier: Apache-2.0
"""What `ablations.py` measures of one camera's result, and its controls, which need no video model."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from reangle.contract import CameraPath
from reangle.evaluation.camera import camera_error
from reangle.evaluation.holes import split_at_rim
from reangle.evaluation.judge import judge, mean_of
from reangle.evaluation.texture import overlap_contrast, patch_distance, texture_ratio
from reangle.evaluation.truth import TrueView
from reangle.folders import ResultFolder
from reangle.media.write import read_images
from reangle.video_models.windows import Windows

BLUR_PX = 1.0
TELEA_PX = 3
"""Radius of OpenCV's infill, as in OpenCV's own example."""

Control = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""A frame, its warp (both H x W x 3 uint8) and the mask of unknown pixels (H x W bool) -> what goes there."""


def blurred(frame: np.ndarray, _warp: np.ndarray, _unknown: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(frame, (0, 0), BLUR_PX)


def averaged_with_telea(frame: np.ndarray, warp: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    infill = cv2.inpaint(warp, unknown.astype(np.uint8), TELEA_PX, cv2.INPAINT_TELEA)
    return np.rint((frame.astype(np.float32) + infill) / 2).astype(np.uint8)


def unknown_in(result: ResultFolder) -> np.ndarray:
    """N x H x W bool: pixels that no frame of the clip saw, by the result's own masks."""
    return (read_images(result.visibility) | read_images(result.memory)) == 0


def controlled(result: ResultFolder, control: Control | None) -> np.ndarray:
    """The result's frames, N x H x W x 3 uint8. control: replaces the pixels that no frame of the clip saw."""
    frames = read_images(result.frames)
    if control is None:
        return frames
    unknown = unknown_in(result)
    images = zip(frames, read_images(result.warped), unknown, strict=True)
    changed = [control(*one) for one in images]
    return np.where(unknown[..., None], np.stack(changed), frames)


def kind_of_camera(path: CameraPath) -> str:
    poses = np.asarray(path.world_from_camera)
    return "still" if np.allclose(poses, poses[0]) else "moving"


def overlap_of(windows: Windows) -> np.ndarray:
    """Frames (N bool) that two windows make. A window's first frame is not one: the window before makes it alone."""
    made = [windows.frames(index)[~windows.is_held(index)][min(index, 1) :] for index in range(len(windows.starts))]
    return np.bincount(np.concatenate(made), minlength=windows.count) > 1


def view_figures(
    frames: np.ndarray,
    unknown: np.ndarray,
    view: TrueView,
    windows: Windows | None = None,
    generated: np.ndarray | None = None,
) -> dict[str, float]:
    """Figures of one camera. Those that are NaN are left out.

    Texture is judged where the truth is hidden and no frame saw: remembered pixels have the clip's own texture, and
    half of the hidden ones are remembered, so that a blurred fill would pass for a sharp one.

    frames: the result. unknown: see `unknown_in`. generated: the video model's own frames, before pixels of the warp
    were laid over them; with windows, their contrast is judged.
    """
    truth, parts = view.frames(), view.parts()
    hidden = parts["occluded"]
    parts |= {**split_at_rim(hidden), "invented": hidden & unknown}
    figures = {
        **judge(frames, truth, parts),
        **camera_error(frames, truth, parts["static"]),
        "texture": texture_ratio(frames, truth, parts["invented"]),
        "patches": patch_distance(frames, truth, parts["invented"]),
    }
    if windows is not None and generated is not None:
        overlap = overlap_of(windows)
        figures["overlap_hidden"] = overlap_contrast(generated, truth, hidden, overlap)
        figures["overlap_seen"] = overlap_contrast(generated, truth, ~hidden, overlap)
    return {name: value for name, value in figures.items() if np.isfinite(value)}


def by_camera(views: list[tuple[str, dict[str, float]]]) -> dict[str, float]:
    """views: kind of camera and figures. Means over all cameras, and as FIGURE/KIND over those of a kind."""
    figures = mean_of(one for _, one in views)
    for kind in {kind for kind, _ in views}:
        some = mean_of(one for of, one in views if of == kind)
        figures |= {f"{name}/{kind}": value for name, value in some.items()}
    return figures
