# SPDX-License-Identifier: Apache-2.0
"""Depth provider `files`: depth maps of other programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path, PurePath

import numpy as np

from reangle.contract.file_kinds import is_depth_map, says_inverse
from reangle.contract.sequences import frame_numbers, frame_order
from reangle.errors import UserError
from reangle.geometry.camera.files import read_camera
from reangle.geometry.camera_files import PLAIN_PNG, CameraTrack, PngDepth
from reangle.geometry.clip_camera import ClipCamera
from reangle.geometry.clip_match import for_each_frame, has_stored_pixels, same_shape, used_area, used_part
from reangle.geometry.depth.depth_maps import read_depth
from reangle.geometry.file_numbers import counting_numbers, few_in_words, numbers_between
from reangle.geometry.footage import Footage
from reangle.geometry.frame_depth import ExactDepth
from reangle.geometry.spec import DepthContext
from reangle.media.exr import depth_note
from reangle.media.framing import square_size, with_square_pixels


def provide(footage: Footage, camera: ClipCamera, context: DepthContext) -> ExactDepth:
    """Depth at its own size. See `reangle.geometry.provider.DepthProvider`."""
    files = context.files.get("geometry", ())
    track = read_camera(files, footage.metadata)
    maps = depth_maps(files)
    depth, notes = _read_depths(maps, track.png if track else PLAIN_PNG, footage, context.params.start, context.report)
    notes += _depth_notes(maps[0], depth)
    if says_inverse(PurePath(maps[0][0]).stem) and (track is None or track.png.encoding != "inverse"):
        notes.append(
            f"{maps[0][0]} is named as inverse depth or disparity and is read as distances: "
            "if things come out near that are far, export distances."
        )
    if context.params.depth_files_scale != 1:
        depth *= np.float32(context.params.depth_files_scale)
    if track is not None and any(track.margins):
        left, top, right, bottom = track.margins
        depth = np.pad(depth, ((0, 0), (top, bottom), (left, right)), mode="edge")
    if has_stored_pixels(depth.shape[2], depth.shape[1], footage):
        depth = with_square_pixels(depth, footage.metadata.pixel_aspect)
    full_height, full_width = depth.shape[1:]
    if camera.source == "files" and track and not _same_picture(track, full_width, full_height, footage):
        raise UserError(
            f"The camera file is for {track.width} x {track.height}, but the depth maps are "
            f"{full_width} x {full_height}.",
            advice="Give both for the same picture.",
        )
    left, top, width, height = used_area("The depth maps are", full_width, full_height, footage)
    depth = depth[:, top : top + height, left : left + width]
    valid = depth > 0
    empty = np.flatnonzero(~valid.any(axis=(1, 2)))
    if empty.size == len(valid):
        raise UserError("The depth maps contain no depth at all.", advice="Check that the Z pass was rendered.")
    if empty.size:
        notes.append(f"There is no depth at all in {empty.size} frames; the first is frame {empty[0]}.")
    return ExactDepth(
        for_each_frame(depth, footage),
        for_each_frame(valid, footage),
        scale=track.scale if track else "metric",
        notes=tuple(notes),
    )


def depth_maps(files: Sequence[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """The depth maps of the geometry files, in the order of the frames. Raises UserError if there is none."""
    maps = [(name, path) for name, path in files if is_depth_map(name)]
    if not maps:
        raise UserError(
            "There is no depth map among the geometry files.",
            advice="Give depth as EXR with a Z pass, 16-bit PNG, or npz.",
        )
    return [maps[at] for at in frame_order([name for name, _ in maps])]


def _check_numbers(names: Sequence[str]) -> None:
    """Refuse depth maps whose numbers skip a few frames: those behind a gap would be taken for earlier frames."""
    # Numbers far apart are times, and those in equal steps count what there is.
    numbers = counting_numbers(names)
    if numbers is None or len(numbers) < 3 or len(set(np.diff(numbers))) == 1:
        return
    _, missing = numbers_between(numbers)
    raise UserError(
        f"The depth maps from {names[0]} to {names[-1]} have gaps: number {few_in_words(missing)} is missing.",
        advice="Render or copy the missing depth maps.",
    )


def _number_notes(names: Sequence[str], footage: Footage) -> list[str]:
    """A note if depth maps have the numbers of other frames' images."""
    depth, images = frame_numbers(names), frame_numbers(footage.metadata.image_names)
    if depth is None or images is None or depth == images or not set(depth) & set(images):
        return []
    return [
        f"The depth maps are numbered from {depth[0]} and the clip's used images from {images[0]}: "
        "they belong together in their order."
    ]


def _depth_notes(first: tuple[str, Path], depth: np.ndarray) -> list[str]:
    """What may be wrong with the depth. first: name and path of the first file."""
    name, path = first
    notes = [note] if PurePath(name).suffix.lower() == ".exr" and (note := depth_note(path, name)) else []
    if 0 < depth.max() <= 1:
        notes.append(
            "All depth is between 0 and 1: if it is Mist, inverse depth (Nuke's depth.Z) or depth made to be "
            "looked at, the scene comes out bent."
        )
    return notes


def _same_picture(track: CameraTrack, width: int, height: int, footage: Footage) -> bool:
    size = track.width, track.height
    if has_stored_pixels(*size, footage):
        size = square_size(*size, footage.metadata.pixel_aspect)
    return same_shape(*size, width, height)


def _read_depths(
    chosen: Sequence[tuple[str, Path]],
    png: PngDepth,
    footage: Footage,
    start: int,
    report: Callable[[float, str], None],
) -> tuple[np.ndarray, list[str]]:
    """The used frames' depth, T x h x w float32 with 0 for none, and notes."""
    if len(chosen) == 1:
        depth = read_depth(*chosen[0], png)
        part, notes = used_part(len(depth), footage, start, "depth maps")
        return depth[part], notes
    # Open only the files that are used.
    part, notes = used_part(len(chosen), footage, start, "depth maps")
    _check_numbers([name for name, _ in chosen])
    notes += _number_notes([name for name, _ in chosen[part]], footage)
    depth = np.zeros((0, 0, 0), np.float32)
    first_height = first_width = 0
    for index, (name, path) in enumerate(chosen[part]):
        depth_map = read_depth(name, path, png)
        if len(depth_map) != 1:
            raise UserError(
                f"{name} holds {len(depth_map)} frames, and there are {len(chosen)} depth files.",
                advice="Use one file for all frames, or one frame in each file.",
            )
        _, height, width = depth_map.shape
        if not index:
            first_height, first_width = height, width
            depth = np.empty((len(chosen[part]), height, width), np.float32)
        if (height, width) != (first_height, first_width):
            raise UserError(
                f"{name} is {width} x {height}, but the depth maps before it are {first_width} x {first_height}.",
                advice="Render all depth maps at one size.",
            )
        depth[index] = depth_map[0]
        report((index + 1) / len(depth), "")
    return depth, notes
