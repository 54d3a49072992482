# SPDX-License-Identifier: Apache-2.0
"""Depth provider `mini`: distances from one small network, outlines from another.

The network of two views knows better how far things are, but sees in blocks of 16 pixels; the network of single
pictures sees outlines, and is less right about distances. The ratio of both depths, smoothed over about a block,
corrects the second.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from reangle.geometry.clip_camera import ClipCamera
from reangle.geometry.depth import dust3r
from reangle.geometry.depth.monocular import estimate_frames
from reangle.geometry.footage import Footage
from reangle.geometry.frame_depth import FrameDepth
from reangle.geometry.spec import DepthContext
from reangle.weights.identity import split_checkpoints
from reangle.weights.registry import checkpoint_at

OUTLINES = 0.5
"""Share of the time that the network of outlines takes."""
SMOOTH = 1 / 48
"""Standard deviation of the smoothing as a share of the longer side: 6 of 288 pixels, where a block is 20."""
LEAST = 1e-6
"""Of inverse depth, whose logarithm is taken."""


def provide(footage: Footage, camera: ClipCamera, context: DepthContext) -> FrameDepth:
    """See `reangle.geometry.provider.DepthProvider`. The checkpoint is the outlines' folder, then the distances'."""
    outlines, distances = split_checkpoints(context.checkpoint)
    fine = estimate_frames(footage, Path(outlines), lambda done: context.report(OUTLINES * done, ""))
    coarse = dust3r.provide(
        footage,
        camera,
        replace(
            context,
            checkpoint=distances,
            report=lambda done, note: context.report(OUTLINES + (1 - OUTLINES) * done, note),
        ),
    )
    known = checkpoint_at(Path(outlines))
    limits = (known.limits,) if known and known.limits else ()
    return replace(
        joined(fine, coarse),
        checkpoint=fine.checkpoint,
        licence=fine.licence,
        notes=(*limits, f"Licence of the depth: {fine.licence}."),
    )


def joined(fine: FrameDepth, coarse: FrameDepth) -> FrameDepth:
    """Depth with the outlines of `fine` and the distances of `coarse`, at the size of `fine`.

    What both say besides depth is `coarse`'s.
    """
    height, width = fine.inverse.shape[1:]

    def at_size(maps: np.ndarray, how: int) -> np.ndarray:
        return np.stack([cv2.resize(one, (width, height), interpolation=how) for one in maps])

    def masks(maps: np.ndarray) -> np.ndarray:
        return at_size(maps.astype(np.uint8), cv2.INTER_NEAREST) > 0

    ratio = at_size(np.log(np.maximum(coarse.inverse, LEAST)), cv2.INTER_LINEAR)
    ratio -= np.log(np.maximum(fine.inverse, LEAST))
    sigma = SMOOTH * max(width, height)
    smooth = np.stack([cv2.GaussianBlur(one, (0, 0), sigma) for one in ratio])
    return replace(
        coarse,
        inverse=(fine.inverse * np.exp(smooth)).astype(np.float32),
        valid=masks(coarse.valid) & fine.valid,
        confidence=at_size(coarse.confidence, cv2.INTER_LINEAR),
        moving=None if coarse.moving is None else masks(coarse.moving),
    )
