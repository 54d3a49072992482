# SPDX-License-Identifier: Apache-2.0
"""Camera provider `files`: a camera file of another program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np

from reangle.errors import UserError
from reangle.geometry.camera.still import still_camera
from reangle.geometry.camera_files import CameraTrack, read_camera_json, read_colmap, relative_to_first
from reangle.geometry.clip_camera import ClipCamera
from reangle.geometry.clip_match import K_of_frames, for_each_frame, motion_of, used_part
from reangle.geometry.file_kinds import COLMAP_TEXT
from reangle.geometry.footage import Footage
from reangle.geometry.spec import CameraContext
from reangle.weights.licences import OWN_FILES


def provide(footage: Footage, context: CameraContext) -> ClipCamera:
    """Without a camera file the camera stands still. See `reangle.geometry.provider.CameraProvider`."""
    track = read_camera(context.files.get("geometry", ()))
    fov = context.params.horizontal_fov_deg
    if track is None:
        return still_camera(footage, fov, ("Camera: static, since there is no camera file.",))
    K = K_of_frames("The camera file is for", track.K, track.width, track.height, footage)
    path, notes = track.world_from_camera, list[str]()
    if len(K) > 1:
        part, notes = used_part(len(K), footage, context.params.start, "cameras")
        K, path = K[part], path[part]
    if fov is not None:
        notes.append("Lens: from the camera file; the field of view in the settings is ignored.")
    path = relative_to_first(for_each_frame(path, footage))
    return ClipCamera(
        K=np.ascontiguousarray(for_each_frame(K, footage)),
        world_from_camera=path,
        width=footage.width,
        height=footage.height,
        motion=motion_of(path),
        scale=track.scale,
        source="files",
        lens_source="files",
        licence=OWN_FILES.name,
        notes=tuple(notes),
    )


def read_camera(files: Sequence[tuple[str, Path]]) -> CameraTrack | None:
    """The camera among the uploaded files (name, path); None if there is none, UserError if there are two."""
    colmap = {name.lower(): path for name, path in files if name.lower() in COLMAP_TEXT}
    jsons = [(name, path) for name, path in files if PurePath(name).suffix.lower() == ".json"]
    if len(jsons) + bool(colmap) > 1:
        names = [name for name, _ in jsons] + sorted(colmap)
        raise UserError(
            f"There are several camera files: {', '.join(names)}.", advice="Keep the one that belongs to this clip."
        )
    if jsons:
        return read_camera_json(*jsons[0])
    if len(colmap) == 1:
        missing = next(name for name in COLMAP_TEXT if name not in colmap)
        raise UserError(
            f"{missing} is missing beside {next(iter(colmap))}.", advice="COLMAP's two text files go together."
        )
    return read_colmap(colmap["cameras.txt"], colmap["images.txt"]) if colmap else None
