# SPDX-License-Identifier: Apache-2.0
"""All figures of one camera's result."""

from __future__ import annotations

import numpy as np

from reangle.evaluation.camera import camera_error
from reangle.evaluation.flicker import flicker
from reangle.evaluation.holes import split_at_rim
from reangle.evaluation.judge import judge
from reangle.evaluation.texture import patch_distance, texture_ratio
from reangle.evaluation.truth import TrueView


def view_figures(frames: np.ndarray, unknown: np.ndarray, view: TrueView) -> dict[str, float]:
    """Figures of one camera by name. Those that are NaN, and those whose masks the scene lacks, are left out.

    Texture and flicker are judged where the truth is hidden and no frame saw: remembered pixels have the clip's own
    texture, and half of the hidden ones are remembered, so that a blurred fill would pass for a sharp one.

    frames: the result, N x H x W x 3 uint8. unknown: see `controls.unknown_in`.
    """
    truth, parts = view.frames(), view.parts()
    hidden = parts.get("occluded", np.zeros_like(unknown))
    invented = hidden & unknown
    figures = {
        **judge(frames, truth, parts | split_at_rim(hidden) | {"invented": invented}),
        **camera_error(frames, truth, parts.get("static")),
        "texture": texture_ratio(frames, truth, invented),
        "patches": patch_distance(frames, truth, invented),
        "flicker": flicker(frames, truth, invented),
    }
    return {name: value for name, value in figures.items() if np.isfinite(value)}
