# SPDX-License-Identifier: Apache-2.0
"""Depth maps from EXR, 16-bit PNG, npz and npy files. In what they return, 0 means no depth."""

from __future__ import annotations

from pathlib import Path, PurePath
from zipfile import BadZipFile

import cv2
import numpy as np
import OpenEXR

from backend.contract import MAX_FRAMES, MAX_SIDE
from backend.errors import UserError
from backend.geometry.camera_files import PngDepth
from backend.geometry.footage import decode_image

DEPTH_SUFFIXES = (".exr", ".png", ".npz", ".npy")
BACKGROUND = 1e9
"""Blender writes 1e10 where a ray hits nothing."""
HALF_MAX = 65504.0


def read_depth(name: str, path: Path, png: PngDepth) -> np.ndarray:
    """One file's depth: T x h x w float32, T being 1 except for npz and npy of several frames.

    name: the original file name, whose ending tells the kind. Raises UserError that names the file.
    """
    suffix = PurePath(name).suffix.lower()
    if suffix == ".exr":
        depth = _read_exr(name, path)
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
    usable = np.isfinite(depth) & (depth > 0) & (depth < BACKGROUND)
    return np.where(usable, depth, 0).astype(np.float32)


def _read_exr(name: str, path: Path) -> np.ndarray:
    try:
        file = OpenEXR.File(str(path), separate_channels=True)
        # Blender before 5.0 writes all layers into one part, from 5.0 on each into its own.
        channels = [
            (channel, data.pixels, part.header) for part in file.parts for channel, data in part.channels.items()
        ]
    except Exception as error:  # OpenEXR raises bare RuntimeError and others for broken files
        raise UserError(f"{name} cannot be read as EXR: {error}.", advice="Render or copy it again.") from error
    chosen = _depth_channel([channel for channel, _, _ in channels])
    if chosen is None:
        grey = {channel: data for channel, data, _ in channels if channel in ("R", "G", "B")}
        if len(grey) == 3 and np.array_equal(grey["R"], grey["G"]) and np.array_equal(grey["R"], grey["B"]):
            chosen = "R"
    if chosen is None:
        raise UserError(
            f"{name} has no depth channel; it has {', '.join(channel for channel, _, _ in channels[:12])}.",
            advice="Switch on the Z pass of the view layer and render to OpenEXR MultiLayer.",
        )
    values, header = next((data, header) for channel, data, header in channels if channel == chosen)
    depth = values.astype(np.float32)
    if values.dtype == np.float16:
        depth[depth >= HALF_MAX] = 0
    return _in_display_window(depth, header)


def _depth_channel(names: list[str]) -> str | None:
    """Z of any layer; else a single value named depth; else the only channel there is."""
    for name in names:
        if name.rsplit(".", 1)[-1].upper() == "Z":
            return name
    for name in names:
        layer, _, channel = name.rpartition(".")
        if channel.upper() in ("V", "Y", "X", "DEPTH") and "depth" in (layer or channel).lower():
            return name
    return names[0] if len(names) == 1 else None


def _in_display_window(depth: np.ndarray, header: dict) -> np.ndarray:
    """A render of a region stores only that region: put it where it belongs in the full frame."""
    (x0, y0), (x1, y1) = header["displayWindow"]
    (left, top), _ = header["dataWindow"]
    width, height = int(x1 - x0 + 1), int(y1 - y0 + 1)
    left, top = int(left - x0), int(top - y0)
    if ((left, top) == (0, 0) and depth.shape == (height, width)) or max(width, height) > MAX_SIDE:
        return depth
    full = np.zeros((height, width), np.float32)
    inside = depth[max(0, -top) : height - top, max(0, -left) : width - left]
    top, left = max(0, top), max(0, left)
    full[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    return full


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
                depth = loaded["depth" if "depth" in keys else keys[0]]
        if not (np.issubdtype(depth.dtype, np.floating) or np.issubdtype(depth.dtype, np.integer)):
            raise ValueError(f"its numbers are {depth.dtype}")
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise UserError(
            f"{name} cannot be read as numpy depth: {error}.",
            advice="Save it with numpy.savez(file, depth=...), as plain numbers.",
        ) from error
    return depth.astype(np.float32)
