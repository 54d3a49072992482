# SPDX-License-Identifier: Apache-2.0
"""Depth provider `depth-anything`, which looks at each frame alone; the outlines of `mini`, too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reangle.geometry.clip_camera import ClipCamera
from reangle.geometry.depth.monocular import estimate_frames
from reangle.geometry.footage import Footage
from reangle.geometry.frame_depth import FrameDepth
from reangle.geometry.spec import DepthContext
from reangle.weights.registry import checkpoint_at


def provide(footage: Footage, camera: ClipCamera, context: DepthContext) -> FrameDepth:
    """See `reangle.geometry.provider.DepthProvider`."""
    folder = Path(context.checkpoint)
    depth = estimate_frames(footage, folder, lambda done: context.report(done, ""))
    known = checkpoint_at(folder)
    limits = (known.limits,) if known and known.limits else ()
    return replace(depth, notes=(*depth.notes, *limits, f"Licence of the depth: {depth.licence}."))
