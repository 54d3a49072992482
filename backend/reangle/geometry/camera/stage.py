# SPDX-License-Identifier: Apache-2.0
"""Stage `camera`: the camera that filmed a decoded clip."""

from __future__ import annotations

from reangle.folders import DecodedClip
from reangle.geometry.camera.providers import camera_named
from reangle.geometry.camera.undistort import write_undistorted
from reangle.geometry.footage import Footage
from reangle.geometry.spec import CameraContext


def find_camera(context: CameraContext) -> None:
    """Write the clip's `ClipCamera`, and its frames without distortion if the lens bends them.

    files: role geometry, camera files for provider `files`.
    """
    footage = Footage.open(context.read("decode", DecodedClip))
    camera = camera_named(context.params.camera).load()(footage, context)
    if camera.distortion is not None:
        write_undistorted(footage, camera, context.out.undistorted, context.report)
    camera.save(context.out)
    for note in camera.notes:
        context.report(1.0, note)
