# SPDX-License-Identifier: Apache-2.0
"""Camera provider `dust3r`: lens and path from aligned point maps, whose depth is kept for depth from DUSt3R."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reangle.geometry.alignment import Alignment
from reangle.geometry.clip_camera import ClipCamera
from reangle.geometry.depth.dust3r import align_footage, frame_depth_of
from reangle.geometry.footage import Footage
from reangle.geometry.spec import CameraContext
from reangle.weights.registry import licence_of, name_of


def provide(footage: Footage, context: CameraContext) -> ClipCamera:
    """See `reangle.geometry.provider.CameraProvider`."""
    fov = context.params.horizontal_fov_deg
    alignment = align_footage(footage, Path(context.checkpoint), context.report, fov)
    frame_depth_of(alignment, context.checkpoint, "none").save(context.out.frame_depth)
    lens = alignment.lens
    scale = np.diag([footage.width / lens.width, footage.height / lens.height, 1.0])
    licence = licence_of(context.checkpoint)
    return ClipCamera(
        K=np.tile(scale @ lens.K, (footage.count, 1, 1)),
        world_from_camera=alignment.world_from_camera,
        width=footage.width,
        height=footage.height,
        motion="still" if alignment.static_camera else "moving",
        scale="relative",
        source="dust3r",
        lens_source="solved" if fov is None else "set",
        moving=alignment.dynamic,
        checkpoint=name_of(context.checkpoint),
        licence=licence,
        notes=(*describe(alignment, fov), f"Licence of DUSt3R's camera: {licence}."),
    )


def describe(alignment: Alignment, fov: float | None) -> tuple[str, ...]:
    """Notes for the artist."""
    lens = alignment.lens
    degrees = np.degrees(2 * np.arctan(lens.width / 2 / lens.focal))
    source = "estimated from the frames" if fov is None else "as set"
    return (
        f"Lens: a horizontal field of view of {degrees:.1f} degrees, {source}.",
        "Camera: static."
        if alignment.static_camera
        else f"Camera: moving; the picture shifts by up to {alignment.shift:.1%} of its width.",
    )
