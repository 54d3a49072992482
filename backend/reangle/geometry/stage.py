# SPDX-License-Identifier: Apache-2.0
"""Stages `geometry` and `glance`: a decoded clip to VideoGeometry and a point cloud for Blender."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np

from reangle.folders import CameraFolder, DecodedClip, source_clip
from reangle.geometry.anchor import anchor
from reangle.geometry.camera.still import still_camera
from reangle.geometry.clip_camera import ClipCamera
from reangle.geometry.cloud import save_cloud
from reangle.geometry.common_scale import in_one_scale
from reangle.geometry.depth.providers import depth_named
from reangle.geometry.edges import sharpen
from reangle.geometry.footage import Footage
from reangle.geometry.frame_depth import ExactDepth, FrameDepth, WorldDepth, mask_at
from reangle.geometry.geometry_writer import Frame, GeometryWriter
from reangle.geometry.multiview import refine_static
from reangle.geometry.spec import DepthContext, GeometryContext, GlanceContext
from reangle.geometry.undistortion import at_size, undistorted
from reangle.geometry.video_geometry import VideoGeometry
from reangle.media.parallel import in_order
from reangle.weights.licences import OWN_FILES

PROVIDER_SHARE, ANCHOR_SHARE, REFINE_SHARE = 0.4, 0.15, 0.25
"""Shares of the stage's progress; the rest is sharpening and writing."""
WRITING = PROVIDER_SHARE + ANCHOR_SHARE + REFINE_SHARE


def estimate(context: GeometryContext) -> None:
    """Write the clip's `VideoGeometry` and its cloud. files: role geometry, for provider `files`."""
    footage = Footage.open(source_clip(context))
    camera = ClipCamera.load(context.read("camera", CameraFolder))
    _write(footage, camera, context)


def glance(context: GlanceContext) -> None:
    """Write the `VideoGeometry` and the cloud of the first frame alone, before the camera is known."""
    footage = Footage.open(context.read("decode", DecodedClip)).first_frame()
    _write(footage, still_camera(footage, context.params.horizontal_fov_deg), context)


def _write(footage: Footage, camera: ClipCamera, context: DepthContext) -> None:
    provider = depth_named(context.params.depth)
    share = replace(context, report=context.part(0.0, PROVIDER_SHARE))
    depth: FrameDepth | ExactDepth = provider.load()(footage, camera, share)
    if isinstance(depth, ExactDepth):
        camera, depth = in_one_scale(camera, _without_distortion(depth, camera), footage)
        size, frames, notes = depth.depth.shape[1:], _exact_frames(camera, depth), depth.notes
        checkpoint, licence, scale = "", OWN_FILES.name, depth.scale
    else:
        world = anchor(depth, camera, footage, context.part(PROVIDER_SHARE, ANCHOR_SHARE))
        world = refine_static(world, camera, footage, context.part(PROVIDER_SHARE + ANCHOR_SHARE, REFINE_SHARE))
        size, frames, notes = (footage.height, footage.width), _sharp_frames(world, footage), world.notes
        checkpoint, licence, scale = depth.checkpoint, depth.licence, camera.scale
    height, width = size
    licences = dict.fromkeys(one for one in (camera.licence, licence) if one)
    with GeometryWriter(context.out, footage.count, height, width) as writer:
        for index, frame in enumerate(frames, start=1):
            writer.add(frame)
            context.report(WRITING + (1 - WRITING) * index / footage.count, "")
        writer.finish(
            K=camera.K_at(width, height),
            world_from_camera=camera.world_from_camera,
            scale=scale,
            camera_from=camera.source,
            depth_from=provider.name,
            checkpoint=" + ".join(dict.fromkeys(one for one in (camera.checkpoint, checkpoint) if one)),
            licence="; ".join(licences),
            notes=(*camera.notes, *notes),
        )
    save_cloud(VideoGeometry.load(context.out, mapped=True), footage, context.out)
    for note in notes:
        context.report(1.0, note)


def _without_distortion(depth: ExactDepth, camera: ClipCamera) -> ExactDepth:
    """Depth maps of the clip's own frames, as the frames without distortion see them."""
    if camera.distortion is None:
        return depth
    height, width = depth.depth.shape[1:]
    distortion = at_size(camera.distortion, (camera.width, camera.height), (width, height))
    K = camera.K_at(width, height)[0]
    straight = np.stack(
        [undistorted(np.ascontiguousarray(one), distortion, K, cv2.INTER_NEAREST) for one in depth.depth]
    )
    return replace(depth, depth=straight, valid=straight > 0)


def _exact_frames(camera: ClipCamera, depth: ExactDepth) -> Iterator[Frame]:
    height, width = depth.depth.shape[1:]
    confidence = np.ones((height, width), np.float32)
    for index, (one, valid) in enumerate(zip(depth.depth, depth.valid, strict=True)):
        moving = None if camera.moving is None else mask_at(camera.moving[index], width, height)
        yield Frame(np.where(valid, one, np.float32(0)), valid, confidence, moving)


def _sharp_frames(world: WorldDepth, footage: Footage) -> Iterator[Frame]:
    def sharp(index: int) -> Frame:
        parts = world.depth[index], world.valid[index], world.confidence[index]
        depth, valid, confidence = sharpen(*parts, footage.image(index))
        moving = mask_at(world.moving[index], footage.width, footage.height)
        return Frame(np.where(valid, depth, np.float32(0)), valid, confidence, moving)

    return in_order(sharp, range(footage.count))
