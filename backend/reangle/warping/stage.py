# SPDX-License-Identifier: Apache-2.0
"""Stage `warp`: warps the clip to a new camera."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np

from reangle.folders import (
    ClipCoverage,
    Coverage,
    FrameTrouble,
    GeometryFolder,
    ViewCamera,
    WarpFolder,
    WarpMetadata,
    source_clip,
)
from reangle.folders.warp import VIEW_IMAGES
from reangle.geometry.video_geometry import VideoGeometry
from reangle.media.write import ImageWriter, read_images
from reangle.runtime.stage import StageWarning
from reangle.warping.background import background_views
from reangle.warping.spec import WarpContext
from reangle.warping.trouble import find_trouble
from reangle.warping.types import View
from reangle.warping.video import Warper, measured_frames


def warp(context: WarpContext) -> None:
    """Write the warped frames, their masks and depth, and views of the static scene from which holes are filled."""
    params, out = context.params, context.out
    path = params.path
    geometry = VideoGeometry.load(context.read("geometry", GeometryFolder))
    warper = Warper.of_clip(read_images(source_clip(context).frames), geometry, params.preview)
    coverage: list[Coverage] = []
    trouble: list[FrameTrouble] = []
    with ExitStack() as stack:
        writers = [stack.enter_context(ImageWriter(folder)) for folder in out.images]
        for warped, measured in measured_frames(warper, path):
            masks = [np.where(mask, np.uint8(255), np.uint8(0)) for mask in (warped.visible, warped.remembered)]
            for writer, image in zip(writers, (warped.rgb, *masks, warped.depth), strict=True):
                writer.add(image)
            trouble.append(measured)
            coverage.append(Coverage(float(warped.visible.mean()), float(warped.remembered.mean())))
            context.report(0.95 * len(coverage) / len(path.frames), "")
    unknown = [1 - frame.visible - frame.remembered for frame in coverage]
    save_views(out, background_views(warper, path, unknown))
    shares = [(frame.visible, frame.remembered) for frame in coverage]
    visible, remembered = (float(share) for share in np.mean(shares, axis=0))
    found = find_trouble(trouble)
    out.write_metadata(
        WarpMetadata(
            frames=len(path.frames),
            width=path.width,
            height=path.height,
            coverage=ClipCoverage(visible, remembered, 1 - visible - remembered),
            coverage_by_frame=tuple(coverage),
            trouble=found,
            trouble_by_frame=tuple(trouble),
        )
    )
    for one in found:
        context.warn(StageWarning(one.first_frame, one.last_frame, one.worst_frame, one.words))
    context.report(1.0, "")


def save_views(folder: WarpFolder, views: list[View]) -> None:
    """Write the pictures and cameras of views."""
    for name in VIEW_IMAGES:
        with ImageWriter(folder.view_images(name)) as writer:
            for view in views:
                image = getattr(view, name)
                writer.add(image if image.dtype != np.bool_ else np.where(image, np.uint8(255), np.uint8(0)))
    folder.write_view_cameras(tuple(ViewCamera(*map(_rows, (view.K, view.world_from_camera))) for view in views))


def _rows(matrix: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, matrix.tolist()))


def load_views(folder: WarpFolder) -> list[View]:
    """Read what `save_views` wrote."""
    cameras = folder.view_cameras()
    if not cameras:
        return []
    images = zip(*(read_images(folder.view_images(name)) for name in VIEW_IMAGES), cameras, strict=True)
    return [
        View(rgb, depth, near > 0, np.array(camera.K), np.array(camera.world_from_camera))
        for rgb, depth, near, camera in images
    ]
