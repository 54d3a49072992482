# SPDX-License-Identifier: Apache-2.0
"""Provider `files`: depth maps and a camera from other programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from reangle.errors import UserError
from reangle.geometry.camera_files import (
    PLAIN_PNG,
    CameraTrack,
    PngDepth,
    natural_key,
    read_camera_json,
    read_colmap,
    relative_to_first,
)
from reangle.geometry.depth.depth_maps import DEPTH_SUFFIXES, read_depth
from reangle.geometry.footage import Footage, K_from_fov, fov_from_settings
from reangle.geometry.spec import GeometryContext
from reangle.geometry.video_geometry import VideoGeometry

COLMAP_NAMES = ("cameras.txt", "images.txt")


def provide(footage: Footage, context: GeometryContext) -> VideoGeometry:
    """Depth at its own size, and the camera file's camera. See `reangle.geometry.depth.spec.Provider`."""
    files = context.files.get("geometry", ())
    start = context.params.start
    track = read_camera(files)
    depth, notes = _read_depths(files, track.png if track else PLAIN_PNG, footage, start, context.report)
    depth *= np.float32(context.params.depth_files_scale)

    full_height, full_width = depth.shape[1:]
    left, top, width, height = used_area("The depth maps are", full_width, full_height, footage)
    depth = np.ascontiguousarray(depth[:, top : top + height, left : left + width])
    fov = context.params.horizontal_fov_deg
    if track is None:
        used_fov, note = fov_from_settings(fov)
        notes += [note, "Camera: static, since there is no camera file."]
        K, world_from_camera = K_from_fov(width, height, used_fov)[None], np.eye(4)[None]
    else:
        K, world_from_camera, more = _cameras(track, full_width, full_height, footage, start)
        K[:, :2, 2] -= left, top
        notes += more
        if fov is not None:
            notes.append("Lens: from the camera file; the field of view in the settings is ignored.")

    valid = depth > 0
    empty = np.flatnonzero(~valid.any(axis=(1, 2)))
    if empty.size == len(valid):
        raise UserError("The depth maps contain no depth at all.", advice="Check that the Z pass was rendered.")
    if empty.size:
        notes.append(f"There is no depth at all in {empty.size} frames; the first is frame {empty[0]}.")
    depth, valid = _for_each_frame(depth, footage), _for_each_frame(valid, footage)
    return VideoGeometry(
        depth=depth,
        valid=valid,
        confidence=np.ones(depth.shape, np.float32),
        K=_for_each_frame(K, footage),
        world_from_camera=relative_to_first(_for_each_frame(world_from_camera, footage)),
        scale=track.scale if track else "metric",
        provider="files",
        notes=tuple(notes),
    )


def _read_depths(
    files: Sequence[tuple[str, Path]],
    png: PngDepth,
    footage: Footage,
    start: int,
    report: Callable[[float, str], None],
) -> tuple[np.ndarray, list[str]]:
    """The used frames' depth, T x h x w float32 with 0 for none, and notes."""
    chosen = sorted(
        ((name, path) for name, path in files if PurePath(name).suffix.lower() in DEPTH_SUFFIXES),
        key=lambda file: natural_key(file[0]),
    )
    if not chosen:
        raise UserError(
            "There is no depth map among the geometry files.",
            advice="Give depth as EXR with a Z pass, 16-bit PNG, or npz.",
        )
    if len(chosen) == 1:
        depth = read_depth(*chosen[0], png)
        part, notes = used_part(len(depth), footage, start, "depth maps")
        return depth[part], notes
    # Open only the files that are used.
    part, notes = used_part(len(chosen), footage, start, "depth maps")
    maps: list[np.ndarray] = []
    for name, path in chosen[part]:
        depth_map = read_depth(name, path, png)
        if len(depth_map) != 1:
            raise UserError(
                f"{name} holds {len(depth_map)} frames, and there are {len(chosen)} depth files.",
                advice="Use one file for all frames, or one frame in each file.",
            )
        if maps and depth_map.shape != maps[0].shape:
            (height, width), (first_height, first_width) = depth_map.shape[1:], maps[0].shape[1:]
            raise UserError(
                f"{name} is {width} x {height}, but the depth maps before it are {first_width} x {first_height}.",
                advice="Render all depth maps at one size.",
            )
        maps.append(depth_map)
        report(len(maps) / len(chosen[part]), "")
    return np.concatenate(maps), notes


