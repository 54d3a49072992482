# SPDX-License-Identifier: Apache-2.0
"""Camera provider `solve`: lens and path from points that are followed through the clip."""

from __future__ import annotations

from reangle.geometry.camera.solve.prior import FocalPrior
from reangle.geometry.camera.solve.solve import solve_camera
from reangle.geometry.clip_camera import ClipCamera
from reangle.geometry.footage import Footage
from reangle.geometry.spec import CameraContext


def provide(footage: Footage, context: CameraContext) -> ClipCamera:
    """See `reangle.geometry.provider.CameraProvider`."""
    prior = FocalPrior.of_clip(footage.metadata, context.params.horizontal_fov_deg)
    # What is being done is no note for the artist.
    return solve_camera(footage, prior, lambda share, _doing: context.report(share, ""))
