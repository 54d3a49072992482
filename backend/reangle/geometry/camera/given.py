# SPDX-License-Identifier: Apache-2.0
"""Camera provider `given`: the artist's own solved camera."""

from __future__ import annotations

import numpy as np

from reangle.errors import UserError
from reangle.geometry.camera_files import relative_to_first
from reangle.geometry.clip_camera import ClipCamera
from reangle.geometry.clip_match import K_of_frames, for_each_frame, motion_of
from reangle.geometry.footage import Footage
from reangle.geometry.spec import CameraContext
from reangle.weights.licences import OWN_FILES

WORDS = {"still": "which stands still", "turning": "which only turns", "moving": "which moves"}


def provide(footage: Footage, context: CameraContext) -> ClipCamera:
    """Its units are kept, so depth is scaled to it. See `reangle.geometry.provider.CameraProvider`."""
    given = context.params.given
    assert given is not None
    count = len(given.K)
    if 1 < count < footage.count:
        raise UserError(
            f"The given camera has {count} frames, but {footage.count} frames of the clip are used.",
            advice="Export the camera for every used frame of the clip, or use fewer frames.",
        )
    K = K_of_frames("The given camera is for", np.asarray(given.K), given.width, given.height, footage)
    path = for_each_frame(np.asarray(given.world_from_camera)[: footage.count], footage)
    path = relative_to_first(path)
    motion = motion_of(path)
    return ClipCamera(
        K=np.ascontiguousarray(for_each_frame(K[: footage.count], footage)),
        world_from_camera=path,
        width=footage.width,
        height=footage.height,
        motion=motion,
        scale="metric",
        source="given",
        lens_source="files",
        licence=OWN_FILES.name,
        notes=(f"Camera: yours, {WORDS[motion]}.",),
    )