def _cameras(
    track: CameraTrack, width: int, height: int, footage: Footage, start: int
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The used frames' K in pixels of a picture of width x height, their world_from_camera, and notes."""
    used_area("The camera file is for", track.width, track.height, footage)
    if not _same_shape(track.width, track.height, width, height):
        raise UserError(
            f"The camera file is for {track.width} x {track.height}, but the depth maps are {width} x {height}.",
            advice="Give both for the same picture.",
        )
    K = np.diag([width / track.width, height / track.height, 1.0]) @ track.K
    if len(K) == 1:
        return K, track.world_from_camera, []
    part, notes = used_part(len(K), footage, start, "cameras")
    return K[part], track.world_from_camera[part], notes


def _for_each_frame(values: np.ndarray, footage: Footage) -> np.ndarray:
    """One for each frame of the footage: the only one serves all."""
    return values[np.minimum(np.arange(footage.count), len(values) - 1)]


def read_camera(files: Sequence[tuple[str, Path]]) -> CameraTrack | None:
    """The camera among the uploaded files (name, path); None if there is none, UserError if there are two."""
    colmap = {name.lower(): path for name, path in files if name.lower() in COLMAP_NAMES}
    jsons = [(name, path) for name, path in files if PurePath(name).suffix.lower() == ".json"]
    if len(jsons) + bool(colmap) > 1:
        names = [name for name, _ in jsons] + sorted(colmap)
        raise UserError(
            f"There are several camera files: {', '.join(names)}.", advice="Keep the one that belongs to this clip."
        )
    if jsons:
        return read_camera_json(*jsons[0])
    if len(colmap) == 1:
        missing = next(name for name in COLMAP_NAMES if name not in colmap)
        raise UserError(
            f"{missing} is missing beside {next(iter(colmap))}.", advice="COLMAP's two text files go together."
        )
    return read_colmap(colmap["cameras.txt"], colmap["images.txt"]) if colmap else None


def used_part(given: int, footage: Footage, start: int, what: str) -> tuple[slice, list[str]]:
    """The part of `given` items that belongs to the used frames, and notes.

    All of them if there is one for each used frame; those from `start` on if there is one for each frame of the whole
    clip; else raises UserError. what: the items, for messages.
    """
    used, whole = footage.count, footage.metadata.source_frames
    if given == used:
        return slice(None), []
    if given == whole or (whole is None and given >= start + used > used):
        last = start + used - 1
        which = f"those of frames {start} to {last} are used"
        return slice(start, start + used), [f"There are {given} {what}, one for each frame of the whole clip; {which}."]
    clip = f"{used} used frames" + (f" of {whole}" if whole and whole != used else "")
    raise UserError(
        f"There are {given} {what}, but the clip has {clip}.",
        advice="Give one for each used frame, or one for each frame of the whole clip.",
    )


def used_area(what: str, width: int, height: int, footage: Footage) -> tuple[int, int, int, int]:
    """The part (left, top, width, height) of a picture of this size that the clip's frames show.

    All of it if it has the frames' shape; the crop that decoding made if it has the uncropped source's shape; else
    raises UserError. what: the start of the message.
    """
    if _same_shape(width, height, footage.width, footage.height):
        return 0, 0, width, height
    clip = footage.metadata
    source = clip.source_width or footage.width, clip.source_height or footage.height
    if clip.source_crop is not None and _same_shape(width, height, *source):
        x, y = width / source[0], height / source[1]
        left, top, crop_width, crop_height = clip.source_crop
        return round(left * x), round(top * y), round(crop_width * x), round(crop_height * y)
    raise UserError(
        f"{what} {width} x {height}, which is another shape than the clip's {footage.width} x {footage.height}.",
        advice="Render depth with the clip's aspect ratio, or crop the clip to match.",
    )


def _same_shape(width: int, height: int, other_width: int, other_height: int) -> bool:
    # Sizes are rounded to whole pixels.
    return abs(width * other_height - height * other_width) <= 1.5 * max(width, height, other_width, other_height)


def collect_geometry_files(folder: Path) -> list[Path]:
    """The depth and camera files in a folder and the folders below, for `--geometry files:FOLDER`.

    Depth comes from EXR files if there are any, else npz and npy, else 16-bit PNG; those in a folder named `depth` are
    preferred. Camera files are taken from the depth's folder, else from the nearest folder above that has some. Raises
    UserError if there is no depth, or if depth is in several folders.
    """
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}.", advice="Give the folder that holds the depth maps.")
    paths = sorted((path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")), key=str)
    for suffixes in ((".exr",), (".npz", ".npy"), (".png",)):
        depth = [path for path in paths if path.suffix.lower() in suffixes]
        depth = [path for path in depth if path.parent.name.lower() == "depth"] or depth
        if suffixes == (".png",):
            depth = [path for path in depth if _is_deep_png(path)]
        if depth:
            break
    else:
        raise UserError(
            f"There are no depth maps in {folder}.", advice="Put EXR files with a Z pass, 16-bit PNG or npz there."
        )
    parents = sorted({path.parent for path in depth})
    if len(parents) > 1:
        raise UserError(
            f"There are depth maps in {parents[0]} and in {parents[1]}.", advice="Give the folder of one of them."
        )
    cameras = [path for path in paths if path.name.lower() in COLMAP_NAMES or _is_camera_json(path)]
    # Camera files in other folders may be of other cameras.
    above = [one for one in (parents[0], *parents[0].parents) if one == folder or folder in one.parents]
    for candidate in above:
        if beside := [path for path in cameras if path.parent == candidate]:
            cameras = beside
            break
    return sorted(depth, key=lambda path: natural_key(path.name)) + cameras


def _is_deep_png(path: Path) -> bool:
    """Whether the PNG has 16 bits, by its header."""
    with path.open("rb") as file:
        header = file.read(25)
    return header.startswith(b"\x89PNG\r\n\x1a\n") and len(header) == 25 and header[24] == 16


def _is_camera_json(path: Path) -> bool:
    if path.suffix.lower() != ".json" or path.stat().st_size > 64 * 2**20:
        return False
    try:
        content: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError:
        # Report an invalid file beside the depth maps rather than ignore it.
        return True
    if not isinstance(content, dict):
        return False
    source = content.get("source", content)
    frames = source.get("frames") if isinstance(source, dict) else None
    return isinstance(source, dict) and ("K" in source or (isinstance(frames, list) and "width" in content))
