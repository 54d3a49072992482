# SPDX-License-Identifier: Apache-2.0
"""Stage `warp-16`: the warp's pixels with all the bits that the clip has."""

from __future__ import annotations

import numpy as np

from reangle.folders import CameraFolder, GeometryFolder, PreciseClip
from reangle.geometry.clip_camera import ClipCamera
from reangle.geometry.undistortion import undistorted
from reangle.geometry.video_geometry import VideoGeometry
from reangle.media.write import ImageWriter, read_images
from reangle.warping.spec import PreciseContext
from reangle.warping.video import Warper, warp_frames


def warp_16(context: PreciseContext) -> None:
    """Write the warped frames with 16 bits. They are those of stage `warp`, since only the frames' type differs."""
    path = context.params.path
    frames = read_images(context.read("decode-16", PreciseClip).frames)
    geometry = VideoGeometry.load(context.read("geometry", GeometryFolder))
    warper = Warper.of_clip(_straight(frames, context.read("camera", CameraFolder)), geometry, context.params.preview)
    with ImageWriter(context.out.frames) as writer:
        for done, warped in enumerate(warp_frames(warper, path), start=1):
            writer.add(warped.rgb)
            context.report(done / len(path.frames), "")


def _straight(frames: np.ndarray, folder: CameraFolder) -> np.ndarray:
    """The frames, T x H x W x 3 uint16, as the source camera describes them: without distortion."""
    if not folder.undistorted.path.is_dir():
        return frames
    camera = ClipCamera.load(folder)
    assert camera.distortion is not None
    for number, frame in enumerate(frames):
        frames[number] = undistorted(frame, camera.distortion, camera.K[0])
    return frames
