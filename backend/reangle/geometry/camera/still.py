# SPDX-License-Identifier: Apache-2.0
"""Camera provider `still`: a camera that neither moves nor turns."""

from __future__ import annotations

import numpy as np

from reangle.geometry.camera.solve.prior import FocalPrior
from reangle.geometry.clip_camera import ClipCamera
from reangle.geometry.footage import Footage, K_from_fov
from reangle.geometry.spec import CameraContext


def provide(footage: Footage, context: CameraContext) -> ClipCamera:
    """See `reangle.geometry.provider.CameraProvider`."""
    return still_camera(footage, context.params.horizontal_fov_deg, ("Camera: static, as set.",))


def still_camera(footage: Footage, horizontal_fov_deg: float | None, notes: tuple[str, ...] = ()) -> ClipCamera:
    """The clip's frames seen by one camera.

    horizontal_fov_deg: None takes that of the clip's metadata, else assumes a lens; the notes say so.
    """
    prior = FocalPrior.of_clip(footage.metadata, horizontal_fov_deg)
    fov = prior.horizontal_fov_deg
    return ClipCamera(
        K=np.tile(K_from_fov(footage.width, footage.height, fov), (footage.count, 1, 1)),
        world_from_camera=np.tile(np.eye(4), (footage.count, 1, 1)),
        width=footage.width,
        height=footage.height,
        motion="still",
        scale="relative",
        source="still",
        lens_source=prior.origin,
        notes=(prior.note(fov), *notes),
    )
