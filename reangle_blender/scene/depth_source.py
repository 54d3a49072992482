# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose depth the depth mesh has at a frame: that of the rendered camera's result, or the clip's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bpy.types import Object, Scene

from .. import state
from ..state import paths
from . import cameras


@dataclass(frozen=True)
class DepthSource:
    """folder: of a result, None for the clip. index: of its frame. is_own: the camera that renders at this frame is the
    depth's own. note: what the artist should know of the choice, "" mostly."""

    folder: Path | None
    index: int
    is_own: bool
    note: str = ""


def camera_at(scene: Scene, frame: int) -> Object | None:
    """The camera that renders this frame. Handlers run before Blender follows the markers, so they are read here."""
    markers = [marker for marker in scene.timeline_markers if marker.camera is not None]
    before = [marker for marker in markers if marker.frame <= frame]
    if before:
        return max(before, key=lambda marker: marker.frame).camera
    return scene.camera


def source_at(scene: Scene, frame: int) -> DepthSource:
    """The depth for this scene frame; before and after the clip, that of its first and last."""
    shot, camera = state.of(scene), camera_at(scene, frame)
    note = ""
    if shot.cg.depth_of == "CAMERA" and camera is not None and camera != shot.source:
        row, note = _row_of(scene, camera)
        if row is not None:
            index = int(np.clip(frame - row.first_frame, 0, max(0, row.frames - 1)))
            return DepthSource(paths.absolute(row.folder), index, is_own=True)
    if camera is not None and camera != shot.source and camera.reangle.is_frozen:
        frame = camera.reangle.freeze_frame
    index = int(np.clip(frame - shot.first_frame, 0, max(0, shot.shot_frames - 1)))
    return DepthSource(None, index, is_own=camera is not None and camera == shot.source, note=note)


def _row_of(scene: Scene, camera: Object) -> tuple[state.ReangleCamera | None, str]:
    """The latest fetched result of a camera; a note if there is none that fits the present import."""
    shot = state.of(scene)
    has_markers = any(marker.camera is not None for marker in scene.timeline_markers)
    is_old = False
    for job in reversed(shot.jobs):
        if job.kind != "RENDER" or not job.has_results or job.missing:
            continue
        for row in job.cameras:
            by_markers = row.camera is None and row.name == cameras.MARKER_CAMERA and has_markers
            if not row.folder or not (row.camera == camera or by_markers):
                continue
            # Another import may have another unit.
            if job.request and shot.shot_request and job.request != shot.shot_request:
                is_old = True
                continue
            return row, ""
    lacks = "was rendered from an earlier import" if is_old else "has no result yet"
    advice = "render it again in the Render panel" if is_old else "render it in the Render panel"
    return None, (
        f"{camera.name} {lacks}, so the mesh has the clip's depth, with gaps where the clip's camera does not see: "
        f"{advice}."
    )
