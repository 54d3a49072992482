# SPDX-License-Identifier: Apache-2.0
"""Brings exact depth and a camera from elsewhere to one scale."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reangle.geometry.anchor_points import triangulate
from reangle.geometry.clip_camera import ClipCamera
from reangle.geometry.footage import Footage
from reangle.geometry.frame_depth import ExactDepth

LEAST_POINTS = 20
"""Points that must have depth for the scale to be measured."""


def in_one_scale(camera: ClipCamera, depth: ExactDepth, footage: Footage) -> tuple[ClipCamera, ExactDepth]:
    """The camera's path scaled to the depth; the depth scaled to a camera whose units are the artist's.

    Their ratio is the median, over the points that the camera was solved with, of the depth map's depth over the
    point's. Points are triangulated if the camera has none. A camera file's own units, and those of a camera that
    never leaves its place, are the depth's.
    """
    if camera.source == "files" or camera.motion != "moving":
        return camera, depth
    measured = camera if len(camera.points) else replace(camera, points=triangulate(footage, camera))
    ratio = _ratio(measured, depth)
    if ratio is None:
        note = "Scale: too few points have both depth and parallax, so depth and camera may not fit each other."
        return camera, replace(depth, notes=(*depth.notes, note))
    if camera.scale == "metric":
        note = f"Scale: the depth is multiplied by {1 / ratio:.4g} to fit the camera."
        scaled = depth.depth * np.float32(1 / ratio)
        return camera, replace(depth, depth=scaled, scale="metric", notes=(*depth.notes, note))
    path = camera.world_from_camera.copy()
    path[:, :3, 3] *= ratio
    points = replace(camera.points, xyz=camera.points.xyz * ratio)
    note = "Scale: the camera's path is scaled to the depth."
    return (
        replace(camera, world_from_camera=path, points=points, scale=depth.scale),
        replace(depth, notes=(*depth.notes, note)),
    )


def _ratio(camera: ClipCamera, depth: ExactDepth) -> float | None:
    """How many of the depth's units one of the camera's is; None if that cannot be told."""
    height, width = depth.depth.shape[1:]
    points, camera_from_world = camera.points, np.linalg.inv(camera.world_from_camera)
    place = np.clip(points.uv * (width / camera.width, height / camera.height), 0, (width - 1, height - 1))
    column, row = place.astype(int).T
    seen, xyz = depth.depth[points.frame, row, column], points.xyz[points.point]
    row_z = camera_from_world[points.frame, 2]
    z = (row_z[:, :3] * xyz).sum(axis=1) + row_z[:, 3]
    known = depth.valid[points.frame, row, column] & (z > 0)
    return float(np.median(seen[known] / z[known])) if known.sum() >= LEAST_POINTS else None
