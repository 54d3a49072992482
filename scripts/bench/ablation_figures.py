# SPDX-License-Identifier: Apache-2.0
"""What `ablations.py` measures beside the figures of one camera's result."""

from __future__ import annotations

import numpy as np
from reangle.contract import CameraPath
from reangle.evaluation.judge import mean_of
from reangle.evaluation.texture import overlap_contrast
from reangle.evaluation.truth import TrueView
from reangle.video_models.windows import Windows


def kind_of_camera(path: CameraPath) -> str:
    poses = np.asarray(path.world_from_camera)
    return "still" if np.allclose(poses, poses[0]) else "moving"


def overlap_of(windows: Windows) -> np.ndarray:
    """Frames (N bool) that two windows make. A window's first frame is not one: the window before makes it alone."""
    made = [windows.frames(index)[~windows.is_held(index)][min(index, 1) :] for index in range(len(windows.starts))]
    return np.bincount(np.concatenate(made), minlength=windows.count) > 1


def overlap_figures(generated: np.ndarray, view: TrueView, windows: Windows) -> dict[str, float]:
    """Contrast where windows overlap, of hidden and of seen pixels. Those that are NaN are left out.

    generated: the video model's own frames, before pixels of the warp were laid over them.
    """
    truth, hidden, overlap = view.frames(), view.parts()["occluded"], overlap_of(windows)
    figures = {
        "overlap_hidden": overlap_contrast(generated, truth, hidden, overlap),
        "overlap_seen": overlap_contrast(generated, truth, ~hidden, overlap),
    }
    return {name: value for name, value in figures.items() if np.isfinite(value)}


def by_camera(views: list[tuple[str, dict[str, float]]]) -> dict[str, float]:
    """views: kind of camera and figures. Means over all cameras, and as FIGURE/KIND over those of a kind."""
    figures = mean_of(one for _, one in views)
    for kind in {kind for kind, _ in views}:
        some = mean_of(one for of, one in views if of == kind)
        figures |= {f"{name}/{kind}": value for name, value in some.items()}
    return figures
