# SPDX-License-Identifier: Apache-2.0
"""Depth provider `mini`: distances from one small network, outlines from another.

The network of two views knows better how far things are, but sees in blocks of 16 pixels; the network of single
pictures sees outlines, and is less right about distances. The ratio of both depths, smoothed over about a block,
corrects the second.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from reangle.geometry.clip_camera import ClipCamera
from reangle.geometry.depth import dust3r, single_frames
from reangle.geometry.footage import Footage
from reangle.geometry.frame_depth import FrameDepth, mask_at
from reangle.geometry.spec import DepthContext
from reangle.weights.identity import split_checkpoints

OUTLINES = 0.5
"""Share of the time that the network of outlines takes."""
SMOOTH = 1 / 48
"""Standard deviation of the smoothing as a share of the longer side: 6 of 288 pixels, where a block is 20."""
LEAST = 1e-6
"""Of inverse depth, whose logarithm is taken."""


def provide(footage: Footage, camera: ClipCamera, context: DepthContext) -> FrameDepth:
    """See `reangle.geometry.provider.DepthProvider`. The checkpoint is the outlines' folder, then the distances'."""
    outlines, distances = split_checkpoints(context.checkpoint)
    first = replace(context, checkpoint=outlines, report=context.part(0, OUTLINES))
    second = replace(context, checkpoint=distances, report=context.part(OUTLINES, 1 - OUTLINES))
    return joined(single_frames.provide(footage, camera, first), dust3r.provide(footage, camera, second))


def joined(fine: FrameDepth, coarse: FrameDepth) -> FrameDepth:
    """Depth with the outlines of `fine` and the distances of `coarse`, at the size of `fine`.

    What moves, and how sure depth is, is `coarse`'s word; name, licence and notes are `fine`'s.
    """
    height, width = fine.inverse.shape[1:]

    def at_size(maps: np.ndarray) -> np.ndarray:
        return np.stack([cv2.resize(one, (width, height)) for one in maps])

    def masks(maps: np.ndarray) -> np.ndarray:
        return np.stack([mask_at(one, width, height) for one in maps])

    ratio = at_size(np.log(np.maximum(coarse.inverse, LEAST)))
    ratio -= np.log(np.maximum(fine.inverse, LEAST))
    sigma = SMOOTH * max(width, height)
    smooth = np.stack([cv2.GaussianBlur(one, (0, 0), sigma) for one in ratio])
    return replace(
        coarse,
        inverse=(fine.inverse * np.exp(smooth)).astype(np.float32),
        valid=masks(coarse.valid) & fine.valid,
        confidence=at_size(coarse.confidence),
        moving=None if coarse.moving is None else masks(coarse.moving),
        checkpoint=fine.checkpoint,
        licence=fine.licence,
        notes=fine.notes,
    )
