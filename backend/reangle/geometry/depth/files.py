# SPDX-License-Identifier: Apache-2.0
"""Depth provider `files`: depth maps of other programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from reangle.contract.file_kinds import is_depth_map
from reangle.errors import UserError
from reangle.geometry.camera.files import read_camera
from reangle.geometry.camera_files import PLAIN_PNG, PngDepth, natural_key
from reangle.geometry.clip_camera import ClipCamera
from reangle.geometry.clip_match import for_each_frame, same_shape, used_area, used_part
from reangle.geometry.depth.depth_maps import read_depth
from reangle.geometry.footage import Footage
from reangle.geometry.frame_depth import ExactDepth
from reangle.geometry.spec import DepthContext


def provide(footage: Footage, camera: ClipCamera, context: DepthContext) -> ExactDepth:
    """Depth at its own size. See `reangle.geometry.provider.DepthProvider`."""
    files = context.files.get("geometry", ())
    track = read_camera(files)
    depth, notes = _read_depths(files, track.png if track else PLAIN_PNG, footage, context.params.start, context.report)
    if context.params.depth_files_scale != 1:
        depth *= np.float32(context.params.depth_files_scale)
    full_height, full_width = depth.shape[1:]
    if camera.source == "files" and track and not same_shape(track.width, track.height, full_width, full_height):
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


def _read_depths(
    files: Sequence[tuple[str, Path]],
    png: PngDepth,
    footage: Footage,
    start: int,
    report: Callable[[float, str], None],
) -> tuple[np.ndarray, list[str]]:
    """The used frames' depth, T x h x w float32 with 0 for none, and notes."""
    chosen = sorted(
        ((name, path) for name, path in files if is_depth_map(name)),
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
