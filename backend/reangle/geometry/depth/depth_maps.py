# SPDX-License-Identifier: Apache-2.0
"""Reads depth maps from EXR, 16-bit PNG, npz and npy files. In the result, 0 means no depth."""

from __future__ import annotations

from pathlib import Path, PurePath
from zipfile import BadZipFile

import cv2
import numpy as np

from reangle.contract import MAX_FRAMES, MAX_SIDE
from reangle.contract.file_kinds import says_inverse
from reangle.errors import UserError
from reangle.geometry.camera_files import PngDepth
from reangle.geometry.footage import decode_image
from reangle.media.exr import read_exr_depth

BACKGROUND = 1e9
"""Blender writes 1e10 where a ray hits nothing."""
HALF_MAX = 65504.0
"""What becomes of such a distance where it is limited to 16-bit floats."""


def read_depth(name: str, path: Path, png: PngDepth) -> np.ndarray:
    """One file's depth: T x h x w float32. T is 1 except for npz and npy files of several frames.

    name: the original file name; its suffix decides how the file is read. Raises UserError that names the file.
    """
    suffix = PurePath(name).suffix.lower()
    if suffix == ".exr":
        depth = read_exr_depth(path, name)
    elif suffix == ".png":
        depth = _read_png(name, path, png)
    else:
        depth = _read_numpy(name, path)
    if depth.ndim == 2:
        depth = depth[None]
    if depth.ndim != 3 or 0 in depth.shape:
        raise UserError(
            f"{name} holds an array of shape {depth.shape}; depth is height x width or frames x height x width.",
            advice="Save the depth alone, one value per pixel.",
        )
    if max(depth.shape[1:]) > MAX_SIDE or len(depth) > MAX_FRAMES:
        raise UserError(
            f"{name} is too large: {depth.shape}.",
            advice=f"Use at most {MAX_SIDE} pixels a side and {MAX_FRAMES} frames.",
        )
    with np.errstate(invalid="ignore"):
        usable = np.isfinite(depth) & (depth > 0) & (depth < BACKGROUND) & (depth != HALF_MAX)
    if not usable.any() and (np.isfinite(depth) & (depth < 0)).any():
        raise UserError(
            f"{name} has only negative depth.",
            advice="Write the distance in front of the camera as a positive number: multiply it by -1.",
        )
    return np.where(usable, depth, 0).astype(np.float32)


def _read_png(name: str, path: Path, png: PngDepth) -> np.ndarray:
    pixels = decode_image(path, cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise UserError(f"{name} cannot be read as PNG.", advice="Export or copy it again.")
    if pixels.ndim == 3 and (pixels[..., :3] == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    if pixels.dtype != np.uint16 or pixels.ndim != 2:
        raise UserError(
            f"{name} is not a depth map: a depth PNG has one channel of 16 bits.",
            advice="Export depth as 16-bit grey PNG, or as EXR.",
        )
    value = pixels.astype(np.float64) * png.scale + png.offset
    with np.errstate(divide="ignore"):
        depth = 1 / value if png.encoding == "inverse" else value
    return np.where(pixels > 0, depth, 0)


def _read_numpy(name: str, path: Path) -> np.ndarray:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            depth = loaded
        else:
            with loaded:
                keys = list(loaded.keys())
                if "depth" not in keys and len(keys) != 1:
                    raise ValueError(f"it has no array 'depth', only {', '.join(keys) or 'nothing'}")
                key = "depth" if "depth" in keys else keys[0]
                if says_inverse(key):
                    raise ValueError(f"its array {key!r} is no distance")
                depth = loaded[key]
        if not (np.issubdtype(depth.dtype, np.floating) or np.issubdtype(depth.dtype, np.integer)):
            raise ValueError(f"its numbers are {depth.dtype}")
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise UserError(
            f"{name} cannot be read as numpy depth: {error}.",
            advice="Save distances with numpy.savez(file, depth=...), as plain numbers.",
        ) from error
    return depth.astype(np.float32)
