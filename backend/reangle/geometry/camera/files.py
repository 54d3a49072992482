# SPDX-License-Identifier: Apache-2.0
"""Camera provider `files`: a camera file of another program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np

from reangle.contract.file_kinds import COLMAP_FILES, DUST3R_FILES
from reangle.errors import UserError
from reangle.folders import ClipMetadata, Distortion
from reangle.geometry.camera.still import still_camera
from reangle.geometry.camera_files import CameraTrack, read_camera_json, relative_to_first
from reangle.geometry.clip_camera import ClipCamera
from reangle.geometry.clip_match import K_of_frames, for_each_frame, has_stored_pixels, motion_of, used_area, used_part
from reangle.geometry.colmap import pycolmap
from reangle.geometry.colmap_model import read_colmap
from reangle.geometry.dust3r_scene import read_dust3r
from reangle.geometry.footage import Footage
from reangle.geometry.spec import CameraContext
from reangle.weights.licences import OWN_FILES


def provide(footage: Footage, context: CameraContext) -> ClipCamera:
    """Without a camera file the camera stands still. See `reangle.geometry.provider.CameraProvider`."""
    track = read_camera(context.files.get("geometry", ()), footage.metadata)
    fov = context.params.horizontal_fov_deg
    if track is None:
        return still_camera(footage, fov, ("Camera: static, since there is no camera file.",))
    K = K_of_frames("The camera file is for", track.K, track.width, track.height, footage)
    path, notes = track.world_from_camera, list(track.notes)
    if len(K) > 1:
        part, more = used_part(len(K), footage, context.params.start, "cameras")
        K, path, notes = K[part], path[part], [*notes, *more]
    distortion = distortion_of_frames(track, footage)
    if distortion is not None:
        notes.append(f"Lens: its distortion ({distortion.model}) is taken out of the frames.")
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
        distortion=distortion,
        licence=OWN_FILES.name,
        notes=tuple(notes),
    )


def distortion_of_frames(track: CameraTrack, footage: Footage) -> Distortion | None:
    """The track's distortion in pixels of the clip's frames, which may show a part of its picture."""
    if track.distortion is None:
        return None
    left, top, width, height = used_area("The camera file is for", track.width, track.height, footage)
    if has_stored_pixels(track.width, track.height, footage):
        raise UserError(
            f"The camera file's lens bends frames of {track.width} x {track.height}, whose pixels are not square.",
            advice=f"Solve frames of {footage.width} x {footage.height} with square pixels.",
        )
    lens = pycolmap.Camera(
        model=track.distortion.model, width=track.width, height=track.height, params=list(track.distortion.params)
    )
    lens.principal_point_x -= left
    lens.principal_point_y -= top
    lens.width, lens.height = width, height
    lens.rescale(footage.width, footage.height)
    return Distortion(model=lens.model_name, params=tuple(lens.params))


def read_camera(files: Sequence[tuple[str, Path]], clip: ClipMetadata) -> CameraTrack | None:
    """The camera among the uploaded files (name, path); None if there is none, UserError if there are two."""
    colmap = {name: path for name, path in files if name.lower() in COLMAP_FILES}
    dust3r = {name: path for name, path in files if name.lower() in DUST3R_FILES}
    jsons = [(name, path) for name, path in files if PurePath(name).suffix.lower() == ".json"]
    if len(jsons) + bool(colmap) + bool(dust3r) > 1:
        names = [name for name, _ in jsons] + sorted(colmap) + sorted(dust3r)
        raise UserError(
            f"There are several camera files: {', '.join(names)}.", advice="Keep the one that belongs to this clip."
        )
    if jsons:
        return read_camera_json(*jsons[0])
    if dust3r:
        return read_dust3r(dict(files), clip)
    return read_colmap(colmap, clip) if colmap else None
